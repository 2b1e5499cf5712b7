"""Commits that share a transaction: each has its own outcome, conditions and deadline; a crash leaves all or none."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core import deadline_scope
from nbactl.core._support.clock import SystemClock
from nbactl.errors import AlreadyExistsError, DataError, NotFoundError, PreconditionError, UnavailableError
from nbactl.ports.documents import Create, Delete, Increment, Set, Update
from nbactl.testing import FakeClock, faults
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from nbactl.ports.documents import Write

CALLERS = 20
WAIT = 30.0
"""Seconds after which a test that waits for another thread has failed."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "documents.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteDocuments]:
    with closing(SqliteDocuments(path, clock=SystemClock(), busy_timeout=10.0)) as opened:
        opened.commit([Set("c/old", {"n": 0})])
        yield opened


def together(store: SqliteDocuments, *commits: Sequence[Write]) -> list[Any]:
    """Make all commits in one turn of an event loop; returns their times, or what they raised."""

    async def one(writes: Sequence[Write]) -> datetime:
        return await store.commit_soon(writes)

    async def main() -> list[Any]:
        return await asyncio.gather(*map(one, commits), return_exceptions=True)

    return asyncio.run(main())


def test_commits_share_one_transaction_and_a_bad_one_spoils_no_other(store: SqliteDocuments) -> None:
    old = store.get("c/old")
    assert old is not None
    bad: dict[type[Exception], Sequence[Write]] = {
        AlreadyExistsError: [Set("c/part1", {}), Create("c/old", {})],
        NotFoundError: [Set("c/part2", {}), Update("c/none", {"n": 1})],
        PreconditionError: [Set("c/part3", {}), Delete("c/old", if_updated_at=old.create_time - timedelta(1))],
        DataError: [Set("c/part4", {}), Set("c/large", {"text": "x" * 2_000_000})],
    }
    good: list[Sequence[Write]] = [[Create(f"c/{number}", {})] for number in range(CALLERS)]
    statements: list[str] = []
    assert store._connections._writer is not None
    store._connections._writer.set_trace_callback(statements.append)
    outcomes = together(store, *good[:10], *bad.values(), *good[10:])
    assert (statements.count("BEGIN IMMEDIATE"), statements.count("COMMIT")) == (1, 1)
    assert [type(one) for one in outcomes[10 : 10 + len(bad)]] == list(bad)
    times = outcomes[:10] + outcomes[10 + len(bad) :]
    assert times == sorted(set(times))
    assert set(store.list_ids("c")) == {"old", *(str(number) for number in range(CALLERS))}
    assert [one.update_time for one in store.get_all([f"c/{number}" for number in range(CALLERS)]) if one] == times


def test_what_is_refused_begins_no_write(store: SqliteDocuments) -> None:
    with faults.counting("documents.before_commit") as transactions:
        outcomes = together(store, [Create("c/old", {})], [Update("c/none", {})])
    assert [type(one) for one in outcomes] == [AlreadyExistsError, NotFoundError]
    assert transactions() == 0


def test_a_commit_that_fills_the_disk_leaves_nothing_and_the_others_are_made(store: SqliteDocuments) -> None:
    writer = store._connections._writer
    assert writer is not None
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    large = [Set(f"c/big{number}", {"text": "x" * 100_000}) for number in range(5)]
    outcomes = together(store, [Create("c/1", {})], [Set("c/part", {}), *large], [Create("c/2", {})])
    assert isinstance(outcomes[1], UnavailableError)
    assert "cannot grow" in str(outcomes[1])
    assert sorted(store.list_ids("c")) == ["1", "2", "old"]


def test_a_condition_holds_for_one_of_those_that_share_a_transaction(store: SqliteDocuments) -> None:
    old = store.get("c/old")
    assert old is not None
    outcomes = together(store, *([Update("c/old", {"n": Increment(1)}, old.update_time)] for _ in range(CALLERS)))
    assert sum(isinstance(one, PreconditionError) for one in outcomes) == CALLERS - 1
    document = store.get("c/old")
    assert document is not None
    assert document.data == {"n": 1}


