from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import BadRequest, Conflict, MethodNotImplemented, NotFound

if TYPE_CHECKING:
    from google.cloud import bigquery

    from nbactl.testing import FakeClock


def run(client: bigquery.Client, sql: str) -> bigquery.QueryJob:
    job = client.query(sql)
    job.result()
    return job


def rows(client: bigquery.Client, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in client.query(sql).result()]


def test_a_table_is_created_with_everything_that_is_declared(client: bigquery.Client, dataset: str) -> None:
    job = run(
        client,
        f"CREATE TABLE {dataset}.t (day DATE NOT NULL OPTIONS (description = 'Eastern'), id STRING, amount NUMERIC, "
        "lines ARRAY<STRUCT<book STRING, odds INT64>>) PARTITION BY day CLUSTER BY id, amount "
        "OPTIONS (description = 'box', labels = [('team', 'nba')], partition_expiration_days = 2, "
        "require_partition_filter = TRUE, expiration_timestamp = TIMESTAMP '2030-01-01 00:00:00+00')",
    )
    assert (job.statement_type, job.ddl_operation_performed) == ("CREATE_TABLE", "CREATE")
    assert job.ddl_target_table.table_id == "t"
    found = client.get_table(f"{dataset}.t")
    assert [(field.name, field.field_type, field.mode) for field in found.schema] == [
        ("day", "DATE", "REQUIRED"),
        ("id", "STRING", "NULLABLE"),
        ("amount", "NUMERIC", "NULLABLE"),
        ("lines", "RECORD", "REPEATED"),
    ]
    assert found.schema[0].description == "Eastern"
    assert (found.description, found.labels, found.clustering_fields) == ("box", {"team": "nba"}, ["id", "amount"])
    assert found.time_partitioning is not None
    assert (found.time_partitioning.field, found.time_partitioning.expiration_ms) == ("day", 2 * 86_400_000)
    assert found.require_partition_filter
    assert found.expires is not None
    assert found.expires.isoformat() == "2030-01-01T00:00:00+00:00"


def test_a_table_that_is_there_is_refused_left_or_replaced(client: bigquery.Client, table: str) -> None:
    with pytest.raises(Conflict, match=f"Already Exists: Table test-1:{table}"):
        run(client, f"CREATE TABLE {table} (n INT64)")
    assert run(client, f"CREATE TABLE IF NOT EXISTS {table} (x INT64)").ddl_operation_performed == "SKIP"
    job = run(client, f"CREATE OR REPLACE TABLE {table} AS SELECT n + 1 AS n FROM {table} WHERE n < 3")
    assert (job.ddl_operation_performed, job.statement_type) == ("REPLACE", "CREATE_TABLE_AS_SELECT")
    assert rows(client, f"SELECT n FROM {table} ORDER BY n") == [(2,), (3,)]


def test_a_table_that_cannot_be_made_does_not_replace_another(client: bigquery.Client, table: str) -> None:
    with pytest.raises(BadRequest, match="clustering cannot be found in the schema: nobody"):
        run(client, f"CREATE OR REPLACE TABLE {table} CLUSTER BY nobody AS SELECT 1 AS n")
    assert client.get_table(table).num_rows == 10


def test_a_table_has_named_columns(client: bigquery.Client, dataset: str) -> None:
    with pytest.raises(BadRequest, match="columns must be named"):
        run(client, f"CREATE TABLE {dataset}.t AS SELECT 1")


def test_columns_are_added_and_dropped(client: bigquery.Client, table: str) -> None:
    run(client, f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS n INT64, ADD COLUMN seen TIMESTAMP")
    run(client, f"ALTER TABLE {table} DROP COLUMN name")
    assert [field.name for field in client.get_table(table).schema] == ["day", "n", "seen"]
    with pytest.raises(BadRequest, match="Column already exists: n"):
        run(client, f"ALTER TABLE {table} ADD COLUMN n INT64")
    with pytest.raises(BadRequest, match="partitioned or clustered by it"):
        run(client, f"ALTER TABLE {table} DROP COLUMN day")
    with pytest.raises(BadRequest, match="Unknown option: colour"):
        run(client, f"ALTER TABLE {table} SET OPTIONS (colour = 'red')")


def test_a_required_column_is_not_null(client: bigquery.Client, dataset: str) -> None:
    run(client, f"CREATE TABLE {dataset}.t (n INT64 NOT NULL)")
    with pytest.raises(BadRequest, match="Required field n cannot be null"):
        run(client, f"INSERT INTO {dataset}.t (n) VALUES (NULL)")


def test_a_table_expires_when_its_options_say_so(client: bigquery.Client, clock: FakeClock, dataset: str) -> None:
    run(
        client,
        f"CREATE TABLE {dataset}.t (n INT64) "
        "OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 HOUR))",
    )
    assert rows(client, f"SELECT COUNT(*) FROM {dataset}.t") == [(0,)]
    clock.advance(3601)
    with pytest.raises(NotFound):
        rows(client, f"SELECT COUNT(*) FROM {dataset}.t")


def test_tables_views_and_datasets_are_dropped(client: bigquery.Client, table: str) -> None:
    dataset = table.partition(".")[0]
    run(client, f"CREATE VIEW {dataset}.v AS SELECT n FROM {table}")
    assert rows(client, f"SELECT MAX(n) FROM {dataset}.v") == [(10,)]
    run(client, f"DROP VIEW {dataset}.v")
    assert run(client, f"DROP TABLE {table}").ddl_operation_performed == "DROP"
    with pytest.raises(NotFound):
        run(client, f"DROP TABLE {table}")
    assert run(client, f"DROP TABLE IF EXISTS {table}").ddl_operation_performed == "SKIP"
    run(client, f"DROP SCHEMA {dataset}")
    with pytest.raises(NotFound):
        client.get_dataset(dataset)


def test_datasets_are_created(client: bigquery.Client) -> None:
    run(client, "CREATE SCHEMA IF NOT EXISTS made OPTIONS (description = 'by SQL')")
    run(client, "CREATE SCHEMA IF NOT EXISTS made")
    assert client.get_dataset("made").description == "by SQL"
    run(client, "CREATE TABLE made.t (n INT64)")
    with pytest.raises(BadRequest, match="is still in use"):
        run(client, "DROP SCHEMA made")
    run(client, "DROP SCHEMA made CASCADE")


def test_a_table_is_made_like_another(client: bigquery.Client, table: str) -> None:
    run(client, f"CREATE TABLE {table}_like LIKE {table}")
    like, model = client.get_table(f"{table}_like"), client.get_table(table)
    assert (like.schema, like.time_partitioning, like.num_rows) == (model.schema, model.time_partitioning, 0)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE {t}_2 CLONE {t} FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()",
        "CREATE TABLE {t}_2 (n INT64 DEFAULT 3)",
        "CREATE TABLE {t}_2 (n INT64, PRIMARY KEY (n) NOT ENFORCED)",
        "ALTER TABLE {t} ALTER COLUMN n SET DEFAULT 3",
    ],
)
def test_what_only_this_server_lacks_is_refused(client: bigquery.Client, table: str, sql: str) -> None:
    with pytest.raises(MethodNotImplemented, match="The test server"):
        run(client, sql.format(t=table))
    assert [one.table_id for one in client.list_tables(table.partition(".")[0])] == ["games"]


def test_a_table_is_renamed(client: bigquery.Client, table: str) -> None:
    run(client, f"ALTER TABLE {table} RENAME TO renamed")
    dataset = table.partition(".")[0]
    assert client.get_table(f"{dataset}.renamed").num_rows == 10
    with pytest.raises(NotFound):
        client.get_table(table)
