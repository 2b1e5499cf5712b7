"""Moments as the operator reads them: always Eastern time, as game dates are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core._support.gamedate import EASTERN

if TYPE_CHECKING:
    from datetime import datetime


def clock_time(instant: datetime) -> str:
    """Return `23:00:01`."""
    return instant.astimezone(EASTERN).strftime("%H:%M:%S")


def moment(instant: datetime) -> str:
    """Return `2024-01-15 23:00:01 EST`."""
    return instant.astimezone(EASTERN).strftime("%Y-%m-%d %H:%M:%S %Z")
