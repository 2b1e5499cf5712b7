"""Time limits, files that cannot be opened, a full disk: what the local warehouse says and what it leaves."""

from __future__ import annotations

import logging
import os
import random
import resource
import struct
import subprocess
import sys
import threading
import time
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.deadline import deadline_scope
from nbactl.errors import DataError, NbactlError, PreconditionError, TimedOutError, UnavailableError
from nbactl.ports.warehouse import Column, Rows, Select, TableSchema
from tests.kit.paths import ROOT
from tests.kit.warehouse_process import ROWS, TABLE, batches, open_warehouse, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse

ENDLESS = (
    "SELECT DATE '2024-01-01' AS day, SUM(a * b * c) AS batch FROM UNNEST(GENERATE_ARRAY(1, 20000)) AS a,"
    " UNNEST(GENERATE_ARRAY(1, 20000)) AS b, UNNEST(GENERATE_ARRAY(1, 20000)) AS c"
)
NOTES = TableSchema("nba_test.notes", (Column("day", "DATE", required=True), Column("note", "STRING")), "day")
DAY = date(2024, 1, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "w.duckdb"


@pytest.fixture
def warehouse(path: Path) -> Iterator[DuckDbWarehouse]:
    warehouse = open_warehouse(path)
    warehouse.create_table(TABLE)
    write(warehouse, 0, 1)
    yield warehouse
    warehouse.close()


@pytest.fixture
def disarm() -> Iterator[None]:
    yield
    faults.disarm_all()


@pytest.mark.parametrize(
    "call",
    [
        lambda warehouse: warehouse.query(ENDLESS, timeout=0.2),
        lambda warehouse: warehouse.replace_partitions(TABLE.name, [DAY], Select(ENDLESS), timeout=0.2),
    ],
)
def test_inv_18_a_call_ends_when_its_time_is_up(
    warehouse: DuckDbWarehouse, call: Callable[[DuckDbWarehouse], object]
) -> None:
    with pytest.raises(TimedOutError, match=r"0\.2 s"):
        call(warehouse)
    assert batches(warehouse) == [(0, 1, ROWS)]


def test_inv_18_what_is_left_of_the_deadline_shortens_a_call(warehouse: DuckDbWarehouse) -> None:
    with deadline_scope(0.2, SystemClock()):
        with pytest.raises(TimedOutError, match=r"within 0\.\d+ s"):
            warehouse.query(ENDLESS, timeout=60.0)
        with pytest.raises(TimedOutError, match="no time is left"):
            warehouse.query("SELECT 1 AS x", timeout=60.0)


@pytest.mark.usefixtures("disarm")
def test_inv_18_waiting_for_another_thread_to_write_counts(warehouse: DuckDbWarehouse) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def stop_here() -> None:
        inside.set()
        go_on.wait(20)

    faults.arm("warehouse.before_commit", stop_here)
    writer = threading.Thread(target=write, args=(warehouse, 1, 1))
    writer.start()
    assert inside.wait(10)
    with pytest.raises(TimedOutError):
        warehouse.load(TABLE.name, Rows(("day",), [(DAY,)]), timeout=0.2)
    assert batches(warehouse) == [(0, 1, ROWS)]
    go_on.set()
    writer.join(10)
    assert batches(warehouse) == [(0, 1, ROWS), (1, 1, ROWS)]


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_closing_ends_what_is_still_running(path: Path) -> None:
    warehouse = open_warehouse(path)
    warehouse.list_tables()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            warehouse.query(ENDLESS, timeout=60.0)
        except NbactlError as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(warehouse._running) == 3)
    warehouse.close()
    for thread in threads:
        thread.join(30)
    assert [type(failure) for failure in failures] == [PreconditionError] * 3


def test_closing_ends_the_wait_for_another_process(path: Path) -> None:
    holder, waiting = open_warehouse(path), open_warehouse(path, lock_wait=60.0)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            waiting.list_tables()
        except NbactlError as error:
            failures.append(error)

    with holder._file.use(1.0):
        thread = threading.Thread(target=run)
        thread.start()
        until(lambda: waiting._file._opening)
        waiting.close()
        thread.join(30)
    holder.close()
    assert [type(failure) for failure in failures] == [PreconditionError]


def test_a_process_that_ends_without_closing_says_nothing(path: Path) -> None:
    code = """
import sys
from pathlib import Path
from tests.kit.warehouse_process import open_warehouse
open_warehouse(Path(sys.argv[1])).query("SELECT 1 AS x", timeout=5.0)
"""

    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.usefixtures("disarm")
