"""Flags as a service asks them: evaluated in memory, counted, refreshed in the background."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from nbactl.core._support.durations import Interval
from nbactl.core._support.periodic import PeriodicTask
from nbactl.core.flags.model import FlagSource
from nbactl.core.flags.snapshot import changed_between, compile_flags, failed
from nbactl.errors import DataError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.core.flags.model import Attributes, Definition, Evaluation, Evaluator, FlagValue, State
    from nbactl.core.flags.snapshot import CompiledFlags
    from nbactl.core.flags.store import StateCache, Stored
    from nbactl.ports.documents import Subscription


class _Counter:
    """Counts without a lock and without losing one: `next` of an itertools.count cannot be interrupted."""

    __slots__ = ("_count", "_reads", "add")

    def __init__(self) -> None:
        self._count = count()
        self._reads = 0
        self.add = self._count.__next__

    def read(self) -> int:
        """Return the count, without the reads themselves, which count as well; one thread at a time."""
        counted = next(self._count) - self._reads
        self._reads += 1
        return counted


class Exposures:
    """The counters outlive snapshots; `counts` may be called at any time, from any thread."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[FlagValue, _Counter]] = {}
        self._lock = threading.Lock()

    def counted(self, key: str, evaluate: Evaluator, values: Iterable[FlagValue]) -> Evaluator:
        """Return `evaluate` with each answer counted; `values` are all that it can give."""
        with self._lock:
            counters = self._counters.setdefault(key, {})
            for value in values:
                counters.setdefault(value, _Counter())
            add = {value: counter.add for value, counter in counters.items()}

        def decide(entity: str | None, attributes: Attributes | None) -> Evaluation:
            answer = evaluate(entity, attributes)
            add[answer[0]]()  # type: ignore[index]  # only an unknown flag has no value
            return answer

        return decide

    def counts(self) -> dict[str, dict[FlagValue, int]]:
        """Return, by flag, how often each value was served."""
        with self._lock:
            return {
                key: {value: counter.read() for value, counter in counters.items()}
                for key, counters in self._counters.items()
            }


