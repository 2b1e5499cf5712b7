"""Group commit: shared transactions, and nobody's failure is another's."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support import aio
from nbactl.core._support.aio import Outcome
from nbactl.core._support.group_commit import GroupCommit, Refused
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
        self.begins_fail: Exception | None = None
        self.group: GroupCommit[sqlite3.Connection] = GroupCommit(self.transaction)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        self.entered.set()
        assert self.gate.wait(30.0)
        if (error := self.begins_fail) is not None:
            self.begins_fail = None
            raise error
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


@pytest.fixture
def table() -> Iterator[Table]:
    made = Table()
    yield made
    made.connection.close()


def _insert(connection: sqlite3.Connection, number: int) -> int:
    connection.execute("INSERT INTO t VALUES (?)", (number,))
    return number


def test_those_who_wait_share_one_commit_and_each_gets_its_own_result(table: Table) -> None:
    outcomes = table.together([lambda number=number: table.insert(number) for number in range(CALLERS)])  # type: ignore[misc]
    assert outcomes == list(range(CALLERS))
    assert table.numbers() == [-1, *range(CALLERS)]
    assert table.commits == 1


def test_work_that_fails_changes_nothing_and_spoils_no_other(table: Table) -> None:

    def spoil() -> int:
        def work(connection: sqlite3.Connection) -> int:
            _insert(connection, 1000)
            raise ValueError("mine")

        return table.group.run(work)

    works: list[Callable[[], Any]] = [lambda: table.insert(1), spoil, lambda: table.insert(2), spoil]
    outcomes = table.together(works)
    assert [str(one) for one in outcomes] == ["1", "mine", "2", "mine"]
    assert table.numbers() == [-1, 1, 2]


def test_a_commit_that_fails_fails_all_who_shared_it_and_later_work_is_done(table: Table) -> None:
    table.insert(0)
    table.commits_fail = UnavailableError("the disk is full")
    with pytest.raises(UnavailableError, match="full"):
        table.insert(1)
    table.commits_fail = None
    assert table.insert(2) == 2
    assert table.numbers() == [0, 2]


def test_an_interrupted_leader_leaves_no_one_waiting(table: Table) -> None:

    def interrupt(_connection: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    def leader() -> None:
        table.group.run(interrupt)

    with pytest.raises(KeyboardInterrupt):
        leader()
    assert table.insert(1) == 1


def test_a_thread_that_is_interrupted_while_it_waits_holds_up_no_other(table: Table) -> None:
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


def _hold(table: Table, number: int) -> threading.Thread:
    """Begin a leader whose transaction cannot begin before `table.gate` is set."""
    table.gate.clear()
    table.entered.clear()

    def lead() -> None:
        with contextlib.suppress(UnavailableError):
            table.insert(number)

    first = threading.Thread(target=lead)
    first.start()
    assert table.entered.wait(30.0)
    return first


def test_work_that_waits_too_long_is_never_run(table: Table) -> None:
    first = _hold(table, 1)
    with pytest.raises(UnavailableError, match="in time"):
        table.group.run(lambda connection: _insert(connection, 2), wait=0.01)
    table.gate.set()
    first.join()
    assert table.insert(3) == 3
    assert table.numbers() == [1, 3]


def test_a_caller_whose_time_runs_out_when_its_work_has_begun_gets_its_outcome(table: Table) -> None:
    inside, leave = threading.Event(), threading.Event()

    def linger(connection: sqlite3.Connection) -> None:
        _insert(connection, 1)
        inside.set()
        assert leave.wait(30.0)

    table.gate.clear()
    first = threading.Thread(target=table.group.run, args=(linger,))
    first.start()
    assert table.entered.wait(30.0)
    outcomes: list[int] = []
    second = threading.Thread(
        target=lambda: outcomes.append(table.group.run(lambda connection: _insert(connection, 2), wait=0.2))
    )
    second.start()
    while len(table.group._waiting) < 2:
        pass
    table.gate.set()
    assert inside.wait(30.0)
    second.join(0.4)  # longer than it may wait in the queue, which it has left
    assert second.is_alive()
    leave.set()
    second.join(30.0)
    first.join(30.0)
    assert (outcomes, table.numbers()) == ([2], [1, 2])


def test_a_transaction_that_cannot_begin_fails_its_leader_alone(table: Table) -> None:
    first = _hold(table, 1)
    outcomes: list[object] = []

    def follow() -> None:
        outcomes.append(table.insert(2))

    second = threading.Thread(target=follow)
    second.start()
    while len(table.group._waiting) < 2:
        pass
    table.begins_fail = UnavailableError("the file is held")
    table.gate.set()
    first.join(30.0)
    second.join(30.0)
    assert (outcomes, table.numbers()) == ([2], [2])


def test_what_coroutines_submit_in_one_turn_shares_one_commit_and_each_gets_its_own_outcome(table: Table) -> None:

    def raise_after_a_part(connection: sqlite3.Connection) -> None:
        _insert(connection, 1000)
        raise ValueError("mine")

    def refuse(_connection: sqlite3.Connection) -> Refused:
        return Refused(ValueError("refused"))

    async def submit(work: Callable[[sqlite3.Connection], Any]) -> Any:
        ended: Outcome[Any] = Outcome()
        table.group.submit(work, ended)
        return await ended

    async def main(*works: Callable[[sqlite3.Connection], Any]) -> list[Any]:
        return await asyncio.gather(*map(submit, works), return_exceptions=True)

    def insert(number: int) -> Callable[[sqlite3.Connection], int]:
        return lambda connection: _insert(connection, number)

    outcomes = asyncio.run(main(insert(1), refuse, insert(2), refuse))
    assert [str(one) for one in outcomes] == ["1", "refused", "2", "refused"]
    assert table.commits == 1
    outcomes = asyncio.run(main(insert(3), raise_after_a_part, insert(4)))
    assert [str(one) for one in outcomes] == ["3", "mine", "4"]
    assert table.numbers() == [1, 2, 3, 4]


def test_threads_and_coroutines_lead_each_other_and_a_closed_loop_holds_up_no_one(table: Table) -> None:
    first = _hold(table, 0)
    abandoned = asyncio.new_event_loop()

    async def submit(number: int) -> Outcome[int]:
        ended: Outcome[int] = Outcome()
        table.group.submit(lambda connection: _insert(connection, number), ended)
        await asyncio.sleep(0)  # the end of the turn
        return ended

    abandoned.run_until_complete(submit(1))
    abandoned.close()
    threads = [threading.Thread(target=table.insert, args=(number,)) for number in (2, 3)]
    for thread in threads:
        thread.start()

    async def main() -> int:
        ended = await submit(4)
        while len(table.group._waiting) < 5:  # noqa: ASYNC110 - threads come to it
            await asyncio.sleep(0)
        table.begins_fail = UnavailableError("the file is held")  # the next one leads, for which no one waits
        table.gate.set()
        return await ended

    assert asyncio.run(main()) == 4
    for thread in [first, *threads]:
        thread.join(30.0)
    assert table.numbers() == [1, 2, 3, 4]


def test_a_task_that_is_cancelled_while_it_awaits_an_outcome_is_so_when_it_is_known(table: Table) -> None:
    first = _hold(table, 1)
    known: list[int] = []

    async def work() -> None:
        ended: Outcome[int] = Outcome()
        table.group.submit(lambda connection: _insert(connection, 2), ended)
        try:
            await ended
        except asyncio.CancelledError:
            known.append(ended.result())
            raise

    async def main() -> None:
        task = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(table.group._waiting) == 2
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        table.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    first.join(30.0)
    assert (known, table.numbers()) == ([2], [1, 2])


def test_where_no_thread_can_be_started_the_loop_s_own_leads(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_work: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(aio, "start_daemon", refuse)

    async def main() -> int:
        ended: Outcome[int] = Outcome()
        table.group.submit(lambda connection: _insert(connection, 1), ended)
        return await ended

    assert asyncio.run(main()) == 1
    assert table.insert(2) == 2


def test_a_future_that_is_cancelled_keeps_no_other_from_its_outcome(table: Table) -> None:

    async def both() -> int:
        loop = asyncio.get_running_loop()
        cancelled, other = loop.create_future(), loop.create_future()
        for number, ended in enumerate((cancelled, other)):
            table.group.submit(partial(_insert, number=number), ended)
        cancelled.cancel()
        found: int = await asyncio.wait_for(other, 30.0)
        return found

    assert asyncio.run(both()) == 1
