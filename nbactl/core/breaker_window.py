"""The calls a circuit breaker looks back on: the last N of them, or those of the last so many seconds."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

_SLOTS: Final = 10
"""Parts of a time window; it moves on by one part at a time."""


class Window(Protocol):
    """Counts of recent calls. They are true for the moment of the last `add`."""

    calls: int
    failures: int
    slow: int

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """Count a call that ended at `now` (monotonic seconds), and forget those that are out of the window."""
        ...


class CountWindow:
    """The last `size` calls."""

    __slots__ = ("_ring", "calls", "failures", "slow")

    def __init__(self, size: int) -> None:
        self._ring: deque[tuple[bool, bool]] = deque(maxlen=size)
        self.calls = self.failures = self.slow = 0

    def add(self, now: float, *, failed: bool, slow: bool) -> None:  # noqa: ARG002 - time has no part in it
        ring = self._ring
        if len(ring) == ring.maxlen:
            failed_before, slow_before = ring[0]
            self.failures -= failed_before
            self.slow -= slow_before
        else:
            self.calls += 1
        ring.append((failed, slow))
        self.failures += failed
        self.slow += slow


class TimeWindow:
    """The calls of the last `seconds`, in ten parts: what is counted is at least nine tenths of that old a time."""

    __slots__ = ("_current", "_number", "_per_second", "_slots", "calls", "failures", "slow")

    def __init__(self, seconds: float) -> None:
        self._per_second = _SLOTS / seconds
        self._slots = [[0, 0, 0] for _ in range(_SLOTS)]
        self._number = 0
        self._current = self._slots[0]
        self.calls = self.failures = self.slow = 0

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        number = int(now * self._per_second)
        if number != self._number:
            self._move_to(number)
        current = self._current
        current[0] += 1
        self.calls += 1
        if failed:
            current[1] += 1
            self.failures += 1
        if slow:
            current[2] += 1
            self.slow += 1

    def _move_to(self, number: int) -> None:
        if number < self._number:
            return  # threads read the clock one after the other, and get here in another order
        for gone in range(self._number + 1, min(number, self._number + _SLOTS) + 1):
            slot = self._slots[gone % _SLOTS]
            self.calls -= slot[0]
            self.failures -= slot[1]
            self.slow -= slot[2]
            slot[:] = (0, 0, 0)
        self._number = number
        self._current = self._slots[number % _SLOTS]
