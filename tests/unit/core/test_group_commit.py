"""Group commit: shared transactions, and nobody's failure is another's."""

from __future__ import annotations

import signal
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.group_commit import GroupCommit
from nbactl.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLERS = 30


class Table:
    """A table of numbers, and how often it was committed. The first transaction waits for `gate`."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.connection.execute("CREATE TABLE t (n INTEGER UNIQUE)")
        self.commits = 0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.commits_fail: Exception | None = None
        self.group: GroupCommit[sqlite3.Connection] = GroupCommit(self.transaction)

    def __del__(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        self.entered.set()
        assert self.gate.wait(30.0)
        self.connection.execute("BEGIN")
        try:
            yield self.connection
            if self.commits_fail is not None:
                raise self.commits_fail  # noqa: TRY301 - as the end of a transaction does
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        self.commits += 1

    def insert(self, number: int) -> int:
        return self.group.run(lambda connection: _insert(connection, number))

    def numbers(self) -> list[int]:
        return [number for (number,) in self.connection.execute("SELECT n FROM t ORDER BY n")]

    def together(self, works: list[Callable[[], Any]]) -> list[Any]:
        """Run all while a first transaction is held up, so that they wait at the same time; returns what they gave."""
        self.gate.clear()
        self.entered.clear()
        outcomes: list[Any] = [None] * len(works)

        def run(number: int) -> None:
            try:
                outcomes[number] = works[number]()
            except Exception as error:  # noqa: BLE001 - it is the outcome
                outcomes[number] = error

        first = threading.Thread(target=lambda: self.insert(-1))
        first.start()
        assert self.entered.wait(30.0)
        threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
        for thread in threads:
            thread.start()
        while len(self.group._waiting) < len(works):
            pass
        self.gate.set()
        for thread in [first, *threads]:
            thread.join(30.0)
        return outcomes


def _insert(connection: sqlite3.Connection, number: int) -> int:
    connection.execute("INSERT INTO t VALUES (?)", (number,))
    return number


def test_those_who_wait_share_one_commit_and_each_gets_its_own_result() -> None:
    table = Table()
    outcomes = table.together([lambda number=number: table.insert(number) for number in range(CALLERS)])  # type: ignore[misc]
    assert outcomes == list(range(CALLERS))
    assert table.numbers() == [-1, *range(CALLERS)]
    assert table.commits == 1


def test_work_that_fails_changes_nothing_and_spoils_no_other() -> None:
    table = Table()

    def spoil() -> int:
        def work(connection: sqlite3.Connection) -> int:
            _insert(connection, 1000)
            raise ValueError("mine")

        return table.group.run(work)

    works: list[Callable[[], Any]] = [lambda: table.insert(1), spoil, lambda: table.insert(2), spoil]
    outcomes = table.together(works)
    assert [str(one) for one in outcomes] == ["1", "mine", "2", "mine"]
    assert table.numbers() == [-1, 1, 2]


def test_a_commit_that_fails_fails_all_who_shared_it_and_later_work_is_done() -> None:
    table = Table()
    table.insert(0)
    table.commits_fail = UnavailableError("the disk is full")
    with pytest.raises(UnavailableError, match="full"):
        table.insert(1)
    table.commits_fail = None
    assert table.insert(2) == 2
    assert table.numbers() == [0, 2]


def test_an_interrupted_leader_leaves_no_one_waiting() -> None:
    table = Table()

    def interrupt(_connection: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    def leader() -> None:
        table.group.run(interrupt)

    with pytest.raises(KeyboardInterrupt):
        leader()
    assert table.insert(1) == 1


def test_a_thread_that_is_interrupted_while_it_waits_holds_up_no_other() -> None:
    table = Table()
    table.gate.clear()
    first = threading.Thread(target=table.insert, args=(1,))
    first.start()
    assert table.entered.wait(30.0)

    def interrupt() -> None:
        while len(table.group._waiting) < 2:
            threading.Event().wait(0.001)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # workers of a test run ignore it
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            table.insert(2)
    finally:
        signal.signal(signal.SIGINT, usual)
        table.gate.set()
    first.join()
    last = threading.Thread(target=table.insert, args=(3,), daemon=True)
    last.start()
    last.join(10.0)
    assert table.numbers() == [1, 3]
