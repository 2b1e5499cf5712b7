from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, MethodNotImplemented, NotFound
from google.cloud.bigquery import ArrayQueryParameter, QueryJobConfig, ScalarQueryParameter, StructQueryParameter

if TYPE_CHECKING:
    from google.cloud import bigquery

    from nbactl.testing import FakeClock
    from nbactl.testing.bigquery import BigQueryServer

NOON = datetime(2026, 1, 15, 12, 0, 0, 123456, tzinfo=UTC)
VALUES: dict[str, tuple[str, Any]] = {
    "i": ("INT64", -(2**63)),
    "f": ("FLOAT64", 0.1),
    "n": ("NUMERIC", Decimal("-12.345678901")),
    "t": ("BOOL", False),
    "s": ("STRING", 'Dončić\'s \\ "x"\n'),
    "b": ("BYTES", b"\x00\xff"),
    "d": ("DATE", date(2026, 1, 15)),
    "m": ("TIMESTAMP", NOON),
    "l": ("DATETIME", NOON.replace(tzinfo=None)),
    "c": ("TIME", time(23, 59, 59, 5)),
}


def rows(client: bigquery.Client, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    config = QueryJobConfig(query_parameters=list(parameters))
    return [tuple(row.values()) for row in client.query(sql, job_config=config).result()]


@pytest.mark.parametrize("name", VALUES)
def test_a_parameter_of_each_type_comes_back_as_it_was(client: bigquery.Client, name: str) -> None:
    kind, value = VALUES[name]
    sql = "SELECT @v AS v, @v IS NULL AS empty"
    job = client.query(sql, job_config=QueryJobConfig(query_parameters=[ScalarQueryParameter("v", kind, value)]))
    assert [tuple(row) for row in job.result()] == [(value, False)]
    legacy = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}.get(kind, kind)
    assert job.result().schema[0].field_type == legacy
    assert rows(client, sql, ScalarQueryParameter("v", kind, None)) == [(None, True)]
    listed = ArrayQueryParameter("v", kind, [value, value])
    assert rows(client, sql, listed) == [([value, value], False)]


def test_structs_and_their_arrays_come_back_as_they_were(client: bigquery.Client) -> None:
    line = StructQueryParameter(
        "line",
        ScalarQueryParameter("book", "STRING", "dk"),
        ScalarQueryParameter("at", "TIMESTAMP", NOON),
        ArrayQueryParameter("odds", "INT64", [-110, 105]),
    )
    expected = {"book": "dk", "at": NOON, "odds": [-110, 105]}
    assert rows(client, "SELECT @line AS line, @line.odds[OFFSET(1)] AS odd", line) == [(expected, 105)]
    lines = ArrayQueryParameter("lines", "STRUCT", [line])
    assert rows(client, "SELECT @lines AS lines", lines) == [([expected],)]


def test_json_infinite_numbers_and_empty_arrays_come_back(client: bigquery.Client) -> None:
    found = rows(
        client,
        "SELECT JSON '{\"a\": [1, null]}' AS j, CAST('inf' AS FLOAT64) AS i, CAST('nan' AS FLOAT64) AS n, "
        "CAST(NULL AS ARRAY<STRING>) AS e, 1e15 AS big",
    )
    ((document, infinite, not_a_number, empty, big),) = found
    assert (document, infinite, empty, big) == ({"a": [1, None]}, float("inf"), [], 1e15)
    assert not_a_number != not_a_number  # noqa: PLR0124 - how NaN is recognised


def test_positional_parameters_are_taken_in_order(client: bigquery.Client) -> None:
    parameters = [ScalarQueryParameter(None, "INT64", 7), ScalarQueryParameter(None, "STRING", "x")]
    assert rows(client, "SELECT ? AS a, ? AS b", *parameters) == [(7, "x")]


def test_a_parameter_that_is_missing_is_named(client: bigquery.Client) -> None:
    with pytest.raises(BadRequest, match="Query parameter 'day' not found"):
        rows(client, "SELECT @day")


def test_a_parameter_of_another_type_is_refused(client: bigquery.Client) -> None:
    with pytest.raises(BadRequest, match="could not parse 'soon' as DATE"):
        rows(client, "SELECT @day", ScalarQueryParameter("day", "DATE", "soon"))


def test_results_are_read_in_pages(client: bigquery.Client, server: BigQueryServer) -> None:
    job = client.query("SELECT n FROM UNNEST(GENERATE_ARRAY(1, 25)) AS n ORDER BY n")
    found = job.result(page_size=10)
    pages = [[row.n for row in page] for page in found.pages]
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [n for page in pages for n in page] == list(range(1, 26))
    assert found.total_rows == 25
    again: Any = client.get_job(job.job_id, location=job.location)  # a job that was read gives its first page again
    assert [row.n for row in again.result(start_index=20, max_results=3)] == [21, 22, 23]
    assert any(path.endswith(f"/queries/{job.job_id}") for _, path in server.requests)


