"""The commits of one store: those that wait at the same time share a transaction, each with its own outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from nbactl.adapters.sqlite.connections import watch
from nbactl.adapters.sqlite.writes import apply
from nbactl.core._support.faults import reach
from nbactl.core._support.group_commit import GroupCommit, Refused
from nbactl.core._support.micros import from_micros, to_micros
from nbactl.core._support.sqlite_failures import busy, translated
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from types import TracebackType

    from nbactl.adapters.sqlite.connections import Connections
    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import Write


class Transactions:
    """Opens the transactions of one store, one after the other. `last` is the time of the last change (µs)."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self.last = 0
        self.connections = connections
        self.clock = clock

    def open(self) -> OpenCommit:
        """Give a transaction for a `with` block, at whose end it is committed if there is something to commit."""
        return OpenCommit(self)


class OpenCommit:
    """A transaction of one `with` block. `time` is that of the last change (µs); every change has a later one."""

    __slots__ = ("_changes", "_transactions", "_turn", "connection", "time")

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._turn = transactions.connections.write()
        self._changes = False

    def __enter__(self) -> Self:
        self.connection = self._turn.__enter__()
        self.time = self._transactions.last
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._changes and error is None:
                with translated(self._transactions.connections.where):
                    reach("documents.before_commit")
                    self.connection.execute("COMMIT")
                self._transactions.last = self.time
                reach("documents.after_commit")
        finally:
            self._turn.__exit__(None, None, None)

    def next_time(self) -> int:
        """Return the time of a change that is made now."""
        return max(to_micros(self._transactions.clock.now()), self.time + 1)

    def apply(self, writes: Sequence[Write], time: int) -> int:
        """Apply writes, all or none, and return their time. What is refused with an NbactlError changed nothing."""
        applied = apply(self.connection, writes, time)
        self.time = max(self.time, applied)
        self._changes = True
        return applied


class SharedCommits:
    """Makes commits that share transactions.

    A commit that waits for the others longer than its caller may (`Connections.patience`) is not made. A crash leaves
    all commits of a transaction or none: no caller has an answer before they are durable.
    """

    def __init__(self, connections: Connections, transactions: Transactions) -> None:
        self._connections = connections
        self._transactions = transactions
        self._begin()
        watch(self)

    def _begin(self) -> None:
        where = self._connections.where
        self._group = GroupCommit(self._transactions.open, lambda: busy(where))

    def make(self, writes: Sequence[Write]) -> datetime:
        """Make a commit, and return its time when it is durable. Raises what `apply` raises, and UnavailableError."""
        self._connections.check_writable()
        return self._group.run(self._work(writes), wait=self._connections.patience())

    def make_soon(self, writes: Sequence[Write], ended: asyncio.Future[datetime]) -> None:
        """Make a commit and give its time, or what it raised, to `ended` when it is durable."""
        self._connections.check_writable()
        self._group.submit(self._work(writes), ended, wait=self._connections.patience())

    def _work(self, writes: Sequence[Write]) -> Callable[[OpenCommit], datetime | Refused]:
        def work(opened: OpenCommit) -> datetime | Refused:
            with translated(self._connections.where):  # SQLite's own failure may leave a part: the others run again
                try:
                    return from_micros(opened.apply(writes, opened.next_time()))
                except NbactlError as error:
                    return Refused(error)

        return work

    def before_fork(self) -> None:
        """Do nothing: the connections see to it that none is in use."""

    def after_fork_in_parent(self) -> None:
        """Do nothing: all continues."""

    def after_fork_in_child(self) -> None:
        """Leave those who wait to the parent, whose threads they are."""
        self._begin()
