"""Connections that break, jobs that hang, processes that are killed: nothing is done twice, and a limit holds."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.errors import ContentionError, TimedOutError, UnavailableError
from nbactl.ports.warehouse import Rows, Select
from nbactl.testing import FaultProxy
from tests.kit.bigquery import bigquery_warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.adapters.bigquery.warehouse import BigQueryWarehouse
    from nbactl.core.observe.events import Event
    from nbactl.ports.warehouse import TableSchema
    from nbactl.testing.bigquery import BigQueryServer

DAY = date(2024, 1, 15)
TIMEOUT = 30.0
WAIT = 20.0


@pytest.fixture
def proxy(server: BigQueryServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.address.removeprefix("http://")) as proxy:
        yield proxy


@pytest.fixture
def shaky(proxy: FaultProxy, events: list[Event]) -> Iterator[BigQueryWarehouse]:
    """A warehouse behind the proxy."""
    with closing(bigquery_warehouse(proxy.address, hook=events.append)) as warehouse:
        yield warehouse


def until(condition: Callable[[], Any]) -> Any:
    """Wait for a condition and return what it gave."""
    ends = time.monotonic() + WAIT
    while not (found := condition()):
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)
    return found


def jobs_naming(server: BigQueryServer, text: str) -> list[dict[str, Any]]:
    return [job for job in server.jobs() if job["parent"] is None and text in (job["sql"] or "")]


def select(lines: TableSchema, *ids: str) -> Select:
    return Select(
        f"SELECT DATE '{DAY}' AS day, id FROM UNNEST({list(ids)}) AS id WHERE '{lines.name}' <> ''"  # noqa: S608
    )


def deleting(lines: TableSchema) -> str:
    """Return what only the script that replaces partitions of this table holds."""
    return f"DELETE FROM `{lines.name}`"  # noqa: S608 - looked for, not sent


def ids(warehouse: BigQueryWarehouse, lines: TableSchema) -> list[str]:
    rows = warehouse.query(f"SELECT id FROM {lines.name} ORDER BY id", timeout=TIMEOUT, cache=False).rows  # noqa: S608
    return [name for (name,) in rows]


def test_an_insert_whose_answer_is_lost_finds_its_job_and_runs_nothing_twice(
    server: BigQueryServer, proxy: FaultProxy, shaky: BigQueryWarehouse, lines: TableSchema, events: list[Event]
) -> None:
    server.hold_jobs(deleting(lines))
    try:
        with ThreadPoolExecutor(1) as pool:
            written = pool.submit(shaky.replace_partitions, lines.name, [DAY], select(lines, "a", "b"), timeout=TIMEOUT)
            until(lambda: jobs_naming(server, deleting(lines)))
            proxy.reset()
            server.release_jobs()
            assert written.result().rows == 2
    finally:
        server.release_jobs()
    assert len(jobs_naming(server, deleting(lines))) == 1
    assert ids(shaky, lines) == ["a", "b"]
    assert "retry.again" in [event.kind for event in events]


def test_results_that_break_off_are_read_again_from_the_same_job(
    server: BigQueryServer, proxy: FaultProxy, shaky: BigQueryWarehouse, events: list[Event]
) -> None:
    sql = "SELECT n, REPEAT('x', 100) AS x FROM UNNEST(GENERATE_ARRAY(1, 3000)) AS n ORDER BY n"
    results = [line for line in server.requests if "/queries/" in line[1]]
    proxy.piece, proxy.delay = 1000, 0.02  # of 300 kB: the answer cannot be over before it is broken off
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(shaky.query, sql, timeout=TIMEOUT)
        until(lambda: jobs_naming(server, sql))
        until(lambda: len([line for line in server.requests if "/queries/" in line[1]]) > len(results))
        time.sleep(0.1)  # the answer has begun
        proxy.reset()
        proxy.piece, proxy.delay = 65_536, 0.0
        rows = answer.result().rows
    assert [n for n, _ in rows] == list(range(1, 3001))
    assert len(jobs_naming(server, sql)) == 1
    assert "retry.again" in [event.kind for event in events]


def test_inv_30_a_frozen_connection_ends_with_the_limit_of_the_call(
    proxy: FaultProxy, shaky: BigQueryWarehouse
) -> None:
    shaky.query("SELECT 1", timeout=TIMEOUT)
    proxy.delay = 3600.0
    began = time.monotonic()
    with pytest.raises(TimedOutError):
        shaky.query("SELECT 2", timeout=1.0)
    assert time.monotonic() - began < 15.0
    with pytest.raises(TimedOutError):
        shaky.load("nba.t", Rows(("a",), [(1,)]), timeout=0.5)
    assert time.monotonic() - began < 20.0
    proxy.delay = 0.0


def test_inv_30_a_job_that_is_given_up_is_cancelled_and_the_server_knows_its_limit(
    server: BigQueryServer, warehouse: BigQueryWarehouse
) -> None:
    server.hold_jobs("'slow job'")
    try:
        with pytest.raises(TimedOutError) as caught:
            warehouse.query("SELECT 'slow job'", timeout=1.0)
        (job,) = jobs_naming(server, "'slow job'")
        until(lambda: jobs_naming(server, "'slow job'")[0]["state"] == "DONE")
    finally:
        server.release_jobs()
    assert jobs_naming(server, "'slow job'")[0]["error"]["reason"] in ("stopped", "timeout")
    assert ("POST", f"/bigquery/v2/projects/test-1/jobs/{job['id']}/cancel") in server.requests
    assert caught.value.exit_code == 7
    seen = warehouse._calls.client.get().get_job(job["id"])
    configuration = seen.to_api_repr()["configuration"]  # type: ignore[no-untyped-call]
    assert 0 < int(configuration["jobTimeoutMs"]) <= 1000


def test_a_refused_connection_is_unavailable_after_its_attempts(events: list[Event]) -> None:
    with (
        closing(bigquery_warehouse("127.0.0.1:9", hook=events.append, attempts=3)) as warehouse,
        pytest.raises(UnavailableError, match="cannot be reached") as caught,
    ):
        warehouse.query("SELECT 1", timeout=5.0)
    assert caught.value.exit_code == 7
    assert [event.kind for event in events] == ["retry.again", "retry.again", "retry.gave_up"]


def test_inv_12_of_two_writers_of_a_partition_one_wins_and_the_other_is_tried_again_or_fails(
    server: BigQueryServer, lines: TableSchema, events: list[Event]
) -> None:
    start = threading.Barrier(2)

    def write(name: str) -> int:
        done = 0
        with closing(bigquery_warehouse(server.address, hook=events.append)) as own:
            start.wait(WAIT)
            for _ in range(3):
                try:
                    own.replace_partitions(lines.name, [DAY], select(lines, f"{name}1", f"{name}2"), timeout=TIMEOUT)
                    done += 1
                except ContentionError:
                    continue
        return done

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(write, ("a", "b"))) >= 3
    with closing(bigquery_warehouse(server.address)) as warehouse:
        left = ids(warehouse, lines)
        assert left in (["a1", "a2"], ["b1", "b2"])
        version = warehouse.versions([lines.name], DAY, DAY, timeout=TIMEOUT)[lines.name, DAY]
        again = warehouse.replace_partitions(lines.name, [DAY], select(lines, *left), timeout=TIMEOUT)
        assert again.versions[DAY] == version


_WRITER = """
import sys
from datetime import date
from nbactl.core._support.faults import arm_from_environment
from nbactl.ports.warehouse import Rows
from tests.kit.bigquery import bigquery_warehouse
arm_from_environment(sys.argv[3])
rows = Rows(("day", "id"), [(date(2024, 1, 15), "new")])
bigquery_warehouse(sys.argv[1]).replace_partitions(sys.argv[2], [date(2024, 1, 15)], rows, timeout=60.0)
"""


def writer(server: BigQueryServer, lines: TableSchema, faults: str = "") -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _WRITER, server.address, lines.name, faults])


@pytest.mark.parametrize(("point", "left"), [("before_commit", ["old"]), ("after_commit", ["new"])])
def test_inv_20_a_writer_that_is_killed_leaves_all_or_nothing_and_can_be_run_again(
    server: BigQueryServer, warehouse: BigQueryWarehouse, lines: TableSchema, point: str, left: list[str]
) -> None:
    warehouse.replace_partitions(lines.name, [DAY], select(lines, "old"), timeout=TIMEOUT)
    assert writer(server, lines, f"warehouse.{point}=kill").wait(60) == -signal.SIGKILL
    assert ids(warehouse, lines) == left
    assert writer(server, lines).wait(60) == 0
    assert ids(warehouse, lines) == ["new"]
    assert warehouse.list_tables(lines.name.partition(".")[0]) == [lines.name]


def test_inv_20_a_job_whose_sender_is_killed_ends_by_itself_and_a_second_run_changes_nothing(
    server: BigQueryServer, warehouse: BigQueryWarehouse, lines: TableSchema
) -> None:
    server.hold_jobs(deleting(lines))
    try:
        process = writer(server, lines)
        until(lambda: jobs_naming(server, deleting(lines)))
        process.kill()
        process.wait(WAIT)
    finally:
        server.release_jobs()
    until(lambda: jobs_naming(server, deleting(lines))[0]["state"] == "DONE")
    first = warehouse.versions([lines.name], DAY, DAY, timeout=TIMEOUT)
    assert ids(warehouse, lines) == ["new"]
    assert writer(server, lines).wait(60) == 0
    assert warehouse.versions([lines.name], DAY, DAY, timeout=TIMEOUT) == first
    assert ids(warehouse, lines) == ["new"]
