"""How fast a store may be written to: the 500/50/5 rule, or a rate that an operator gives.

"Ramping up traffic", Best practices of Cloud Firestore: begin with 500 operations a second and increase by 50 % every
5 minutes, so that the service can spread the documents.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock

_FIRST: Final = 500.0
_GROWTH: Final = 1.5
_STEP_SECONDS: Final = 300.0


class Throttle:
    """Hands out operations at a rate; with `rate` (operations a second) a fixed one, without the ramp."""

    def __init__(self, clock: Clock, *, rate: float | None = None) -> None:
        if rate is not None and rate <= 0:
            raise ValueError(f"a rate is above zero, not {rate}")
        self._clock = clock
        self._fixed = rate
        self._lock = threading.Lock()
        self._began: float | None = None
        self._free_at = 0.0

    @property
    def rate(self) -> float:
        """Operations a second at the moment."""
        if self._fixed is not None:
            return self._fixed
        if self._began is None:
            return _FIRST
        steps = int((self._clock.monotonic() - self._began) / _STEP_SECONDS)
        return float(_FIRST * _GROWTH**steps)

    @property
    def largest(self) -> int:
        """The most operations to take at once, so that they do not come in bursts of more than a second's worth."""
        return max(1, int(self.rate))

    def take(self, operations: int) -> None:
        """Wait until that many operations may be sent."""
        with self._lock:
            now = self._clock.monotonic()
            if self._began is None:
                self._began = now
            begin = max(now, self._free_at)
            self._free_at = begin + operations / self.rate
        if begin > now:
            self._clock.sleep(begin - now)
