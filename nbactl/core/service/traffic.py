"""How many requests a service answers and how long they take, in memory that does not grow."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock

_FINEST: Final = 0.0001
_GROWTH: Final = 1.1
"""Each bucket ends a tenth above the one before: a percentile is at most so much too high."""
_BUCKETS: Final = 160
"""The last one ends after 400 s."""
_LOG_GROWTH: Final = math.log(_GROWTH)


@dataclass(frozen=True, slots=True)
class Latency:
    """Of the requests of the last minutes: how many, their average and 95th percentile in seconds (None of none)."""

    recent: int
    average: float | None
    p95: float | None


class _Window:
    __slots__ = ("began", "buckets", "count", "total")

    def __init__(self, began: float) -> None:
        self.began = began
        self.buckets = [0] * _BUCKETS
        self.count = 0
        self.total = 0.0


class RequestStats:
    """Counts requests; latencies are those of the window of `window` seconds under way and of the one before."""

    def __init__(self, clock: Clock, window: float) -> None:
        self._monotonic = clock.monotonic
        self._window = window
        self._lock = threading.Lock()
        self._now = self._before = _Window(clock.monotonic())
        self.total = 0
        """Requests since the start."""

    def add(self, seconds: float) -> None:
        """Count a request that took `seconds`."""
        bucket = 0 if seconds <= _FINEST else min(math.ceil(math.log(seconds / _FINEST) / _LOG_GROWTH), _BUCKETS - 1)
        with self._lock:
            window = self._turn()
            window.buckets[bucket] += 1
            window.count += 1
            window.total += seconds
            self.total += 1

    def latency(self) -> Latency:
        """Return how long the requests of the last minutes took."""
        with self._lock:
            now = self._turn()
            windows = (now,) if self._before is now else (self._before, now)
            count = sum(window.count for window in windows)
            if count == 0:
                return Latency(0, None, None)
            total = sum(window.total for window in windows)
            wanted, seen = math.ceil(0.95 * count), 0
            for bucket in range(_BUCKETS):
                seen += sum(window.buckets[bucket] for window in windows)
                if seen >= wanted:
                    return Latency(count, total / count, _FINEST * _GROWTH**bucket)
        raise AssertionError

    def _turn(self) -> _Window:
        """Return the window under way; an old one that nobody added to is forgotten."""
        now = self._monotonic()
        age = now - self._now.began
        if age >= self._window:
            self._before = self._now if age < 2 * self._window else _Window(now)
            self._now = _Window(now)
        return self._now
