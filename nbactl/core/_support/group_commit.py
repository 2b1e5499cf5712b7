"""Group commit: callers that wait at the same time share one transaction, and so one write to the disk.

A caller that finds nobody at work becomes the leader: it begins a transaction, runs in it the work of all who wait by
then, commits once, and passes on the result of each. Those who come meanwhile wait for the next round. DeWitt et al.,
"Implementation Techniques for Main Memory Database Systems", 1984.
"""

from __future__ import annotations

import threading
import time
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


def _late() -> Exception:
    return UnavailableError("another transaction did not end in time")


class GroupCommit(Generic[C]):
    """Runs pieces of work in shared transactions.

    `transaction` gives a connection within a transaction that is committed at the end of the block, or rolled back by
    an exception. A piece of work that raises changes nothing: the others are run again without it, so that work may be
    called twice, with its first effects undone. `late` makes the error of work that waited too long. Threads may share
    it.
    """

    def __init__(
        self, transaction: Callable[[], AbstractContextManager[C]], late: Callable[[], Exception] = _late
    ) -> None:
        self._transaction = transaction
        self._late = late
        self._waiting: deque[_Work[C]] = deque()
        self._gate = threading.Lock()
        self._leader: _Work[C] | None = None

    def run(self, work: Callable[[C], T], *, wait: float | None = None) -> T:
        """Run `work` and return its result once it is committed. Raises what it raised, or what the commit raised.

        Work that waits for another transaction for `wait` seconds is late and is not run; without `wait` it waits for
        as long as that takes. How long the transaction of a leader may take to begin is up to `transaction`.
        """
        mine: _Work[C] = _Work(work, wait)
        try:
            with self._gate:
                self._waiting.append(mine)
                if self._leader is None:
                    self._leader = mine
                lead = self._leader is mine
            while not mine.done:
                if lead or self._is_turn_of(mine):
                    self._lead(mine)
                    lead = False
        except BaseException:
            self._leave(mine)
            raise
        return cast("T", mine.result())

    def _is_turn_of(self, mine: _Work[C]) -> bool:
        """Wait until another leader did the work, or made this thread the next one, or until it is late."""
        if not mine.turn.acquire(timeout=mine.left()):
            with self._gate:
                if mine in self._waiting and self._leader is not mine:
                    self._waiting.remove(mine)
                    mine.end(self._late())
                    return False
            mine.turn.acquire()  # its transaction has begun
        return not mine.done

    def _lead(self, mine: _Work[C]) -> None:
        """Do the work of all who wait when the transaction has begun; until then each may still become late."""
        works: Sequence[_Work[C]] = [mine]
        running: _Work[C] | None = mine
        try:
            with self._transaction() as connection:
                works = self._take()
                for work in works:
                    running = work
                    work.value = work.fn(connection)
                running = None
            for work in works:
                work.end()
        except Exception as error:  # noqa: BLE001 - it is raised where the work was asked for
            for work in works if running is None else [running]:  # without one it was the end of the transaction
                work.end(error)
        except BaseException:
            for work in works:  # this thread was interrupted, perhaps in the commit itself
                work.end(UnavailableError("a shared transaction was interrupted", cause="It may be committed."))
            raise
        finally:
            self._pass_on(works)

    def _take(self) -> Sequence[_Work[C]]:
        with self._gate:
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST))]

    def _leave(self, mine: _Work[C]) -> None:
        """Let the others continue without a thread that was interrupted while it waited."""
        with self._gate:
            mine.end(self._late())
            if mine in self._waiting:
                self._waiting.remove(mine)
            leads = self._leader is mine
        if leads:
            self._pass_on(())

    def _pass_on(self, works: Sequence[_Work[C]]) -> None:
        """Let work that was undone wait again, wake the callers of the rest, and make one that waits the leader."""
        with self._gate:
            for work in reversed(works):
                if not work.done and work.left() == 0.0:
                    work.end(self._late())
                elif not work.done:
                    self._waiting.appendleft(work)
            while self._waiting and self._waiting[0].done:  # its transaction could not begin
                self._waiting.popleft()
            following = self._leader = self._waiting[0] if self._waiting else None
        for work in works:
            if work.done:
                work.turn.release()
        if following is not None:
            following.turn.release()


class _Work(Generic[C]):
    """A piece of work that waits. `turn` is released when it is done, or when its thread is to lead."""

    __slots__ = ("_error", "_give_up", "done", "fn", "turn", "value")

    def __init__(self, fn: Callable[[C], Any], wait: float | None) -> None:
        self.fn = fn
        self.turn = threading.Lock()
        self.turn.acquire()
        self.done = False
        self.value: Any = None
        self._error: Exception | None = None
        # The wait is real, whatever a clock of the caller says.
        self._give_up = None if wait is None else time.monotonic() + wait

    def left(self) -> float:
        """Return the seconds that it may still wait, as `Lock.acquire` takes them: -1 means without a limit."""
        return -1.0 if self._give_up is None else max(0.0, self._give_up - time.monotonic())

    def end(self, error: Exception | None = None) -> None:
        if not self.done:
            self._error = error
            self.done = True

    def result(self) -> Any:  # noqa: ANN401 - of the work's type
        if self._error is not None:
            raise self._error
        return self.value
