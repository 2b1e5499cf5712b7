"""Moments as the operator reads them: in Eastern time, as game dates are, or in UTC where `--utc` asks for it."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

from nbactl.core._support.gamedate import EASTERN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


_zones: list[tzinfo] = [EASTERN]
"""The zone in force is the last."""


@contextmanager
def shown_in_utc() -> Iterator[None]:
    """Show times in UTC inside."""
    _zones.append(UTC)
    try:
        yield
    finally:
        _zones.pop()


def clock_time(instant: datetime) -> str:
    """Return `23:00:01`."""
    return instant.astimezone(_zones[-1]).strftime("%H:%M:%S")


def day(instant: datetime) -> str:
    """Return `2024-01-15 EST`."""
    return instant.astimezone(_zones[-1]).strftime("%Y-%m-%d %Z")


def zone_name() -> str:
    """Return `Eastern`, or `UTC` where `--utc` asks for it."""
    return "UTC" if _zones[-1] is UTC else "Eastern"


def moment(instant: datetime) -> str:
    """Return `2024-01-15 23:00:01 EST`."""
    return instant.astimezone(_zones[-1]).strftime("%Y-%m-%d %H:%M:%S %Z")
