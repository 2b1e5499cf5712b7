"""Small programs that share a store, run step by step in many orders, each drawn from a seed.

One program runs at a time. At every call of the store, and wherever it calls `step`, another one may run instead;
there a program may be killed, an answer lost, a call refused, or the clock moved. The same seed gives the same order,
so a failure can be repeated: `explore(scenario, seed=4711, schedules=1)`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from nbactl.errors import UnavailableError
from nbactl.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from nbactl.ports.documents import Document, DocumentStore, Query, Snapshot, Transaction, Write, WriteResult

T = TypeVar("T")


class Steps(Protocol):
    """Decides which program runs next, and what fails."""

    def step(self, what: str) -> None:
        """Let others run here."""
        ...

    def may_fail(self, call: str) -> bool:
        """Say whether the answer is to be lost; raises UnavailableError to refuse the call."""
        ...


class SteppedStore:
    """Passes calls on to `inner`, each after a step. Reads may be refused, changes also lose their answer."""

    def __init__(self, inner: DocumentStore, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps

    def get(self, path: str) -> Document | None:
        self._steps.step(f"get {path}")
        return self._inner.get(path)

    def get_all(self, paths: Sequence[str]) -> list[Document | None]:
        self._steps.step(f"get {', '.join(paths)}")
        return self._inner.get_all(paths)

    def query(self, query: Query) -> Iterator[Document]:
        self._steps.step(f"query {query.collection}")
        return iter(list(self._inner.query(query)))

    def count(self, query: Query) -> int:
        self._steps.step(f"count {query.collection}")
        return self._inner.count(query)

    def list_ids(self, collection: str) -> Iterator[str]:
        self._steps.step(f"list {collection}")
        return iter(list(self._inner.list_ids(collection)))

    def list_collections(self) -> list[str]:
        self._steps.step("list collections")
        return self._inner.list_collections()

    def lacking(self, collection: str, field: str) -> Iterator[Document]:
        self._steps.step(f"lacking {collection}")
        return iter(list(self._inner.lacking(collection, field)))

    def commit(self, writes: Sequence[Write]) -> datetime:
        return self._changed(f"commit {_shown(writes)}", lambda: self._inner.commit(writes))

    def batch_write(self, writes: Sequence[Write]) -> list[WriteResult]:
        return self._changed(f"batch {_shown(writes)}", lambda: self._inner.batch_write(writes))

    def transaction(self, fn: Callable[[Transaction], T], *, max_attempts: int = 5) -> T:
        name = getattr(fn, "__name__", "transaction")
        return self._changed(f"transaction {name}", lambda: self._inner.transaction(fn, max_attempts=max_attempts))

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        self._steps.step("snapshot")
        return self._inner.snapshot()

    def close(self) -> None:
        self._inner.close()

    def _changed(self, call: str, change: Callable[[], T]) -> T:
        self._steps.step(call)
        answer_is_lost = self._steps.may_fail(call)
        result = change()
        if answer_is_lost:
            raise UnavailableError(f"{call} was done, and its answer lost, by this order of steps")
        return result


def _shown(writes: Sequence[Write]) -> str:
    return ", ".join(f"{type(write).__name__} {write.path}" for write in writes)


_SHOWN: Final = 60
"""Lines of the trace that an error shows, the last ones."""
_STAY: Final = (0.0, 0.3, 0.6, 0.9)
"""How likely a program keeps its turn at a step; drawn for each order, as some bugs need long runs of one program."""


class Killed(BaseException):
    """The program ends here, as by SIGKILL: the store refuses all that it still tries while its stack unwinds."""


class BrokenByOrderError(AssertionError):
    """In one order of steps a program or the check at the end failed; `seed` brings that order back."""

    def __init__(self, seed: int, trace: list[str], cause: BaseException) -> None:
        self.seed = seed
        self.trace = trace
        shown = "\n".join(f"  {line}" for line in trace[-_SHOWN:])
        super().__init__(f"with seed {seed}, after {len(trace)} steps: {type(cause).__name__}: {cause}\n{shown}")


@dataclass(frozen=True, slots=True)
class FaultRates:
    """How likely, at each step, what else goes wrong. `jumps` are seconds by which the clock is moved, back too."""

    kill: float = 0.0
    lose_answer: float = 0.0
    refuse: float = 0.0
    jump: float = 0.0
    jumps: tuple[float, ...] = ()


NOTHING_ELSE: Final = FaultRates()


@dataclass(frozen=True, slots=True)
class Explored:
    """What was tried: how many orders, how many of them differ, and what went wrong besides in all of them."""

    schedules: int
    distinct: int
    killed: int
    lost_answers: int


class _Program:
    """A function in a thread of its own, which runs when it is given its turn."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.name = name
        self.work = work
        self.turn = threading.Lock()
        self.turn.acquire()
        self.is_killed = False
        self.error: BaseException | None = None


