from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import (
    BadRequest,
    Conflict,
    Forbidden,
    MethodNotImplemented,
    NotFound,
    PreconditionFailed,
)
from google.cloud import bigquery
from google.cloud.bigquery import SchemaField

from nbactl.testing import bigquery_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from nbactl.testing import FakeClock
    from nbactl.testing.bigquery import BigQueryServer

NO_RETRY: Any = None
"""The client takes None for no retry; its types do not say so."""


def box_scores(dataset: str) -> bigquery.Table:
    table = bigquery.Table(
        f"test-1.{dataset}.box_scores",
        schema=[
            SchemaField("game_date", "DATE", mode="REQUIRED", description="Eastern"),
            SchemaField("points", "INT64"),
            SchemaField("share", "FLOAT64"),
            SchemaField("final", "BOOL"),
            SchemaField("lines", "STRUCT", mode="REPEATED", fields=[SchemaField("book", "STRING")]),
        ],
    )
    table.time_partitioning = bigquery.TimePartitioning(field="game_date")
    table.clustering_fields = ["points"]
    table.labels = {"owner": "stats"}
    table.require_partition_filter = True
    return table


def test_a_table_is_answered_as_it_was_declared_with_the_older_type_names(
    client: bigquery.Client, dataset: str
) -> None:
    client.create_table(box_scores(dataset))
    found = client.get_table(f"{dataset}.box_scores")
    assert [field.field_type for field in found.schema] == ["DATE", "INTEGER", "FLOAT", "BOOLEAN", "RECORD"]
    assert (found.schema[0].mode, found.schema[0].description) == ("REQUIRED", "Eastern")
    assert found.schema[4].fields[0].name == "book"
    assert found.time_partitioning is not None
    assert (found.time_partitioning.field, found.time_partitioning.type_) == ("game_date", "DAY")
    assert (found.clustering_fields, found.labels, found.require_partition_filter) == (
        ["points"],
        {"owner": "stats"},
        True,
    )
    assert (found.num_rows, found.num_bytes, found.location, found.table_type) == (0, 0, "us-west2", "TABLE")


def test_a_table_that_is_there_is_a_conflict(client: bigquery.Client, table: str) -> None:
    with pytest.raises(Conflict, match=f"Already Exists: Table test-1:{table}"):
        client.create_table(bigquery.Table(f"test-1.{table}"))


def test_a_table_in_no_dataset_is_not_created(client: bigquery.Client) -> None:
    with pytest.raises(NotFound, match="Not found: Dataset test-1:nowhere"):
        client.create_table(bigquery.Table("test-1.nowhere.t"))


def test_a_layout_needs_columns_that_are_there(client: bigquery.Client, dataset: str) -> None:
    table = box_scores(dataset)
    table.time_partitioning = bigquery.TimePartitioning(field="day")
    with pytest.raises(BadRequest, match="partitioning cannot be found in the schema: day"):
        client.create_table(table)
    table = box_scores(dataset)
    table.time_partitioning = bigquery.TimePartitioning(field="points")
    with pytest.raises(BadRequest, match="must be of type DATE, DATETIME or TIMESTAMP"):
        client.create_table(table)
    table = box_scores(dataset)
    table.clustering_fields = ["nobody"]
    with pytest.raises(BadRequest, match="clustering cannot be found in the schema: nobody"):
        client.create_table(table)


def test_what_the_server_lacks_is_refused(client: bigquery.Client, dataset: str) -> None:
    table = box_scores(dataset)
    table.time_partitioning = bigquery.TimePartitioning()
    with pytest.raises(MethodNotImplemented, match="partitions by a column only"):
        client.create_table(table)
    table = bigquery.Table(f"test-1.{dataset}.t", schema=[SchemaField("n", "INT64")])
    table.range_partitioning = bigquery.RangePartitioning(bigquery.PartitionRange(0, 10, 1), field="n")
    with pytest.raises(MethodNotImplemented, match="does not know rangePartitioning"):
        client.create_table(table)


