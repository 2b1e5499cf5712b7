"""Several processes, and several threads, work with one warehouse file at once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.errors import PreconditionError, UnavailableError
from tests.kit.warehouse_process import ROWS, TABLE, batches, open_warehouse, outcome, release, start, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    warehouse = open_warehouse(path)
    warehouse.create_table(TABLE)
    write(warehouse, 0, 0)
    warehouse.close()
    return path


def test_two_processes_that_write_different_dates_at_once_both_succeed(path: Path) -> None:
    processes = [start(path, 20.0, "write_many", day, 20) for day in (1, 2)]
    assert [outcome(process) for process in processes] == [[ROWS] * 20] * 2
    warehouse = open_warehouse(path)
    assert batches(warehouse) == [(0, 0, ROWS), (1, 19, ROWS), (2, 19, ROWS)]
    warehouse.close()


def test_a_reader_beside_a_writer_sees_whole_partitions_only(path: Path) -> None:
    writer, reader = start(path, 20.0, "write_many", 0, 25), start(path, 20.0, "read_many", 25)
    seen = outcome(reader)
    assert outcome(writer) == [ROWS] * 25
    assert len(seen) == 25
    assert all(len(rows) == 1 and rows[0][2] == ROWS for rows in seen)
    assert [rows[0][1] for rows in seen] == sorted(rows[0][1] for rows in seen)


def test_a_process_that_cannot_wait_longer_says_who_has_the_warehouse(path: Path) -> None:
    holder = start(path, 5.0, "write", 1, 1, held_at="warehouse.before_commit")
    warehouse = open_warehouse(path, lock_wait=0.3)
    began = time.monotonic()
    with pytest.raises(UnavailableError) as caught:
        batches(warehouse)
    assert time.monotonic() - began > 0.25
    assert caught.value.exit_code == 7
    assert caught.value.retryable
    assert caught.value.details["pid"] == holder.pid
    assert caught.value.details["holder"] == "run run-write"
    assert str(holder.pid) in (caught.value.cause or "")
    assert caught.value.next_step
    warehouse.close()


class ClockOfAWaiter(SystemClock):
    """Calls `waits` once, when somebody begins to wait by it."""

    def __init__(self, waits: Callable[[], None]) -> None:
        self._waits: Callable[[], None] | None = waits

    def sleep(self, seconds: float) -> None:
        if self._waits is not None:
            self._waits()
            self._waits = None
        super().sleep(seconds)


def test_a_process_waits_for_the_holder_and_then_works(path: Path) -> None:
    holder = start(path, 5.0, "write", 1, 1, held_at="warehouse.before_commit")
    released = threading.Event()

    def let_go() -> None:
        release(holder)
        released.set()

    warehouse = open_warehouse(path, 60.0, clock=ClockOfAWaiter(let_go))
    assert batches(warehouse) == [(0, 0, ROWS), (1, 1, ROWS)]
    assert released.is_set()
    warehouse.close()
    assert outcome(holder) == ROWS


def test_an_idle_holder_lets_go_when_somebody_comes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbactl.adapters.duckdb.file._LINGER", 600.0)
    idle, coming = open_warehouse(path), open_warehouse(path, lock_wait=10.0)
    for warehouse in (idle, coming, idle):
        assert batches(warehouse) == [(0, 0, ROWS)]
    idle.close()
    coming.close()


def test_an_idle_file_is_closed_after_a_while(path: Path) -> None:
    warehouse = open_warehouse(path)
    batches(warehouse)
    deadline = time.monotonic() + 10
    while warehouse._file._connection is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert batches(warehouse) == [(0, 0, ROWS)]
    warehouse.close()


def test_a_process_that_never_pauses_does_not_starve_another(path: Path) -> None:
    busy = open_warehouse(path)
    stop = threading.Event()

    def work() -> int:
        done = 0
        while not stop.is_set():
            batches(busy)
            done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work) for _ in range(4)]
        try:
            assert outcome(start(path, 5.0, "write_many", 1, 10)) == [ROWS] * 10
        finally:
            stop.set()
        assert all(worker.result() > 0 for worker in workers)
    busy.close()


def test_a_program_that_does_not_know_our_lock_is_named_too(path: Path) -> None:
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        warehouse = open_warehouse(path, lock_wait=0.2)
        with pytest.raises(UnavailableError, match="in use") as caught:
            batches(warehouse)
        assert str(other.pid) in (caught.value.cause or "")
    finally:
        other.communicate("\n")
    assert batches(warehouse) == [(0, 0, ROWS)]
    warehouse.close()


def test_a_note_that_a_dead_holder_left_does_not_matter(path: Path) -> None:
    path.with_name(path.name + ".lock").write_text(json.dumps({"pid": 1, "holder": "run of last year"}))
    warehouse = open_warehouse(path, lock_wait=0.0)
    assert batches(warehouse) == [(0, 0, ROWS)]
    warehouse.close()


def test_threads_read_side_by_side_and_their_writes_do_not_get_in_each_others_way(path: Path) -> None:
    warehouse = open_warehouse(path)
    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(write, warehouse, n % 4, n) for n in range(40)]
        reads = [pool.submit(batches, warehouse) for _ in range(40)]
        assert [each.result() for each in writes] == [ROWS] * 40
        assert all(rows == ROWS for each in reads for _, _, rows in each.result())
    assert [(day, rows) for day, _, rows in batches(warehouse)] == [(day, ROWS) for day in range(4)]
    warehouse.close()


def test_a_closed_warehouse_says_so(path: Path) -> None:
    warehouse = open_warehouse(path)
    warehouse.close()
    warehouse.close()
    with pytest.raises(PreconditionError, match="closed"):
        batches(warehouse)
