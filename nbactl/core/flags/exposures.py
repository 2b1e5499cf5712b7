"""How often each value of each flag was served by this process."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.core.flags.model import Attributes, Evaluation, Evaluator, FlagValue


class _Counter:
    """Counts without a lock and without losing one: `next` of an itertools.count cannot be interrupted."""

    __slots__ = ("_count", "_looks", "add")

    def __init__(self) -> None:
        self._count = count()
        self._looks = 0
        self.add = self._count.__next__

    def look(self) -> int:
        """Return the count. To look counts as well, which is taken off again; one thread at a time."""
        counted = next(self._count) - self._looks
        self._looks += 1
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
                key: {value: counter.look() for value, counter in counters.items()}
                for key, counters in self._counters.items()
            }