def test_columns_can_be_added_and_not_dropped_or_changed(client: bigquery.Client, table: str) -> None:
    found = client.get_table(table)
    found.schema = [*found.schema, SchemaField("seen", "TIMESTAMP")]
    assert [field.name for field in client.update_table(found, ["schema"]).schema][-1] == "seen"
    assert [row.seen for row in client.query(f"SELECT seen FROM {table} LIMIT 1").result()] == [None]
    fewer = client.get_table(table)
    fewer.schema = fewer.schema[:2]
    with pytest.raises(BadRequest, match="Field name is missing in new schema"):
        client.update_table(fewer, ["schema"])
    changed = client.get_table(table)
    changed.schema = [SchemaField("day", "DATE"), SchemaField("n", "STRING"), *changed.schema[2:]]
    with pytest.raises(BadRequest, match="Field n has changed type from INTEGER to STRING"):
        client.update_table(changed, ["schema"])


def test_a_patch_with_a_stale_etag_is_refused(client: bigquery.Client, table: str) -> None:
    first, second = client.get_table(table), client.get_table(table)
    first.description = "mine"
    client.update_table(first, ["description"])
    second.description = "theirs"
    with pytest.raises(PreconditionFailed) as caught:
        client.update_table(second, ["description"])
    assert caught.value.errors[0]["reason"] == "conditionNotMet"
    assert client.get_table(table).description == "mine"


def test_the_etag_changes_with_the_rows(client: bigquery.Client, table: str) -> None:
    before = client.get_table(table)
    client.query(f"DELETE FROM {table} WHERE n = 1").result()
    after = client.get_table(table)
    assert (before.etag != after.etag, before.num_rows, after.num_rows) == (True, 10, 9)


def test_bytes_are_counted_as_the_service_counts_them(client: bigquery.Client, table: str) -> None:
    assert client.get_table(table).num_bytes == 10 * (8 + 8 + 2 + 3)  # DATE, INT64, STRING of three letters
    client.query(f"INSERT INTO {table} (day, name) VALUES ('2026-02-01', 'Dončić')").result()
    assert client.get_table(table).num_bytes == 210 + 8 + 2 + 8  # no byte for NULL, two for each of č and ć


def test_a_table_is_gone_when_it_expires(client: bigquery.Client, clock: FakeClock, dataset: str) -> None:
    table = bigquery.Table(f"test-1.{dataset}.staging", schema=[SchemaField("n", "INT64")])
    table.expires = clock.now() + timedelta(hours=1)
    client.create_table(table)
    assert client.get_table(f"{dataset}.staging").expires == table.expires
    clock.advance(3601)
    with pytest.raises(NotFound):
        client.get_table(f"{dataset}.staging")
    assert list(client.list_tables(dataset)) == []


def test_times_are_those_of_the_clock(client: bigquery.Client, clock: FakeClock, table: str) -> None:
    created = client.get_table(table).modified
    clock.advance(60)
    client.query(f"DELETE FROM {table} WHERE n = 1").result()
    changed = client.get_table(table).modified
    assert created is not None
    assert changed is not None
    assert changed - created == timedelta(seconds=60)
    assert changed == clock.now().replace(microsecond=0)


def test_tables_are_listed_in_pages(client: bigquery.Client, dataset: str) -> None:
    for name in "cab":
        client.create_table(bigquery.Table(f"test-1.{dataset}.{name}"))
    pages = [[one.table_id for one in page] for page in client.list_tables(dataset, page_size=2).pages]
    assert pages == [["a", "b"], ["c"]]


def test_a_partition_is_emptied_by_its_decorator(client: bigquery.Client, table: str) -> None:
    client.delete_table(f"{table}$20260103")
    days = [row.day for row in client.query(f"SELECT day FROM {table} ORDER BY day").result()]
    assert len(days) == 9
    assert date(2026, 1, 3) not in days
    with pytest.raises(BadRequest, match="Invalid time partitioning id: 2026"):
        client.delete_table(f"{table}$2026")