class Interleaving:
    """One order of steps. A scenario declares its programs here, and gives them stores that `store` wrapped."""

    def __init__(self, seed: int, rates: FaultRates = NOTHING_ELSE) -> None:
        self.seed = seed
        self.clock = FakeClock()
        self.trace: list[str] = []
        self.killed: list[str] = []
        self.lost_answers = 0
        self._rng = random.Random(seed)  # noqa: S311 - an order, no secret
        self._stay = self._rng.choice(_STAY)
        self._rates = rates
        self._programs: list[_Program] = []
        self._alive: list[_Program] = []
        self._running: _Program | None = None
        self._all_ended = threading.Lock()
        self._by_thread: dict[int, _Program] = {}

    def program(self, name: str, work: Callable[[], object]) -> None:
        """Add a program. It must block on nothing but what this runs; threads that it starts are not stepped."""
        self._programs.append(_Program(name, work))

    def store(self, inner: DocumentStore) -> SteppedStore:
        """Return `inner` with a step before each call; a call itself, a transaction too, is one step."""
        return SteppedStore(inner, self)

    def step(self, what: str) -> None:
        """Let others run here; outside of the programs this does nothing. Raises Killed if the program ends here."""
        program = self._by_thread.get(threading.get_ident())
        if program is None:
            return
        if program.is_killed:
            raise Killed
        self.trace.append(f"{program.name}: {what}")
        self._move_clock()
        if self._happens(self._rates.kill):
            self.trace.append(f"{program.name} is killed")
            self.killed.append(program.name)
            program.is_killed = True
            raise Killed
        if len(self._alive) > 1 and not self._happens(self._stay):
            self._hand_over(self._rng.choice(self._alive), program)

    def may_fail(self, call: str) -> bool:
        """Say whether the answer of `call` is to be lost, after it was done. Raises UnavailableError to refuse it."""
        if threading.get_ident() not in self._by_thread:
            return False
        if self._happens(self._rates.refuse):
            self.trace.append("  refused")
            raise UnavailableError(f"{call} was refused by this order of steps")
        if self._happens(self._rates.lose_answer):
            self.trace.append("  done, and its answer lost")
            self.lost_answers += 1
            return True
        return False

    def run(self, timeout: float) -> None:
        """Run all programs to their ends. Raises what the first of them raised."""
        self._alive = list(self._programs)
        self._all_ended.acquire()
        for program in self._programs:
            threading.Thread(target=self._live, args=(program,), name=f"program-{program.name}", daemon=True).start()
        self._give_turn(self._rng.choice(self._alive))
        if not self._all_ended.acquire(timeout=timeout):
            stuck = "no program" if self._running is None else self._running.name
            raise RuntimeError(f"{stuck} takes no step: does it wait for a lock that another program holds?")
        for program in self._programs:
            if program.error is not None:
                raise program.error

    def _live(self, program: _Program) -> None:
        program.turn.acquire()
        self._by_thread[threading.get_ident()] = program
        try:
            program.work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again where all of it is run
            self.trace.append(f"{program.name} raises {type(error).__name__}: {error}")
            program.error = error
        del self._by_thread[threading.get_ident()]
        self._alive.remove(program)
        if self._alive:
            self._give_turn(self._rng.choice(self._alive))
        else:
            self._all_ended.release()

    def _hand_over(self, to: _Program, own: _Program) -> None:
        if to is not own:
            self._give_turn(to)
            own.turn.acquire()

    def _give_turn(self, program: _Program) -> None:
        self._running = program
        program.turn.release()

    def _move_clock(self) -> None:
        if self._happens(self._rates.jump):
            seconds = self._rng.choice(self._rates.jumps)
            self.trace.append(f"the clock moves by {seconds:+} s")
            self.clock.jump(seconds)

    def _happens(self, chance: float) -> bool:
        return bool(chance) and self._rng.random() < chance


Scenario = Callable[[Interleaving], Callable[[], None]]
"""Declares programs and returns the check of the end, which is made when no fault happens any more."""


def explore(
    scenario: Scenario,
    *,
    schedules: int,
    seed: int = 0,
    rates: FaultRates = NOTHING_ELSE,
    timeout: float = 60.0,  # nbactl: ignore[hardcoded-timeout] of a test, not of the pipeline
) -> Explored:
    """Run `scenario` in the orders of the seeds from `seed` on. Raises BrokenByOrderError for the first that breaks it.

    `timeout` is in seconds of real time, for an order that gets stuck.
    """
    traces: set[int] = set()
    killed = lost = 0
    for number in range(seed, seed + schedules):
        order = Interleaving(number, rates)
        try:
            check = scenario(order)
            order.run(timeout)
            check()
        except Exception as error:
            raise BrokenByOrderError(number, order.trace, error) from error
        traces.add(hash(tuple(order.trace)))
        killed += len(order.killed)
        lost += order.lost_answers
    return Explored(schedules, len(traces), killed, lost)