@pytest.mark.parametrize(("mode", "has_job"), [("JOB_CREATION_REQUIRED", True), ("JOB_CREATION_OPTIONAL", False)])
def test_a_short_query_has_no_job_where_none_is_asked_for(
    client: bigquery.Client, monkeypatch: pytest.MonkeyPatch, mode: str, *, has_job: bool
) -> None:
    monkeypatch.setattr(client, "default_job_creation_mode", mode)
    found = client.query_and_wait("SELECT 1 AS one")
    assert [row.one for row in found] == [1]
    assert (found.job_id is not None, found.query_id is not None) == (has_job, True)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "SELECT\n  nobody FROM {table}",
            r"Unrecognized name: nobody; .* at \[2:3\]|Unrecognized name: nobody at \[2:3\]",
        ),
        ("SELECT 1 FROM", r"Syntax error: .* at \[1:1\d\]"),
        ("SELECT a FROM (SELECT 1 AS a, 2 AS A)", "."),
        ("SELECT 1 AS a, 2 AS a", r"Duplicate column names in the result are not supported. Found duplicate\(s\): a"),
        ("SELECT 1 FROM games", r'Table "games" must be qualified with a dataset'),
        ("SELECT ERROR('no such player')", "no such player"),
        ("SELECT 1 / 0", "division by zero"),
        ("SELECT n FROM {table} WHERE name > 1", "."),
    ],
)
def test_a_bad_query_is_an_invalid_query(client: bigquery.Client, table: str, sql: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message) as caught:
        rows(client, sql.format(table=table))
    assert caught.value.errors[0]["reason"] == "invalidQuery"


def test_a_missing_table_is_not_found_in_the_location(client: bigquery.Client, dataset: str) -> None:
    with pytest.raises(NotFound, match=f"Not found: Table test-1:{dataset}.nobody was not found in location us-west2"):
        rows(client, f"SELECT 1 FROM {dataset}.nobody")
    with pytest.raises(NotFound, match="Not found: Dataset test-1:nowhere was not found in location us-west2"):
        rows(client, "SELECT 1 FROM nowhere.t")


def test_a_table_of_another_project_is_denied(client: bigquery.Client) -> None:
    with pytest.raises(Forbidden, match=r"Access Denied: Table elsewhere:a.t: User does not have permission to query"):
        rows(client, "SELECT 1 FROM elsewhere.a.t")


def test_what_only_this_server_lacks_is_said_so(client: bigquery.Client) -> None:
    told = r"The test server cannot run this statement: it lacks FARM_FINGERPRINT at \[1:8\]"
    with pytest.raises(MethodNotImplemented, match=told):
        rows(client, "SELECT FARM_FINGERPRINT('a')")
    for sql in ("EXECUTE IMMEDIATE 'SELECT 1'", "EXPORT DATA OPTIONS (uri = 'x') AS SELECT 1", "SELECT INTERVAL 1 DAY"):
        with pytest.raises(MethodNotImplemented, match="The test server"):
            rows(client, sql)


def test_the_time_is_the_clocks(client: bigquery.Client, clock: FakeClock) -> None:
    sql = "SELECT CURRENT_TIMESTAMP() AS now, CURRENT_DATE('America/New_York') AS today, CURRENT_DATE() AS utc"
    now = clock.now()
    assert rows(client, sql) == [(now, now.date(), now.date())]


def test_names_may_have_the_project_and_a_default_dataset(client: bigquery.Client, table: str) -> None:
    dataset, _, name = table.partition(".")
    assert rows(client, f"SELECT COUNT(*) FROM `test-1.{table}`") == [(10,)]
    assert rows(client, f"SELECT COUNT(*) FROM `test-1`.{table}") == [(10,)]
    config = QueryJobConfig(default_dataset=f"test-1.{dataset}")
    found = client.query(f"WITH g AS (SELECT * FROM {name}) SELECT COUNT(*) AS n FROM g", job_config=config).result()
    assert [row.n for row in found] == [10]


def test_a_row_is_written_as_json_by_the_name_of_its_table(client: bigquery.Client, table: str) -> None:
    sql = f"SELECT TO_JSON_STRING(g) FROM {table} AS g WHERE n = 3"
    assert rows(client, sql) == [('{"day":"2026-01-03","n":3,"name":"abc"}',)]
    assert rows(client, "SELECT TO_JSON_STRING(r) FROM (SELECT 1 AS a, 'x' AS b) AS r") == [('{"a":1,"b":"x"}',)]


def test_a_result_is_written_to_the_table_that_is_named(client: bigquery.Client, table: str, dataset: str) -> None:
    config = QueryJobConfig(destination=f"test-1.{dataset}.copy", write_disposition="WRITE_TRUNCATE")
    client.query(f"SELECT day, n FROM {table} WHERE n < 4", job_config=config).result()
    client.query(f"SELECT day, n FROM {table} WHERE n < 3", job_config=config).result()
    assert client.get_table(f"{dataset}.copy").num_rows == 2
    config.write_disposition = "WRITE_APPEND"
    client.query(f"SELECT day, n FROM {table} WHERE n = 9", job_config=config).result()
    assert client.get_table(f"{dataset}.copy").num_rows == 3
    config.write_disposition = "WRITE_EMPTY"
    with pytest.raises(Exception, match="Already Exists"):
        client.query(f"SELECT day, n FROM {table}", job_config=config).result()


def test_a_result_that_is_too_large_needs_a_table(
    client: bigquery.Client, server: BigQueryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.limits, "response_bytes", 10)
    with pytest.raises(Forbidden, match="Response too large to return") as caught:
        rows(client, "SELECT n FROM UNNEST(GENERATE_ARRAY(1, 25)) AS n")
    assert caught.value.errors[0]["reason"] == "responseTooLarge"


def test_a_sample_of_a_small_table_is_the_whole_table(client: bigquery.Client, table: str) -> None:
    """It is one block, and at least one is read: cloud.google.com/bigquery/docs/table-sampling."""
    assert rows(client, f"SELECT COUNT(*) FROM {table} TABLESAMPLE SYSTEM (1 PERCENT) WHERE n > 3") == [(7,)]
