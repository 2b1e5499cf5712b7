from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import BadRequest, Conflict, Forbidden, NotFound
from google.cloud import bigquery
from google.cloud.bigquery import LoadJobConfig, SchemaField

if TYPE_CHECKING:
    from nbactl.testing.bigquery import BigQueryServer

SCHEMA = [SchemaField("day", "DATE"), SchemaField("n", "INT64"), SchemaField("name", "STRING")]


def load(client: bigquery.Client, table: str, rows: list[dict[str, Any]], **options: Any) -> bigquery.LoadJob:
    config = LoadJobConfig(schema=options.pop("schema", SCHEMA), **options)
    job = client.load_table_from_json(rows, table, job_config=config)
    job.result()
    return job


def numbers(client: bigquery.Client, table: str) -> list[int]:
    return [row.n for row in client.query(f"SELECT n FROM {table} ORDER BY day, n").result()]


def test_rows_are_appended_by_default(client: bigquery.Client, table: str) -> None:
    job = load(client, table, [{"day": "2026-02-01", "n": 11}, {"day": "2026-02-02", "n": 12, "name": None}])
    assert (job.output_rows, job.state, job.destination.table_id) == (2, "DONE", "games")
    assert numbers(client, table)[-3:] == [10, 11, 12]


def test_a_partition_alone_is_replaced_by_its_decorator(client: bigquery.Client, table: str) -> None:
    rows = [{"day": "2026-01-05", "n": 500}]
    load(client, f"{table}$20260105", rows, write_disposition="WRITE_TRUNCATE")
    assert numbers(client, table) == [1, 2, 3, 4, 500, 6, 7, 8, 9, 10]


def test_a_row_of_another_partition_is_refused_and_nothing_is_changed(client: bigquery.Client, table: str) -> None:
    rows = [{"day": "2026-01-05", "n": 500}, {"day": "2026-01-06", "n": 600}]
    with pytest.raises(BadRequest, match="belong to different partitions rather than destination partition 20260105"):
        load(client, f"{table}$20260105", rows, write_disposition="WRITE_TRUNCATE")
    assert numbers(client, table) == list(range(1, 11))


def test_a_table_is_replaced(client: bigquery.Client, table: str) -> None:
    load(client, table, [{"day": "2026-01-05", "n": 1}], write_disposition="WRITE_TRUNCATE")
    assert numbers(client, table) == [1]


def test_a_table_that_must_be_empty_is_not(client: bigquery.Client, table: str) -> None:
    with pytest.raises(Conflict, match="Already Exists"):
        load(client, table, [{"n": 1}], write_disposition="WRITE_EMPTY")
    assert numbers(client, table) == list(range(1, 11))