def test_times_grow_within_a_shared_transaction_and_after_it_although_the_clock_stands(path: Path) -> None:
    with closing(SqliteDocuments(path, clock=FakeClock(), busy_timeout=10.0)) as store:
        commits = [[Set("c/same", {}), Set(f"c/{number}", {})] for number in range(CALLERS)]
        times = [*together(store, *commits), *together(store, *commits), store.commit([Set("c/other", {})])]
        assert times == sorted(set(times))
        same, other = store.get_all(["c/same", "c/other"])
        assert same is not None
        assert other is not None
        assert (same.update_time, other.update_time) == (times[-2], times[-1])


def test_inv_06_a_failure_of_the_shared_commit_fails_each_caller(store: SqliteDocuments) -> None:
    commits = [[Create(f"c/{number}", {})] for number in range(3)]
    with faults.failing("documents.before_commit", UnavailableError("down")):
        assert [str(one) for one in together(store, *commits)] == ["down"] * 3
    assert list(store.list_ids("c")) == ["old"]
    with faults.failing("documents.after_commit", UnavailableError("the answer was lost")):
        assert [str(one) for one in together(store, *commits)] == ["the answer was lost"] * 3
    assert len(list(store.list_ids("c"))) == 4


def test_inv_18_a_commit_that_waits_beyond_its_deadline_is_not_made_afterwards(
    store: SqliteDocuments, path: Path
) -> None:
    clock = SystemClock()
    inside = threading.Event()

    def lead() -> None:
        inside.set()
        store.commit([Create("c/first", {})])

    def follow() -> None:
        with deadline_scope(0.05, clock), pytest.raises(UnavailableError, match="busy"):
            store.commit([Create("c/thread", {})])

    async def follow_async() -> None:
        with deadline_scope(0.05, clock):
            late = store.commit_soon([Create("c/task", {})])
        patient = store.commit_soon([Create("c/patient", {})])
        await asyncio.sleep(0.1)
        other.execute("ROLLBACK")
        with pytest.raises(UnavailableError, match="busy"):
            await late
        await patient

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # another process writes
        first = threading.Thread(target=lead)
        first.start()
        assert inside.wait(WAIT)
        while not store._commits._group._waiting:
            pass
        thread = threading.Thread(target=follow)
        thread.start()
        thread.join(WAIT)
        asyncio.run(follow_async())
        first.join(WAIT)
    assert sorted(store.list_ids("c")) == ["first", "old", "patient"]


def test_a_transactions_function_cannot_wait_for_a_commit_that_waits_for_it(store: SqliteDocuments) -> None:
    other = threading.Thread(target=store.commit, args=([Set("c/other", {})],))

    def work(_transaction: object) -> None:
        other.start()
        while not store._commits._group._waiting:
            pass
        with pytest.raises(RuntimeError, match="through its transaction"):
            store.commit([Set("c/inner", {})])

    store.transaction(work)
    other.join(WAIT)
    assert sorted(store.list_ids("c")) == ["old", "other"]


KILLED = """
import asyncio, sys, threading
from pathlib import Path
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.ports.documents import Create

store = SqliteDocuments(Path(sys.argv[1]), clock=SystemClock(), busy_timeout=60.0)
store.commit([Create("c/old", {})])
faults.arm_from_environment(sys.argv[2] + "=kill")

async def one(number):
    await store.commit_soon([Create(f"c/{number}", {})])
    print(number, flush=True)

async def main():
    await asyncio.gather(*map(one, range(int(sys.argv[3]))))

asyncio.run(main())
"""


@pytest.mark.parametrize(("point", "made"), [("documents.before_commit", 0), ("documents.after_commit", CALLERS)])
def test_inv_20_a_process_killed_around_a_shared_commit_leaves_all_of_the_group_or_none(
    path: Path, point: str, made: int
) -> None:
    command = [sys.executable, "-c", KILLED, str(path), point, str(CALLERS)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60.0, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, ""), ended.stderr
    with closing(SqliteDocuments(path, clock=SystemClock(), busy_timeout=10.0)) as store:
        assert len(list(store.list_ids("c"))) == 1 + made
