"""Group commit: callers that wait at the same time share one transaction, and so one write to the disk.

A caller that finds nobody at work becomes the leader: it begins a transaction, runs in it the work of all who wait by
then, commits once, and passes on the result of each. Those who come meanwhile wait for the next round. DeWitt et al.,
"Implementation Techniques for Main Memory Database Systems", 1984.
"""

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from nbactl.errors import UnavailableError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

C = TypeVar("C")
T = TypeVar("T")
_MOST: Final = 512
"""Pieces of work in one transaction: one that fails is found by running the others again."""


def _late() -> Exception:
    return UnavailableError("another transaction did not end in time")


@dataclass(frozen=True, slots=True)
class Refused:
    """Work returns this in place of raising `error` if it changed nothing: the others need not run again."""

    error: Exception


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
        self._submitted: dict[asyncio.AbstractEventLoop, list[_Awaited[C]]] = {}
        """What the tasks of a loop submit in a turn of it; only its thread uses its entry."""
        self._gate = threading.Lock()
        self._leader: _Work[C] | None = None

    def run(self, work: Callable[[C], T | Refused], *, wait: float | None = None) -> T:
        """Run `work` and return its result once it is committed. Raises what it raised, or what the commit raised.

        Work that waits for another transaction for `wait` seconds is late and is not run; without `wait` it waits for
        as long as that takes. How long the transaction of a leader may take to begin is up to `transaction`.
        """
        mine: _Called[C] = _Called(work, wait)
        try:
            lead = self._join(mine)
            while not mine.done:
                if lead or self._is_turn_of(mine):
                    self._lead(mine)
                    lead = False
        except BaseException:
            self._leave(mine)
            raise
        if mine.error is not None:
            raise mine.error
        return mine.value  # type: ignore[no-any-return]

    def submit(self, work: Callable[[C], T | Refused], ended: asyncio.Future[T], *, wait: float | None = None) -> None:
        """Do as `run`, without a wait: `ended` gets the outcome. A daemon thread leads, in the context of this call."""
        loop = ended.get_loop()
        submitted = self._submitted.get(loop)
        if submitted is None:
            submitted = self._submitted[loop] = []
            loop.call_soon(self._join_submitted, loop)  # together with what else its tasks submit in this turn
        submitted.append(_Awaited(work, wait, ended))

    def _join_submitted(self, loop: asyncio.AbstractEventLoop) -> None:
        works = self._submitted.pop(loop)
        if self._join(*works):
            works[0].proceed(self._lead)

    def _join(self, *works: _Work[C]) -> bool:
        """Let works wait; returns whether the first of them is to lead."""
        with self._gate:
            self._waiting.extend(works)
            if self._leader is None:
                self._leader = works[0]
            return self._leader is works[0]

    def _is_turn_of(self, mine: _Called[C]) -> bool:
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
                works = self._take(mine)
                for work in works:
                    if not work.done:
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

    def _take(self, mine: _Work[C]) -> Sequence[_Work[C]]:
        """Take those who wait out of the queue; those who are late end here."""
        with self._gate:
            works = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST))]
        for work in works:
            if work is not mine and work.left() == 0.0:
                work.end(self._late())
        return works

    def _leave(self, mine: _Called[C]) -> None:
        """Let the others continue without a thread that was interrupted while it waited."""
        with self._gate:
            mine.end(self._late())
            if mine in self._waiting:
                self._waiting.remove(mine)
            leads = self._leader is mine
        if leads:
            self._pass_on(())

    def _pass_on(self, works: Sequence[_Work[C]]) -> None:
        """Let work that was undone wait again, tell the callers of the rest, and make one that waits the leader."""
        ended = [work for work in works if work.done]
        with self._gate:
            if len(ended) < len(works):
                self._waiting.extendleft(work for work in reversed(works) if not work.done)
            while self._waiting and (self._waiting[0].done or self._waiting[0].left() == 0.0):
                work = self._waiting.popleft()  # its transaction could not begin, or it has waited too long
                if not work.done:
                    work.end(self._late())
                    ended.append(work)
            following = self._leader = self._waiting[0] if self._waiting else None
        settled: dict[asyncio.AbstractEventLoop, list[_Awaited[C]]] = {}
        for work in ended:
            work.deliver(settled)
        for loop, awaited in settled.items():
            with contextlib.suppress(RuntimeError):  # the loop was closed: no caller waits
                loop.call_soon_threadsafe(_settle, awaited)
        if following is not None:
            following.proceed(self._lead)


class _Work(ABC, Generic[C]):
    """A piece of work that waits."""

    __slots__ = ("_give_up", "done", "error", "fn", "value")

    def __init__(self, fn: Callable[[C], Any], wait: float | None) -> None:
        self.fn = fn
        self.done = False
        self.value: Any = None
        self.error: Exception | None = None
        # The wait is real, whatever a clock of the caller says.
        self._give_up = None if wait is None else time.monotonic() + wait

    def left(self) -> float:
        """Return the seconds that it may still wait, as `Lock.acquire` takes them: -1 means without a limit."""
        return -1.0 if self._give_up is None else max(0.0, self._give_up - time.monotonic())

    def end(self, error: Exception | None = None) -> None:
        """Note the outcome; the first one stays."""
        if not self.done:
            self.error = error
            if error is None and isinstance(self.value, Refused):
                self.error = self.value.error
            self.done = True

    @abstractmethod
    def deliver(self, settled: dict[asyncio.AbstractEventLoop, list[_Awaited[C]]]) -> None:
        """Let the caller have the outcome; what a loop is to settle is added to `settled`."""

    @abstractmethod
    def proceed(self, lead: Callable[[_Work[C]], None]) -> None:
        """Let it lead."""


class _Called(_Work[C]):
    """Work of a thread that waits for it. `turn` is released when it is done, or when its thread is to lead."""

    __slots__ = ("turn",)

    def __init__(self, fn: Callable[[C], Any], wait: float | None) -> None:
        super().__init__(fn, wait)
        self.turn = threading.Lock()
        self.turn.acquire()

    def deliver(self, settled: object) -> None:  # noqa: ARG002 - its thread waits by itself
        self.turn.release()

    def proceed(self, lead: object) -> None:  # noqa: ARG002 - its thread leads
        self.turn.release()


class _Awaited(_Work[C]):
    """Work whose outcome a coroutine awaits."""

    __slots__ = ("_context", "ended")

    def __init__(self, fn: Callable[[C], Any], wait: float | None, ended: asyncio.Future[Any]) -> None:
        super().__init__(fn, wait)
        self.ended = ended
        self._context = copy_context()

    def deliver(self, settled: dict[asyncio.AbstractEventLoop, list[_Awaited[C]]]) -> None:
        settled.setdefault(self.ended.get_loop(), []).append(self)

    def proceed(self, lead: Callable[[_Work[C]], None]) -> None:
        from nbactl.core._support.aio import start_daemon  # noqa: PLC0415 - it loads asyncio, as who awaits has

        # A copy, for it may lead twice: when the others run again, it is still within the first time.
        context = self._context.copy()
        try:
            start_daemon(lambda: context.run(lead, self))
        except RuntimeError:  # the system gives no more threads: this one leads, lest all wait for ever
            context.run(lead, self)


def _settle(works: Sequence[_Awaited[Any]]) -> None:
    for work in works:
        if work.ended.done():  # it was cancelled; the others have their outcome all the same
            continue
        if work.error is not None:
            work.ended.set_exception(work.error)
        else:
            work.ended.set_result(work.value)
