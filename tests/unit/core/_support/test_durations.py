"""Durations as people read them."""

from __future__ import annotations

import pytest

from nbactl.core._support.durations import format_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0.4s"), (185, "3m05s"), (2 * 3600 + 600, "2h10m"), (47 * 3600, "47h00m"), (25182 * 3600, "1049d06h")],
)
def test_a_duration_is_short_at_any_length(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