def test_a_table_is_made_unless_it_may_not_be(client: bigquery.Client, dataset: str) -> None:
    partitioning = bigquery.TimePartitioning(field="day")
    load(client, f"{dataset}.made", [{"day": "2026-01-05", "n": 1}], time_partitioning=partitioning)
    found = client.get_table(f"{dataset}.made").time_partitioning
    assert found is not None
    assert found.field == "day"
    with pytest.raises(NotFound, match="was not found in location us-west2"):
        load(client, f"{dataset}.other", [{"n": 1}], create_disposition="CREATE_NEVER")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"n": "many"}, "Could not convert value to integer. Field: n; Value: many"),
        ({"n": 1.5}, "Could not convert value to integer. Field: n; Value: 1.5"),
        ({"n": 2**63}, "Could not convert value to integer. Field: n"),
        ({"day": "2026-02-30"}, "Could not convert value to date. Field: day; Value: 2026-02-30"),
        ({"nobody": 1}, "No such field: nobody."),
        ({"n": [1]}, "Array specified for non-repeated field: n."),
    ],
)
def test_a_bad_row_is_named_and_none_is_loaded(
    client: bigquery.Client, table: str, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        load(client, table, [{"n": 11}, row])
    assert caught.value.errors[0]["reason"] == "invalid"
    assert "Row starting at position" in str(caught.value)
    assert message in str(caught.value)
    assert numbers(client, table) == list(range(1, 11))


def test_a_required_field_must_be_there(client: bigquery.Client, dataset: str) -> None:
    schema = [SchemaField("n", "INT64", mode="REQUIRED")]
    with pytest.raises(BadRequest, match=r"Missing required field: n."):
        load(client, f"{dataset}.strict", [{}], schema=schema)
    with pytest.raises(NotFound):
        client.get_table(f"{dataset}.strict")


def test_a_schema_that_differs_is_refused(client: bigquery.Client, table: str) -> None:
    with pytest.raises(BadRequest, match="Field n has changed type from INTEGER to STRING"):
        load(client, table, [{"n": "1"}], schema=[SchemaField("n", "STRING")])
    wider = [*SCHEMA, SchemaField("seen", "TIMESTAMP")]
    with pytest.raises(BadRequest, match=r"Cannot add fields \(field: seen\)"):
        load(client, table, [{"n": 1}], schema=wider)
    load(client, table, [{"n": 1}], schema=wider, schema_update_options=["ALLOW_FIELD_ADDITION"])
    assert [field.name for field in client.get_table(table).schema][-1] == "seen"


def test_a_table_may_have_a_dash_in_its_name(client: bigquery.Client, dataset: str) -> None:
    load(client, f"{dataset}.box-scores", [{"n": 1}])
    assert numbers(client, f"`{dataset}.box-scores`") == [1]


def test_unknown_values_can_be_left_out(client: bigquery.Client, table: str) -> None:
    load(client, table, [{"n": 11, "nobody": 1}], ignore_unknown_values=True)
    assert 11 in numbers(client, table)


def test_rows_come_in_one_request_or_in_pieces(client: bigquery.Client, server: BigQueryServer, table: str) -> None:
    config = LoadJobConfig(schema=SCHEMA, source_format="NEWLINE_DELIMITED_JSON")
    body = "\n".join(json.dumps({"n": n, "name": "x" * 400}) for n in range(1000, 2000)).encode()
    for size in (len(body), None):  # a size makes it multipart, none resumable
        job = client.load_table_from_file(io.BytesIO(body), table, size=size, job_config=config)
        job.result()
        assert job.output_rows == 1000
    load(client, table, [{"name": "x" * 1000} for _ in range(1100)])  # pieces of a megabyte
    kinds = [(method, path) for method, path in server.requests if path.startswith("/upload")]
    assert ("PUT", "/upload/bigquery/v2/projects/test-1/jobs") in kinds
    assert client.get_table(table).num_rows == 10 + 2000 + 1100


def test_nested_rows_are_loaded(client: bigquery.Client, dataset: str) -> None:
    schema = [
        SchemaField("id", "STRING"),
        SchemaField("tags", "STRING", mode="REPEATED"),
        SchemaField("line", "STRUCT", fields=[SchemaField("book", "STRING"), SchemaField("at", "TIMESTAMP")]),
        SchemaField("raw", "JSON"),
    ]
    row = {"id": "a", "tags": ["x", "y"], "line": {"book": "dk", "at": "2026-01-15T12:00:00Z"}, "raw": {"k": [1]}}
    load(client, f"{dataset}.nested", [row, {"id": "b"}], schema=schema)
    first, second = client.query(f"SELECT * FROM {dataset}.nested ORDER BY id").result()
    assert (first.tags, first.line["book"], first.line["at"].isoformat(), first.raw) == (
        ["x", "y"],
        "dk",
        "2026-01-15T12:00:00+00:00",
        {"k": [1]},
    )
    assert (second.tags, second.line, second.raw) == ([], None, None)


def test_more_loads_a_day_than_the_quota_are_refused(
    client: bigquery.Client, server: BigQueryServer, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr(server.limits, "table_modifications", 2)
    for _ in range(2):
        load(client, table, [{"n": 1}])
    with pytest.raises(Forbidden, match="exceeded quota for imports or query appends per table") as caught:
        load(client, table, [{"n": 1}])
    assert caught.value.errors[0]["reason"] == "quotaExceeded"


def test_another_format_is_said_to_be_missing(client: bigquery.Client, table: str) -> None:
    config = LoadJobConfig(source_format="CSV", schema=SCHEMA)
    with pytest.raises(Exception, match="loads NEWLINE_DELIMITED_JSON only"):
        client.load_table_from_file(io.BytesIO(b"1,2"), table, size=3, job_config=config).result()
