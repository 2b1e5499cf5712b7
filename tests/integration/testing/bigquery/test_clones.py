"""Snapshots, clones and copies, against what their documentation says.

https://cloud.google.com/bigquery/docs/table-snapshots-intro and https://cloud.google.com/bigquery/docs/table-clones-intro
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.cloud import bigquery

if TYPE_CHECKING:
    from nbactl.testing import FakeClock


def run(client: bigquery.Client, sql: str) -> bigquery.QueryJob:
    job = client.query(sql)
    job.result()
    return job


def count(client: bigquery.Client, table: str) -> int:
    return int(next(iter(client.query(f"SELECT COUNT(*) FROM {table}").result()))[0])


def test_a_snapshot_keeps_the_rows_of_its_moment_and_costs_nothing(client: bigquery.Client, table: str) -> None:
    job = run(
        client,
        f"CREATE SNAPSHOT TABLE {table}_s CLONE {table} "
        "OPTIONS (expiration_timestamp = TIMESTAMP '2030-01-01 00:00:00+00', description = 'before')",
    )
    assert (job.statement_type, job.total_bytes_billed) == ("CREATE_SNAPSHOT_TABLE", 0)
    run(client, f"DELETE FROM {table} WHERE n > 3")
    found, base = client.get_table(f"{table}_s"), client.get_table(table)
    assert (found.table_type, found.num_rows, found.description) == ("SNAPSHOT", 10, "before")
    assert (found.schema, found.time_partitioning) == (base.schema, base.time_partitioning)
    assert found.expires is not None
    assert found.snapshot_definition is not None
    assert found.snapshot_definition.base_table_reference == base.reference
    dataset = table.partition(".")[0]
    sql = f"SELECT table_name, table_type, base_table_name FROM {dataset}.INFORMATION_SCHEMA.TABLES ORDER BY 1"
    assert [tuple(row) for row in client.query(sql).result()] == [
        ("games", "BASE TABLE", None),
        ("games_s", "SNAPSHOT", "games"),
    ]


def test_a_snapshot_is_read_only(client: bigquery.Client, table: str) -> None:
    run(client, f"CREATE SNAPSHOT TABLE {table}_s CLONE {table}")
    snapshot = client.get_table(f"{table}_s")
    config = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON")
    target = bigquery.QueryJobConfig(destination=snapshot.reference, write_disposition="WRITE_APPEND")
    snapshot.clustering_fields = ["n"]
    for write in (
        lambda: run(client, f"INSERT INTO {table}_s (n) VALUES (1)"),
        lambda: run(client, f"UPDATE {table}_s SET n = n WHERE TRUE"),
        lambda: run(client, f"ALTER TABLE {table}_s ADD COLUMN more INT64"),
        lambda: run(client, f"DROP TABLE {table}_s"),
        lambda: run(client, f"CREATE SNAPSHOT TABLE {table}_s2 CLONE {table}_s"),
        lambda: client.insert_rows_json(f"{table}_s", [{"n": 1}]),
        lambda: client.load_table_from_json([{"n": 1}], f"{table}_s", job_config=config).result(),
        lambda: client.query(f"SELECT day, n, name FROM {table}", job_config=target).result(),
        lambda: client.delete_table(f"{table}_s$20260101"),
        lambda: client.update_table(snapshot, ["clustering_fields"]),
    ):
        with pytest.raises(BadRequest, match="because it is currently a SNAPSHOT"):
            write()
    assert count(client, f"{table}_s") == 10
    with pytest.raises(BadRequest, match="because it is currently a TABLE"):
        run(client, f"DROP SNAPSHOT TABLE {table}")


def test_a_snapshot_expires_and_is_dropped(client: bigquery.Client, clock: FakeClock, table: str) -> None:
    for name in ("a", "b"):
        run(client, f"CREATE SNAPSHOT TABLE IF NOT EXISTS {table}_{name} CLONE {table}")
    tomorrow = "TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)"
    run(client, f"ALTER TABLE {table}_a SET OPTIONS (expiration_timestamp = {tomorrow})")
    clock.advance(86_401)
    with pytest.raises(NotFound):
        client.get_table(f"{table}_a")
    assert run(client, f"DROP SNAPSHOT TABLE {table}_b").statement_type == "DROP_SNAPSHOT_TABLE"
    assert run(client, f"DROP SNAPSHOT TABLE IF EXISTS {table}_b").ddl_operation_performed == "SKIP"


def test_a_table_comes_back_from_its_snapshot(client: bigquery.Client, table: str) -> None:
    run(client, f"CREATE SNAPSHOT TABLE {table}_s CLONE {table}")
    run(client, f"DROP TABLE {table}")
    run(client, f"CREATE TABLE {table} CLONE {table}_s OPTIONS (description = 'back')")
    back = client.get_table(table)
    assert (back.table_type, back.num_rows, back.description) == ("TABLE", 10, "back")
    run(client, f"DELETE FROM {table} WHERE n > 3")
    assert (count(client, table), count(client, f"{table}_s")) == (3, 10)


def test_a_clone_is_a_table_of_its_own(client: bigquery.Client, table: str) -> None:
    run(client, f"CREATE TABLE {table}_c CLONE {table}")
    run(client, f"CREATE TABLE {table}_d COPY {table}")
    run(client, f"DELETE FROM {table} WHERE TRUE")
    run(client, f"INSERT INTO {table}_c (n) VALUES (11)")
    assert (count(client, f"{table}_c"), count(client, f"{table}_d"), count(client, table)) == (11, 10, 0)
    with pytest.raises(Conflict):
        run(client, f"CREATE TABLE {table}_c CLONE {table}")
    run(client, f"CREATE OR REPLACE TABLE {table}_c CLONE {table}")
    assert count(client, f"{table}_c") == 0
    with pytest.raises(NotFound):
        run(client, f"CREATE TABLE {table}_e CLONE {table}_nope")
