from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, NotFound
from google.cloud.bigquery import QueryJobConfig

if TYPE_CHECKING:
    from google.cloud import bigquery

    from nbactl.testing import FakeClock


def rows(client: bigquery.Client, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in client.query(sql).result()]


@pytest.mark.parametrize(
    "form",
    [
        "{d}.INFORMATION_SCHEMA.TABLES",
        "`test-1.{d}.INFORMATION_SCHEMA.TABLES`",
        "`test-1`.{d}.INFORMATION_SCHEMA.TABLES",
    ],
)
def test_tables_of_a_dataset(client: bigquery.Client, table: str, form: str) -> None:
    dataset = table.partition(".")[0]
    client.query(f"CREATE VIEW {dataset}.v AS SELECT 1 AS one").result()
    view = form.format(d=dataset)
    assert rows(client, f"SELECT table_catalog, table_schema, table_name, table_type FROM {view} ORDER BY 3") == [
        ("test-1", dataset, "games", "BASE TABLE"),
        ("test-1", dataset, "v", "VIEW"),
    ]


def test_tables_of_a_region(client: bigquery.Client, table: str) -> None:
    dataset = table.partition(".")[0]
    sql = "SELECT table_name FROM `region-{r}`.INFORMATION_SCHEMA.TABLES WHERE table_schema = '{d}'"
    assert rows(client, sql.format(r="us-west2", d=dataset)) == [("games",)]
    assert rows(client, sql.format(r="eu", d=dataset)) == []


def test_columns(client: bigquery.Client, dataset: str) -> None:
    client.query(
        f"CREATE TABLE {dataset}.t (day DATE NOT NULL, id STRING, lines ARRAY<STRUCT<book STRING, odds INT64>>) "
        "PARTITION BY day CLUSTER BY id"
    ).result()
    sql = (
        "SELECT column_name, ordinal_position, is_nullable, data_type, is_partitioning_column, "
        f"clustering_ordinal_position FROM {dataset}.INFORMATION_SCHEMA.COLUMNS ORDER BY ordinal_position"
    )
    assert rows(client, sql) == [
        ("day", 1, "NO", "DATE", "YES", None),
        ("id", 2, "YES", "STRING", "NO", 1),
        ("lines", 3, "YES", "ARRAY<STRUCT<book STRING, odds INT64>>", "NO", None),
    ]


def test_partitions_say_their_rows_bytes_and_last_change(client: bigquery.Client, clock: FakeClock, table: str) -> None:
    dataset = table.partition(".")[0]
    before = clock.now()
    clock.advance(60)
    client.query(f"DELETE FROM {table} WHERE day = '2026-01-02'").result()
    client.query(f"INSERT INTO {table} (day, n) VALUES ('2026-01-03', 1), (NULL, 2)").result()
    sql = (
        "SELECT partition_id, total_rows, total_logical_bytes, last_modified_time "
        f"FROM {dataset}.INFORMATION_SCHEMA.PARTITIONS WHERE table_name = 'games' ORDER BY partition_id"
    )
    found = {name: values for name, *values in rows(client, sql)}
    assert len(found) == 10
    assert found["20260101"] == [1, 21, before]
    assert found["20260103"] == [2, 37, clock.now()]
    assert found["__NULL__"] == [1, 8, clock.now()]
    assert "20260102" not in found


def test_jobs_of_a_region(client: bigquery.Client, table: str) -> None:
    config = QueryJobConfig(labels={"run": "r1", "task": "t"})
    client.query(f"SELECT n FROM {table}", job_config=config, job_id="good", job_retry=None).result()
    client.query(f"DELETE FROM {table} WHERE n = 1", job_id="change", job_retry=None).result()
    with pytest.raises(BadRequest):
        client.query("SELECT nobody", job_id="bad", job_retry=None).result()
    sql = (
        "SELECT job_id, statement_type, state, total_bytes_processed, total_bytes_billed, cache_hit, "
        "(SELECT value FROM UNNEST(labels) WHERE key = 'run') AS run, error_result.reason AS reason, "
        "referenced_tables[SAFE_OFFSET(0)].table_id AS read, dml_statistics.deleted_row_count AS deleted, query "
        "FROM `region-us-west2`.INFORMATION_SCHEMA.JOBS WHERE job_id IN ('good', 'change', 'bad') ORDER BY job_id"
    )
    assert rows(client, sql) == [
        ("bad", "SELECT", "DONE", 0, 0, False, None, "invalidQuery", None, None, "SELECT nobody"),
        ("change", "DELETE", "DONE", 210, 10485760, False, None, None, "games", 1, f"DELETE FROM {table} WHERE n = 1"),
        ("good", "SELECT", "DONE", 80, 10485760, False, "r1", None, "games", None, f"SELECT n FROM {table}"),
    ]
    assert rows(client, "SELECT COUNT(*) > 2 FROM `test-1`.`region-us-west2`.INFORMATION_SCHEMA.JOBS_BY_PROJECT") == [
        (True,)
    ]
    with pytest.raises(BadRequest, match="must be qualified with a region"):
        rows(client, f"SELECT 1 FROM {table.partition('.')[0]}.INFORMATION_SCHEMA.JOBS")


def test_jobs_of_a_script_have_their_parent(client: bigquery.Client) -> None:
    client.query("SELECT 1; SELECT 2;", job_id="parent", job_retry=None).result()
    sql = (
        "SELECT job_type, statement_type, parent_job_id FROM `region-us-west2`.INFORMATION_SCHEMA.JOBS "
        "WHERE job_id = 'parent' OR parent_job_id = 'parent' ORDER BY statement_type"
    )
    assert rows(client, sql) == [("QUERY", "SCRIPT", None), *[("QUERY", "SELECT", "parent")] * 2]


def test_what_is_not_there(client: bigquery.Client, dataset: str) -> None:
    with pytest.raises(NotFound, match=r"INFORMATION_SCHEMA.NOTHING"):
        rows(client, f"SELECT 1 FROM {dataset}.INFORMATION_SCHEMA.NOTHING")
    with pytest.raises(NotFound, match="Not found: Dataset test-1:nowhere"):
        rows(client, "SELECT 1 FROM nowhere.INFORMATION_SCHEMA.TABLES")
    with pytest.raises(Forbidden, match="Access Denied: Project elsewhere"):
        rows(client, "SELECT 1 FROM elsewhere.d.INFORMATION_SCHEMA.TABLES")