def test_more_updates_of_metadata_than_the_quota_are_refused(
    client: bigquery.Client, clock: FakeClock, table: str
) -> None:
    for number in range(5):
        found = client.get_table(table)
        found.description = str(number)
        client.update_table(found, ["description"])
    found = client.get_table(table)
    found.description = "too many"
    with pytest.raises(Forbidden, match="too many table update operations for this table") as caught:
        client.update_table(found, ["description"], retry=NO_RETRY)
    assert caught.value.errors[0]["reason"] == "rateLimitExceeded"
    clock.advance(11)
    client.update_table(client.get_table(table), ["description"])


def test_streamed_rows_are_seen_and_counted_apart(client: bigquery.Client, table: str) -> None:
    errors = client.insert_rows_json(table, [{"day": "2026-03-01", "n": 5}, {"day": "2026-03-01", "n": 6}])
    assert errors == []
    assert [row.n for row in client.query(f"SELECT n FROM {table} WHERE day = '2026-03-01' ORDER BY n").result()] == [
        5,
        6,
    ]
    found = client.get_table(table)
    assert found.num_rows == 10
    assert found.streaming_buffer is not None
    assert found.streaming_buffer.estimated_rows == 2


def test_streamed_rows_are_not_changed_before_half_an_hour_is_over(
    client: bigquery.Client, clock: FakeClock, table: str
) -> None:
    client.insert_rows_json(table, [{"n": 11}])
    with pytest.raises(BadRequest, match="would affect rows in the streaming buffer, which is not supported"):
        client.query(f"DELETE FROM {table} WHERE n = 1").result()
    clock.advance(1801)
    client.query(f"DELETE FROM {table} WHERE n = 11").result()
    found = client.get_table(table)
    assert (found.num_rows, found.streaming_buffer) == (10, None)


def test_streamed_rows_that_do_not_fit_are_named_and_none_is_inserted(client: bigquery.Client, table: str) -> None:
    errors = client.insert_rows_json(table, [{"n": 1}, {"n": "many"}, {"nobody": 1}])
    assert [(one["index"], one["errors"][0]["reason"]) for one in errors] == [
        (1, "invalid"),
        (2, "invalid"),
        (0, "stopped"),
    ]
    assert client.get_table(table).streaming_buffer is None


def test_rows_are_listed_in_pages(client: bigquery.Client, table: str) -> None:
    rows = client.list_rows(client.get_table(table), page_size=4)
    assert [len(list(page)) for page in rows.pages] == [4, 4, 2]
    some = client.list_rows(client.get_table(table), start_index=8, selected_fields=[SchemaField("n", "INT64")])
    assert [tuple(row) for row in some] == [(9,), (10,)]
    assert [row.n for row in client.list_rows(f"{table}$20260102", selected_fields=client.get_table(table).schema)] == [
        2
    ]


def test_a_file_keeps_tables_and_rows(
    tmp_path: Path, connected: Callable[[BigQueryServer], AbstractContextManager[bigquery.Client]]
) -> None:
    with bigquery_server("test-1", "us-west2", folder=tmp_path) as server, connected(server) as client:
        client.create_dataset("kept")
        client.create_table(box_scores("kept"))
        client.query("INSERT INTO kept.box_scores (game_date, points) VALUES ('2026-01-15', 31)").result()
        before = client.get_table("kept.box_scores")
    with bigquery_server("test-1", "us-west2", folder=tmp_path) as server, connected(server) as client:
        after = client.get_table("kept.box_scores")
        rows = client.query("SELECT points FROM kept.box_scores WHERE game_date = '2026-01-15'").result()
        assert [row.points for row in rows] == [31]
    assert (after.etag, after.modified, after.clustering_fields) == (before.etag, before.modified, ["points"])
    assert datetime.now(UTC) - before.created < timedelta(minutes=5)