V = TypeVar("V", bool, int, str)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FlagsHealth:
    """How current the flags are. `error` is why the last refresh failed, after `failures` in a row."""

    refreshed_at: datetime | None
    failures: int
    error: str | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh brought: the flags that may answer otherwise from now on, and how current they are."""

    changed: frozenset[str]
    health: FlagsHealth


class Flags:
    """The flags of one process.

    Evaluations read one dictionary: they never wait, never do input or output, never raise. `read` asks the store;
    while that fails, flags stay as they were last known, in memory or in `cache`. `every` is `flags.refresh` of
    timeouts.yaml; a number is seconds, without jitter. `watch`, where there is one, calls what it is given when
    something has changed, so that no change waits for the next refresh.
    """

    def __init__(
        self,
        definitions: Mapping[str, Definition],
        read: Callable[[], Stored],
        *,
        environ: Mapping[str, str],
        clock: Clock,
        rng: random.Random,
        every: float | Interval,
        cache: StateCache | None = None,
        exposures: Exposures | None = None,
        watch: Callable[[Callable[[], None]], Subscription] | None = None,
    ) -> None:
        self._definitions = definitions
        self._read = read
        self._environ = environ
        self._clock = clock
        self._rng = rng
        self._every = every if isinstance(every, Interval) else Interval(every)
        self._cache = cache
        self._exposures = exposures
        self._watch = watch
        self._subscription: Subscription | None = None
        self._task = PeriodicTask("flags", self._refresh_and_log, self._pause, self._every.seconds)
        self._listeners: tuple[Callable[[Refreshed], None], ...] = ()
        self._cached: Mapping[str, State] = {}
        self._health = FlagsHealth(None, 0, None, ())
        self._publish(self._last_known(), FlagSource.DISK, ())

    def evaluate(self, key: str, entity: str | None = None, attributes: Attributes | None = None) -> Evaluation:
        """Return the answer for `entity`: value, reason, bucket, source and error."""
        try:
            return self._evaluators[key](entity, attributes)
        except Exception as error:  # noqa: BLE001 - an evaluation never raises into what asks; `error` says it
            return failed(self._snapshot, key, error)

    def on(self, key: str, entity: str | None = None, attributes: Attributes | None = None) -> bool:
        """Say whether a flag of type bool is on for `entity`; any other flag is not."""
        return self.evaluate(key, entity, attributes).value is True

    def value(self, key: str, default: V, entity: str | None = None, attributes: Attributes | None = None) -> V:
        """Return the value for `entity`; `default` if there is no such flag, or not of the default's type."""
        value = self.evaluate(key, entity, attributes).value
        return value if type(value) is type(default) else default

    def parameter(self, name: str, default: V) -> V:
        """Return a parameter such as QUERY_CACHE_TTL_SECONDS; `default` if it is unknown or of another type."""
        value = self._snapshot.parameters.get(name)
        return value if type(value) is type(default) else default

    @property
    def snapshot(self) -> CompiledFlags:
        """What is being served."""
        return self._snapshot

    @property
    def health(self) -> FlagsHealth:
        """How current that is."""
        return self._health

    def refresh(self) -> None:
        """Take what the store and the environment say now. Raises NbactlError if the store does not answer.

        The environment applies even then.
        """
        try:
            stored = self._read()
        except Exception:
            self._publish(self._snapshot.states, self._snapshot.source, ())
            raise
        before = self._snapshot
        known = before.states
        # What cannot be read stays as it was.
        states = {**{key: known[key] for key in stored.unreadable if key in known}, **stored.states}
        self._publish(states, FlagSource.STORE, tuple(stored.unreadable.values()))
        self._save(states)
        self._health = FlagsHealth(self._clock.now(), 0, None, self._snapshot.problems)
        self._notify(before)

    def listen(self, listener: Callable[[Refreshed], None]) -> Callable[[], None]:
        """Call `listener` after each refresh, successful or not; returns a function that ends this.

        It is called where the refresh is done, must be quick and must not raise.
        """
        self._listeners = (*self._listeners, listener)

        def end() -> None:
            self._listeners = tuple(other for other in self._listeners if other is not listener)

        return end

    def start(self) -> None:
        """Refresh now, then in the background; a store that does not answer is reported, and asked again."""
        self._refresh_and_log()
        self._task.start()
        if self._watch is not None:
            self._subscription = self._watch(self._task.trigger)

    def close(self) -> None:
        """End the refreshing; evaluations continue with the last known states."""
        if self._subscription is not None:
            self._subscription.close()
        self._task.close()

    def _refresh_and_log(self) -> None:
        before, failures, problems = self._snapshot, self._health.failures, self._health.problems
        try:
            self.refresh()
        except Exception as error:  # noqa: BLE001 - a thread that died here would keep a rollback from arriving
            now = self._snapshot.problems
            self._health = FlagsHealth(self._health.refreshed_at, failures + 1, str(error), now)
            self._notify(before)
            if failures == 0:
                _LOG.warning("flags stay as they are: the store does not answer", exc_info=error)
        else:
            if failures:
                _LOG.info("flags are current again", extra={"failures": failures})
        for problem in set(self._snapshot.problems) - set(problems):
            _LOG.warning("problem with a flag: %s", problem)

    def _notify(self, before: CompiledFlags) -> None:
        if self._listeners:
            refreshed = Refreshed(changed_between(before, self._snapshot), self._health)
            for listener in self._listeners:
                listener(refreshed)

    def _pause(self) -> float:
        return self._every.pause(self._rng)

    def _publish(self, states: Mapping[str, State], source: FlagSource, problems: tuple[str, ...]) -> None:
        snapshot = compile_flags(self._definitions, states, self._environ, source=source, problems=problems)
        evaluators = snapshot.evaluators
        if self._exposures is not None:
            evaluators = {
                key: self._exposures.counted(key, evaluate, _values(snapshot, key))
                for key, evaluate in evaluators.items()
            }
        self._snapshot = snapshot
        self._evaluators = evaluators

    def _last_known(self) -> Mapping[str, State]:
        if self._cache is None:
            return {}
        try:
            self._cached = self._cache.load()
        except DataError as error:
            _LOG.warning("%s: %s", error.message, error.cause)
        return self._cached

    def _save(self, states: Mapping[str, State]) -> None:
        if self._cache is None or states == self._cached:
            return
        try:
            self._cache.save(states)
        except OSError as error:
            _LOG.warning("the last known flags could not be written to %s: %s", self._cache.path, error)
        else:
            self._cached = states


def _values(snapshot: CompiledFlags, key: str) -> list[FlagValue]:
    """Return every value that a flag can serve."""
    definition = snapshot.definitions[key]
    values = [definition.default, definition.off, definition.treatment, *(rule.serve for rule in definition.rules)]
    return [*values, snapshot.overrides[key]] if key in snapshot.overrides else values
