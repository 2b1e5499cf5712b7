"""Quotas of tables: https://cloud.google.com/bigquery/quotas and
https://cloud.google.com/bigquery/docs/data-manipulation-language#concurrent_jobs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import BadRequest, Forbidden
from google.cloud.bigquery import LoadJobConfig, QueryJobConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.cloud import bigquery

    from nbactl.testing import FakeClock
    from nbactl.testing.bigquery import BigQueryServer

SLOW = (
    "(SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 1000000)) AS a, UNNEST(GENERATE_ARRAY(1, 100000)) AS b "
    "WHERE MOD(a * b, 7) = 3)"
)


def run(client: bigquery.Client, sql: str) -> None:
    client.query(sql).result()


def until(condition: Callable[[], Any]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)


def load(client: bigquery.Client, table: str, *days: int) -> None:
    rows = [{"day": f"2026-01-{day:02}", "n": 1} for day in days]
    client.load_table_from_json(rows, table, job_config=LoadJobConfig(schema=client.get_table(table).schema)).result()


def test_partitions_that_jobs_write_are_counted_for_a_day(
    client: bigquery.Client,
    server: BigQueryServer,
    clock: FakeClock,
    table: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server.limits, "partition_modifications", 4)
    load(client, table, 1, 2)
    target = QueryJobConfig(destination=client.get_table(table).reference, write_disposition="WRITE_APPEND")
    client.query("SELECT DATE '2026-01-03' AS day, 1 AS n, 'abc' AS name", job_config=target).result()
    with pytest.raises(Forbidden, match="Number of partition modifications to a column partitioned table") as caught:
        load(client, table, 1, 2)
    assert caught.value.errors[0]["reason"] == "quotaExceeded"
    load(client, table, 4)
    assert client.get_table(table).num_rows == 14
    clock.advance(86_401)
    load(client, table, 1, 2)


def test_dml_is_not_counted(
    client: bigquery.Client, server: BigQueryServer, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.limits, "partition_modifications", 0)
    monkeypatch.setattr(server.limits, "table_modifications", 0)
    run(client, f"INSERT INTO {table} (day, n) VALUES ('2026-01-01', 2)")
    run(client, f"UPDATE {table} SET n = n WHERE day = '2026-01-01'")
    run(client, f"DELETE FROM {table} WHERE day > '2026-01-01'")
    with pytest.raises(Forbidden, match="quota for imports or query appends per table"):
        load(client, table, 1)
    assert client.get_table(table).num_rows == 2


def test_more_changes_of_a_table_than_may_wait_are_refused(
    client: bigquery.Client, server: BigQueryServer, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.limits, "dml_outstanding", 2)
    server.hold_jobs(f"'held in {table}'")
    script = f"BEGIN TRANSACTION; DELETE FROM {table} WHERE n = 1; SELECT 'held in {table}'; COMMIT TRANSACTION;"
    try:
        holds = client.query(script)
        until(lambda: (table.partition(".")[0], "games") in server._jobs._transactions._owners)
        waits = client.query(f"UPDATE {table} SET n = n + 10 WHERE day > '2026-01-01'")
        until(lambda: sum(server._jobs._transactions._outstanding.values()) == 1)
        with pytest.raises(BadRequest, match=f"Too many DML statements outstanding against table test-1:{table}, "):
            run(client, f"DELETE FROM {table} WHERE TRUE")
        run(client, f"INSERT INTO {table} (n) VALUES (0)")
    finally:
        server.release_jobs()
    for job in (holds, waits):
        job.result()
    assert sum(row.n for row in client.query(f"SELECT n FROM {table}").result()) == sum(range(2, 11)) + 9 * 10


def test_changes_of_one_partition_conflict_where_a_test_wants_it(
    client: bigquery.Client, server: BigQueryServer, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.limits, "dml_conflicts", True)
    slow = client.query(f"UPDATE {table} SET n = {SLOW} WHERE day BETWEEN '2026-01-03' AND '2026-01-05'")
    until(lambda: (table.partition(".")[0], "games") in server._jobs._transactions._owners)
    for where in ("day = '2026-01-05'", "n = 1"):
        with pytest.raises(BadRequest, match=f"Could not serialize access to table test-1:{table} due to concurrent"):
            run(client, f"UPDATE {table} SET n = 7 WHERE {where}")
    other = client.query(f"UPDATE {table} SET n = 7 WHERE day = '2026-01-06'")
    slow.cancel()
    assert other.result().num_dml_affected_rows == 1
