"""DML under a key: committed once, whatever becomes of the caller, the connection or the job."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.errors import NotFoundError, PayloadMismatchError, PreconditionError
from nbactl.ports.warehouse import Rows
from tests.kit.bigquery import LOCATION, bigquery_warehouse

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.adapters.bigquery.warehouse import BigQueryWarehouse
    from nbactl.core.observe.events import Event
    from nbactl.ports.warehouse import TableSchema
    from nbactl.testing.bigquery import BigQueryServer

DAY = date(2024, 1, 15)
TIMEOUT = 30.0


@pytest.fixture
def key() -> str:
    return f"k_{uuid.uuid4().hex}"


@pytest.fixture
def insert(warehouse: BigQueryWarehouse, lines: TableSchema) -> str:
    """A statement that shows how often it ran."""
    warehouse.load(lines.name, Rows(("day", "id"), [(DAY, "a")]), timeout=TIMEOUT)
    return f"INSERT INTO {lines.name} (day, id) SELECT day, 'b' FROM {lines.name} WHERE id = 'a'"  # noqa: S608


def until(condition: Callable[[], Any]) -> Any:
    ends = time.monotonic() + 20
    while not (found := condition()):
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)
    return found


def jobs(server: BigQueryServer, key: str) -> list[dict[str, Any]]:
    return [job for job in server.jobs() if job["parent"] is None and key in job["id"]]


def count(warehouse: BigQueryWarehouse, lines: TableSchema) -> int:
    sql = f"SELECT COUNT(*) FROM {lines.name} WHERE id = 'b'"  # noqa: S608
    return int(warehouse.query(sql, timeout=TIMEOUT, cache=False).scalar())


def test_the_statements_of_a_key_run_once_and_say_what_they_did(
    server: BigQueryServer, warehouse: BigQueryWarehouse, lines: TableSchema, insert: str, key: str
) -> None:
    first = warehouse.run_dml([insert], key=key, timeout=TIMEOUT, labels={"plan": "p1"})
    with closing(bigquery_warehouse(server.address)) as other:
        assert other.run_dml([insert], key=key, timeout=TIMEOUT) == first
    (job,) = jobs(server, key)
    assert (first.rows, first.job_id, job["labels"]) == (1, f"nbactl-{key}", {"plan": "p1"})
    assert (first.bytes_processed, first.bytes_billed) == (job["bytes_processed"], job["bytes_billed"])
    assert first.bytes_billed
    assert count(warehouse, lines) == 1
    with pytest.raises(PayloadMismatchError):
        warehouse.run_dml([f"DELETE FROM {lines.name} WHERE TRUE"], key=key, timeout=TIMEOUT)  # noqa: S608
    assert count(warehouse, lines) == 1


def test_a_transaction_of_a_key_counts_the_rows_of_all_its_statements(
    server: BigQueryServer, warehouse: BigQueryWarehouse, lines: TableSchema, insert: str, key: str
) -> None:
    statements = [insert, f"DELETE FROM {lines.name} WHERE id = 'a'"]  # noqa: S608
    first = warehouse.run_dml(statements, key=key, timeout=TIMEOUT)
    assert warehouse.run_dml(statements, key=key, timeout=TIMEOUT) == first
    assert (first.rows, len(jobs(server, key)), count(warehouse, lines)) == (2, 1, 1)


def test_a_key_whose_job_failed_is_run_again(
    server: BigQueryServer, warehouse: BigQueryWarehouse, lines: TableSchema, key: str
) -> None:
    insert = f"INSERT INTO {lines.name} (day, id) SELECT day, 'b' FROM {lines.name}_2"  # noqa: S608
    with pytest.raises(NotFoundError):
        warehouse.run_dml([insert], key=key, timeout=TIMEOUT)
    warehouse.apply_ddl([f"CREATE TABLE {lines.name}_2 AS SELECT DATE '2024-01-15' AS day"], timeout=TIMEOUT)
    done = warehouse.run_dml([insert], key=key, timeout=TIMEOUT)
    assert warehouse.run_dml([insert], key=key, timeout=TIMEOUT) == done
    assert [job["error"] is None for job in jobs(server, key)] == [False, True]
    assert count(warehouse, lines) == 1


def test_a_write_above_its_limit_of_bytes_costs_nothing(
    warehouse: BigQueryWarehouse, lines: TableSchema, insert: str, key: str
) -> None:
    with pytest.raises(PreconditionError, match="more than its limit of 1,000"):
        warehouse.run_dml([insert], key=key, timeout=TIMEOUT, max_bytes=1000)
    assert count(warehouse, lines) == 0
    assert warehouse.run_dml([insert], key=key, timeout=TIMEOUT, max_bytes=2**30).rows == 1


def test_a_change_waits_for_its_turn_where_too_many_wait(
    server: BigQueryServer, warehouse: BigQueryWarehouse, insert: str, key: str, events: list[Event]
) -> None:
    told = "Resources exceeded during query execution: Too many DML statements outstanding against table t"
    server.fail(insert, 400, "resourcesExceeded", message=told)
    assert warehouse.run_dml([insert], key=key, timeout=TIMEOUT).rows == 1
    assert [(event.kind, event.name) for event in events] == [("retry.again", "bigquery_dml")]


_CALLER = """
import sys
from tests.kit.bigquery import bigquery_warehouse
bigquery_warehouse(sys.argv[1]).run_dml([sys.argv[2]], key=sys.argv[3], timeout=60.0)
"""


def test_a_caller_that_is_killed_finds_its_job_when_it_comes_back(
    server: BigQueryServer, warehouse: BigQueryWarehouse, lines: TableSchema, insert: str, key: str
) -> None:
    server.hold_jobs(insert)
    try:
        with subprocess.Popen([sys.executable, "-c", _CALLER, server.address, insert, key]) as caller:
            until(lambda: jobs(server, key))
            caller.kill()
            assert caller.wait(20) == -signal.SIGKILL
        with ThreadPoolExecutor(1) as pool:
            again = pool.submit(warehouse.run_dml, [insert], key=key, timeout=TIMEOUT)
            until(lambda: any(f"/jobs/nbactl-{key}" in path for _, path in server.requests))
            server.release_jobs()
            assert again.result().rows == 1
    finally:
        server.release_jobs()
    assert (len(jobs(server, key)), count(warehouse, lines)) == (1, 1)


def test_a_job_that_its_caller_gave_up_is_run_again(
    server: BigQueryServer, warehouse: BigQueryWarehouse, lines: TableSchema, insert: str, key: str
) -> None:
    server.hold_jobs(insert)
    try:
        client = warehouse._calls.client.get()
        client.query(insert, job_id=f"nbactl-{key}", location=LOCATION, job_retry=None)  # a caller that is stopped then
        with ThreadPoolExecutor(1) as pool:
            waits = pool.submit(warehouse.run_dml, [insert], key=key, timeout=TIMEOUT)
            until(lambda: ("GET", f"/bigquery/v2/projects/test-1/jobs/nbactl-{key}") in server.requests)
            client.cancel_job(f"nbactl-{key}", location=LOCATION)
            until(lambda: len(jobs(server, key)) == 2)
            server.release_jobs()
            assert waits.result().rows == 1
    finally:
        server.release_jobs()
    assert [job["error"] is None for job in jobs(server, key)] == [False, True]
    assert count(warehouse, lines) == 1


def test_a_change_of_clustering_whose_answer_is_lost_is_not_taken_for_that_of_another(
    server: BigQueryServer, warehouse: BigQueryWarehouse, lines: TableSchema
) -> None:
    etag = warehouse.layout(
        warehouse.layouts(lines.name.partition(".")[0], [lines.name], timeout=TIMEOUT)[lines.name], timeout=TIMEOUT
    ).etag
    server.lose_answer("clustering")
    warehouse.set_clustering(lines.name, ["id"], etag=etag, timeout=TIMEOUT)
    assert warehouse.table(lines.name).schema.cluster_by == ("id",)
    with pytest.raises(PreconditionError, match="has changed"):
        warehouse.set_clustering(lines.name, ["id"], etag=etag, timeout=TIMEOUT)
