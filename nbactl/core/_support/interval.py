"""How often something is done again: a duration that is a little different each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True)
class Interval:
    """Pauses of `seconds`, each up to the share `jitter` of it longer or shorter (0.1 is ten percent).

    Many processes that were started at the same moment drift apart by it, and do not ask a store all at once.
    """

    seconds: float
    jitter: float = 0.0

    def pause(self, rng: Random) -> float:
        """Return the seconds until the next time."""
        if not self.jitter:
            return self.seconds
        return self.seconds * rng.uniform(1.0 - self.jitter, 1.0 + self.jitter)
