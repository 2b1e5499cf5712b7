"""Group commit: callers that wait at the same time share one transaction, and so one write to the disk.

A caller that finds nobody at work becomes the leader: it runs the work of all who wait, commits once, and passes on
the result of each. Those who come meanwhile wait for the next round. DeWitt et al., "Implementation Techniques for Main
Memory Database Systems", 1984.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from nbactl.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

C = TypeVar("C")
T = TypeVar("T")
_MOST: Final = 512
"""Pieces of work in one transaction: one that fails is found by running the others again."""


class GroupCommit(Generic[C]):
    """Runs pieces of work in shared transactions.

    `transaction` gives a connection within a transaction that is committed at the end of the block, or rolled back by
    an exception. A piece of work that raises changes nothing: the others are run again without it, so that work may be
    called twice, with its first effects undone. Threads may share it.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[C]]) -> None:
        self._transaction = transaction
        self._waiting: deque[_Work[C]] = deque()
        self._gate = threading.Lock()
        self._leader: _Work[C] | None = None

    def run(self, work: Callable[[C], T]) -> T:
        """Run `work` and return its result once it is committed. Raises what it raised, or what the commit raised."""
        mine: _Work[C] = _Work(work)
        try:
            with self._gate:
                self._waiting.append(mine)
                if self._leader is None:
                    self._leader = mine
                lead = self._leader is mine
            if not lead:
                mine.turn.acquire()  # until another leader did the work, or makes this thread the next one
            while not mine.done:
                self._lead()
                if not mine.done:
                    mine.turn.acquire()
        except BaseException:
            self._leave(mine)
            raise
        return cast("T", mine.result())

    def _lead(self) -> None:
        with self._gate:
            works = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST))]
        try:
            self._commit(works)
        except BaseException:
            for work in works:  # this thread was interrupted, perhaps in the commit itself
                if not work.done:
                    work.end(UnavailableError("a shared transaction was interrupted", cause="It may be committed."))
            raise
        finally:
            for work in works:
                work.turn.release()
            self._pass_on()

    def _leave(self, mine: _Work[C]) -> None:
        """Let the others go on without a thread that was interrupted while it waited."""
        with self._gate:
            if mine in self._waiting:
                self._waiting.remove(mine)
            leads = self._leader is mine
        if leads:
            self._pass_on()

    def _pass_on(self) -> None:
        """Make the one that has waited longest the leader."""
        with self._gate:
            following = self._leader = self._waiting[0] if self._waiting else None
        if following is not None:
            following.turn.release()

    def _commit(self, works: Sequence[_Work[C]]) -> None:
        left = list(works)
        while left:
            running: _Work[C] | None = None
            try:
                with self._transaction() as connection:
                    for work in left:
                        running = work
                        work.value = work.fn(connection)
                    running = None
            except Exception as error:  # noqa: BLE001 - it is raised where the work was asked for
                refused = left if running is None else [running]  # without one it was the transaction itself
                for work in refused:
                    work.end(error)
                left = [work for work in left if not work.done]
                continue
            for work in left:
                work.end()
            return


class _Work(Generic[C]):
    """A piece of work that waits. `turn` is released when it is done, or when its thread is to lead."""

    __slots__ = ("_error", "done", "fn", "turn", "value")

    def __init__(self, fn: Callable[[C], Any]) -> None:
        self.fn = fn
        self.turn = threading.Lock()
        self.turn.acquire()
        self.done = False
        self.value: Any = None
        self._error: Exception | None = None

    def end(self, error: Exception | None = None) -> None:
        self._error = error
        self.done = True

    def result(self) -> Any:  # noqa: ANN401 - of the work's type
        if self._error is not None:
            raise self._error
        return self.value