def test_a_commit_that_fails_leaves_the_old_partition_and_no_open_transaction(warehouse: DuckDbWarehouse) -> None:
    def fail() -> None:
        raise UnavailableError("no")

    faults.arm("warehouse.before_commit", fail)
    with pytest.raises(UnavailableError):
        write(warehouse, 0, 2)
    faults.disarm_all()
    assert batches(warehouse) == [(0, 1, ROWS)]
    assert write(warehouse, 0, 3) == ROWS


def test_each_call_is_logged_with_its_labels_and_duration(
    warehouse: DuckDbWarehouse, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "nbactl.adapters.duckdb"):
        warehouse.query("SELECT 1 AS x", timeout=5.0, labels={"run_id": "run-1"})
    (record,) = caplog.records
    assert record.__dict__["labels"] == {"run_id": "run-1"}
    assert "query" in record.message


def test_a_new_file_is_made_with_its_folder(path: Path) -> None:
    warehouse = open_warehouse(path)
    assert warehouse.list_tables() == []
    warehouse.close()
    assert path.is_file()


def spoil(path: Path, how: str) -> None:
    warehouse = open_warehouse(path)
    warehouse.create_table(NOTES)
    warehouse.close()
    content = bytearray(path.read_bytes())
    if how == "directory":
        path.unlink()
        path.mkdir()
        return
    if how == "text":
        content = bytearray(b"id,points\n" * 2000)
    elif how == "truncated":
        del content[5000:]
    elif how == "empty":
        content.clear()
    elif how == "flipped bits":
        content[12288:] = bytes(byte ^ 0xFF for byte in content[12288:])
    elif how == "newer version":
        (version,) = struct.unpack_from("<Q", content, 12)
        struct.pack_into("<Q", content, 12, version + 1)
        checksum = 5381
        for (word,) in struct.iter_unpack("<Q", content[8:4096]):
            checksum ^= word * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        struct.pack_into("<Q", content, 0, checksum)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("directory", "directory in its place"),
        ("text", "not a valid DuckDB"),
        ("truncated", "read enough bytes"),
        ("empty", "not a valid DuckDB"),
        ("flipped bits", "checksum"),
        ("newer version", "newer DuckDB"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_way_out(path: Path, how: str, told: str) -> None:
    spoil(path, how)
    warehouse = open_warehouse(path)
    with pytest.raises(DataError) as caught:
        warehouse.list_tables()
    warehouse.close()
    assert str(path) in caught.value.message
    assert told in (caught.value.cause or "")
    assert f"ove {path} away" in (caught.value.next_step or "")


def test_a_folder_that_cannot_be_written_is_refused_with_a_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "sealed"
    folder.mkdir()
    with sealed(folder):
        warehouse = open_warehouse(folder / "w.duckdb")
        with pytest.raises(NbactlError) as caught:
            warehouse.list_tables()
        warehouse.close()
    assert caught.value.exit_code in (5, 7)
    assert not caught.value.retryable
    assert "--state-dir" in (caught.value.next_step or "")


class sealed:  # noqa: N801 - reads as a verb
    """Make a folder read-only, also for root."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mounted = False

    def __enter__(self) -> None:
        if os.geteuid() != 0:
            self._folder.chmod(0o555)
            return
        mounting = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(self._folder)]
        if subprocess.run(mounting, capture_output=True, check=False).returncode != 0:
            pytest.skip("root may write everywhere, and mounting a read-only folder is not allowed here")
        self._mounted = True

    def __exit__(self, *_: object) -> None:
        if self._mounted:
            subprocess.run(["umount", str(self._folder)], check=True)
        else:
            self._folder.chmod(0o755)


def test_a_full_disk_is_named_and_what_was_there_stays(path: Path) -> None:
    warehouse = open_warehouse(path)
    warehouse.create_table(NOTES)
    warehouse.load(NOTES.name, Rows(("day", "note"), [(DAY, "kept")]), timeout=20.0)
    rng = random.Random(1)
    rows = Rows(("day", "note"), [(DAY, rng.randbytes(64).hex()) for _ in range(60_000)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    try:
        with pytest.raises(UnavailableError) as caught:
            warehouse.replace_partitions(NOTES.name, [DAY], rows, timeout=60.0)
        warehouse.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "no room" in caught.value.message, caught.value.cause
    assert not caught.value.retryable
    assert "disk space" in (caught.value.next_step or "")
    warehouse = open_warehouse(path)
    assert warehouse.query("SELECT note FROM nba_test.notes", timeout=20.0).rows == [("kept",)]
    warehouse.close()
