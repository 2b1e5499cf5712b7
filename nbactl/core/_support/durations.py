"""Durations as people write them (`90s`, `30m`, `4h`, `7d`, `500ms`), and intervals with jitter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nbactl.errors import UsageError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from random import Random


_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_DAYS = 36_500
"""Added to any time of today, this is still a date."""
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)


def parse_duration(text: str) -> float:
    """Return the seconds of `text`; parts may be joined, as in `1h30m`.

    Raises UsageError when `text` is not a duration above zero, or one of more than 100 years.
    """
    parts = _PATTERN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(
            f"'{text}' is not a valid duration",
            next_step="Use a number and a unit, for example 90s, 30m, 4h or 7d.",
        )
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds <= 0:
        raise UsageError(f"'{text}' is not a duration above zero", next_step="Give a duration of at least 1ms.")
    if seconds > _LONGEST_DAYS * _SECONDS["d"]:
        raise UsageError(f"'{text}' is too long", next_step=f"Give a duration of at most {_LONGEST_DAYS}d.")
    return seconds


_LONG: Final = 48
"""Hours from which minutes are not shown."""


def format_duration(seconds: float) -> str:
    """Return `seconds` for a person: `0.4s`, `12s`, `3m05s`, `2h10m`, `4d07h`."""
    if seconds < 10:  # noqa: PLR2004 - below ten seconds the tenth matters
        return f"{seconds:.1f}s"
    whole = round(seconds)
    minutes, secs = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= _LONG:
        return f"{hours // 24}d{hours % 24:02d}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{secs:02d}s" if minutes else f"{secs}s"


@frozen
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
