"""Durations as they are shown."""

from __future__ import annotations

import pytest

from nbactl.core._support.durations import format_duration


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.42, "0.4s"),
        (12, "12s"),
        (185, "3m05s"),
        (7_800, "2h10m"),
        (47 * 3600 + 59 * 60, "47h59m"),
        (48 * 3600, "2d00h"),
        (103 * 3600 + 1800, "4d07h"),
    ],
)
def test_the_two_largest_units_are_shown(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown
