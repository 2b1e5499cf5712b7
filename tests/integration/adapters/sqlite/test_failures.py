"""What goes wrong with a file is said with its reason and the next step, and leaves nothing half written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.sqlite import schema
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.deadline import deadline_scope
from nbactl.errors import ConfigError, DataError, NbactlError, NotAuthorisedError, UnavailableError
from nbactl.ports.documents import Create, Query, Set
from nbactl.testing import FakeClock, faults

if TYPE_CHECKING:
    from collections.abc import Iterator


def opened(path: Path, *, busy_timeout: float = 5.0) -> SqliteDocuments:
    return SqliteDocuments(path, clock=SystemClock(), busy_timeout=busy_timeout)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "documents.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteDocuments]:
    with closing(opened(path)) as store:
        yield store


def test_reading_what_is_not_there_yet_creates_nothing(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "deep" / "er" / "documents.db")) as store:
        assert store.get("runs/r") is None
        assert store.get_all(["runs/r"]) == [None]
        assert list(store.query(Query("runs"))) == []
        assert store.count(Query("runs")) == 0
        assert list(tmp_path.iterdir()) == []
        store.commit([Create("runs/r", {})])
        assert store.get("runs/r") is not None


def test_what_was_committed_is_there_after_closing_and_without_the_log(path: Path) -> None:
    with closing(opened(path)) as store:
        store.commit([Create("runs/r", {"n": 1})])
    assert [file.name for file in path.parent.iterdir()] == ["documents.db"]
    with closing(opened(path)) as store:
        document = store.get("runs/r")
        assert document is not None
        assert document.data == {"n": 1}


def both_ways(store: SqliteDocuments) -> list[NbactlError]:
    """Return the errors of reading and of writing."""
    errors = []
    for use in (lambda: store.get("runs/r"), lambda: store.commit([Set("runs/r", {})])):
        with pytest.raises(NbactlError) as raised:
            use()
        errors.append(raised.value)
    return errors


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path, store: SqliteDocuments) -> None:
    path.write_bytes(b"#!/bin/sh\n" * 500)
    for error in both_ways(store):
        assert isinstance(error, DataError)
        assert str(path) in error.message
        assert "Move the file away" in (error.next_step or "")
        assert isinstance(error.__cause__, sqlite3.Error)
    assert path.read_bytes() == b"#!/bin/sh\n" * 500


def test_another_programs_database_is_refused_and_left_alone(path: Path, store: SqliteDocuments) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    for error in both_ways(store):
        assert isinstance(error, DataError)
        assert "another program" in error.message
    assert path.read_bytes() == before


def test_a_newer_format_is_refused(path: Path, store: SqliteDocuments) -> None:
    store.commit([Set("runs/r", {})])
    store.close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    for error in both_ways(opened(path)):
        assert isinstance(error, ConfigError)
        assert "newer nbactl" in error.message
        assert "Update nbactl" in (error.next_step or "")


def test_a_damaged_file_is_reported_as_damaged(path: Path, store: SqliteDocuments) -> None:
    for number in range(20):
        store.commit([Set(f"runs/{number}-{part}", {"text": "x" * 500}) for part in range(50)])
    store.close()
    content = bytearray(path.read_bytes())
    content[8192:-8192] = b"\xff" * (len(content) - 16384)
    path.write_bytes(content)
    with closing(opened(path)) as damaged, pytest.raises(DataError, match="damaged"):
        list(damaged.query(Query("runs")))


def test_an_empty_file_becomes_a_store(path: Path, store: SqliteDocuments) -> None:
    path.touch()
    assert store.get("runs/r") is None
    store.commit([Create("runs/r", {})])
    assert store.get("runs/r") is not None


@pytest.mark.parametrize("kind", ["a file where a folder should be", "a folder where the file should be"])
def test_a_place_that_cannot_be_is_a_configuration_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "state" / "documents.db"
    if kind.startswith("a file"):
        (tmp_path / "state").write_text("in the way")
    else:
        path.mkdir(parents=True)
    with closing(opened(path)) as store, pytest.raises(ConfigError, match="cannot be opened") as raised:
        store.commit([Set("runs/r", {})])
    assert "--state-dir" in (raised.value.next_step or "")


@contextmanager
def without_privileges() -> Iterator[None]:
    """Act as a user who may not write everywhere, where the tests run as the superuser."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.mark.parametrize("folder", ["", "state"])
def test_a_folder_that_may_not_be_written_is_a_matter_of_rights(folder: str) -> None:
    place = Path(tempfile.mkdtemp())
    place.chmod(0o555)
    with (
        without_privileges(),
        closing(opened(place / folder / "documents.db")) as store,
        pytest.raises(NotAuthorisedError, match="cannot be opened") as raised,
    ):
        store.commit([Set("runs/r", {})])
    assert "permissions" in (raised.value.next_step or "")
    place.rmdir()


def test_a_file_that_may_only_be_read_refuses_writers() -> None:
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    path = place / "documents.db"
    with closing(opened(path)) as store:
        store.commit([Set("runs/r", {"n": 1})])
    path.chmod(0o444)
    with without_privileges(), closing(opened(path)) as store, pytest.raises(NotAuthorisedError, match="read-only"):
        store.commit([Set("runs/r", {"n": 2})])
    with closing(opened(path)) as store:
        document = store.get("runs/r")
        assert document is not None
        assert document.data == {"n": 1}
    shutil.rmtree(place)


def test_a_copy_that_lost_its_log_mode_gets_it_back(path: Path) -> None:
    with closing(opened(path)) as store:
        store.commit([Set("runs/r", {})])
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    with closing(opened(path)) as store:
        store.commit([Set("runs/r", {})])
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_store_that_is_forgotten_closes_its_connections(path: Path) -> None:
    opened(path).commit([Set("runs/r", {})])
    assert [file.name for file in path.parent.iterdir()] == ["documents.db"]


def test_a_database_that_becomes_read_only_refuses_writers(store: SqliteDocuments) -> None:
    store.commit([Set("runs/r", {})])
    writer = store._connections._writer
    assert writer is not None
    writer.execute("PRAGMA query_only = ON")  # SQLITE_READONLY, as for a file without write permission
    with pytest.raises(NotAuthorisedError, match="cannot be opened or written"):
        store.commit([Set("runs/s", {})])


def test_a_full_disk_changes_nothing_and_goes_on_when_there_is_room(store: SqliteDocuments) -> None:
    store.commit([Set("runs/r", {"n": 1})])
    writer = store._connections._writer
    assert writer is not None
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(UnavailableError, match="cannot grow") as raised:
        store.commit([Set("runs/r", {"n": 2}), *(Set(f"big/{n}", {"text": "x" * 100_000}) for n in range(20))])
    assert not raised.value.retryable
    assert "disk is full" in (raised.value.cause or "")
    document = store.get("runs/r")
    assert document is not None
    assert (document.data, store.count(Query("big"))) == ({"n": 1}, 0)
    writer.execute("PRAGMA max_page_count = 1000000")
    store.commit([Set(f"big/{n}", {"text": "x" * 100_000}) for n in range(20)])
    assert store.count(Query("big")) == 20


def hold_write_lock(path: Path) -> sqlite3.Connection:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_inv_18_a_writer_that_hangs_is_waited_for_no_longer_than_allowed(path: Path) -> None:
    with closing(opened(path, busy_timeout=0.05)) as store:
        store.commit([Set("runs/r", {"n": 1})])
        with closing(hold_write_lock(path)):
            with pytest.raises(UnavailableError, match="busy") as raised:
                store.commit([Set("runs/r", {"n": 2})])
            assert raised.value.retryable
            document = store.get("runs/r")  # readers do not notice
            assert document is not None
            assert document.data == {"n": 1}
        store.commit([Set("runs/r", {"n": 2})])


def test_creating_the_file_waits_for_another_process_that_creates_it(path: Path) -> None:
    other = hold_write_lock(path)

    class Patience(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            other.close()

    clock = Patience()
    with closing(SqliteDocuments(path, clock=clock, busy_timeout=5.0)) as store:
        store.commit([Set("runs/r", {})])
        assert store.get("runs/r") is not None
    assert clock.sleeps


def test_creating_the_file_does_not_wait_for_ever(path: Path) -> None:
    clock = FakeClock()
    with (
        closing(hold_write_lock(path)),
        closing(SqliteDocuments(path, clock=clock, busy_timeout=5.0)) as store,
        pytest.raises(UnavailableError, match="busy"),
    ):
        store.commit([Set("runs/r", {})])
    assert 5.0 <= sum(clock.sleeps) < 6.0


def test_inv_18_the_deadline_in_force_shortens_the_wait(path: Path, store: SqliteDocuments) -> None:
    store.commit([Set("runs/r", {})])
    clock = SystemClock()
    with closing(hold_write_lock(path)):
        began = clock.monotonic()
        with deadline_scope(0.05, clock), pytest.raises(UnavailableError, match="busy"):
            store.commit([Set("runs/r", {})])
        assert clock.monotonic() - began < 4.0
    store.commit([Set("runs/r", {})])


def test_threads_of_one_process_wait_for_each_other_no_longer_than_allowed(path: Path) -> None:
    with closing(opened(path, busy_timeout=0.05)) as store:
        store.commit([Set("runs/r", {})])
        inside, leave = threading.Event(), threading.Event()

        def linger(_: object) -> None:
            inside.set()
            leave.wait(10)

        thread = threading.Thread(target=store.transaction, args=(linger,))
        thread.start()
        inside.wait(10)
        with pytest.raises(UnavailableError, match="busy"):
            store.commit([Set("runs/r", {})])
        leave.set()
        thread.join()
        store.commit([Set("runs/r", {})])


@pytest.mark.parametrize(("point", "there"), [("documents.before_commit", False), ("documents.after_commit", True)])
def test_inv_06_a_failure_around_the_commit_is_raised_and_the_store_goes_on(
    store: SqliteDocuments, point: str, there: bool
) -> None:
    with faults.failing(point, UnavailableError("told to fail")), pytest.raises(UnavailableError, match="told to fail"):
        store.commit([Create("runs/r", {})])
    assert (store.get("runs/r") is not None) is there
    store.commit([Set("runs/r", {})])


def test_streams_left_open_do_not_keep_the_store_from_closing(path: Path) -> None:
    store = opened(path)
    store.commit([Set(f"runs/{number}", {}) for number in range(10)])
    stream = store.query(Query("runs"))
    next(stream)
    store.close()
    assert len(list(stream)) == 9
