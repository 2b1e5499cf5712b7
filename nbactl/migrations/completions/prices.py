"""What Firestore charges for operations, to tell an operator the order of magnitude before anything is done.

List prices of the multi-region nam5 in US dollars for 100,000 documents, without the daily free quota
(https://cloud.google.com/firestore/pricing). Single regions such as us-west2 are cheaper, so the price shown is the
most it can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PER_100K_READS: Final = 0.06
PER_100K_WRITES: Final = 0.18
_UNIT: Final = 100_000
COUNTED_AS_ONE_READ: Final = 1_000
"""Index entries that an aggregation counts for the price of one read."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Document operations of one action."""

    reads: int
    writes: int

    @property
    def dollars(self) -> float:
        """The price of it."""
        return (self.reads * PER_100K_READS + self.writes * PER_100K_WRITES) / _UNIT

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.reads + other.reads, self.writes + other.writes)
