"""Which day cost more than its weekday usually does: by median and median absolute deviation (MAD).

The score is 0.6745 x (value - median) / MAD, and 3.5 the usual limit: Iglewicz and Hoaglin, "How to detect and handle
outliers" (1993), https://www.itl.nist.gov/div898/handbook/eda/section3/eda35h.htm.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

WEEKS: Final = 6
"""Weeks before a day that are looked at."""
LEAST_WEEKDAYS: Final = 4
"""With fewer of the same weekday there is no verdict."""
LIMIT: Final = 3.5
_NORMAL: Final = 0.6745
_LEAST_MAD: Final = 0.05
"""The MAD counts as this share of the median at least: jobs that read the same every week have none."""
LEAST_BYTES: Final = 10 * 2**30
"""A day is not an anomaly for less above its median: six cents."""


@frozen
class Anomaly:
    """A day on which a group was billed for far more bytes than on the same weekdays before."""

    group: str
    day: date
    billed: int
    median: int
    mad: int
    weekdays: int
    score: float

    def sentence(self, size: str, usual: str, price: str) -> str:
        """Say what is unusual; the texts are the bytes billed, their median, and the price of what is above it."""
        times = f"{self.billed / self.median:,.1f} times the" if self.median else "against a"
        # Where nothing is usual the score counts bytes and says nothing.
        score = f"; score {self.score:,.1f}, limit {LIMIT}" if self.median or self.mad else ""
        return (
            f"{self.group}: {self.day:%A} {self.day} was billed for {size}, {times} median {usual} of the "
            f"{self.weekdays} {self.day:%A}s before ({price} more{score})."
        )


def judge(group: str, day: date, billed: int, before: Sequence[int]) -> Anomaly | None:
    """Return the anomaly of a day, None if it is none or too few days are known.

    `before` are the bytes of the same weekdays of the last WEEKS weeks, of as many as are known. Only days that cost
    more are anomalies, so that a day that is not over yet can be judged.
    """
    if len(before) < LEAST_WEEKDAYS:
        return None
    usual = median(before)
    mad = median(abs(value - usual) for value in before)
    above = billed - usual
    score = _NORMAL * above / max(mad, _LEAST_MAD * usual, 1)
    if above < LEAST_BYTES or score < LIMIT:
        return None
    return Anomaly(group, day, billed, round(usual), round(mad), len(before), score)
