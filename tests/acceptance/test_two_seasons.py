"""Two real seasons with holes of ten kinds: `expect` finds each, and cron alone mends them, day by day.

NBACTL_STRESS=1 walks through every date of both seasons; otherwise it is some dates of each.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.seasons import (
    AFTER_THE_NIGHT,
    FOUND,
    PLAN,
    PREDICTIONS,
    Seasons,
    keep,
    lost_predictions,
    restore,
)
from tests.kit.wall_clock import wall_clock

if TYPE_CHECKING:
    from pathlib import Path

STRESS = os.environ.get("NBACTL_STRESS") == "1"
pytestmark = pytest.mark.timeout(14_400 if STRESS else 600)
ROUNDS = ("06:10", "08:05", "08:40", "09:15", "09:50")
"""When cron ticks and heals, in New York."""


def some_dates(played: list[date]) -> list[date]:
    """Return the dates to walk through."""
    if STRESS:
        return played
    return [
        *[day for day in played if day >= date(2024, 1, 8)][:4],
        *[day for day in played if day >= date(2025, 1, 8)][:3],
    ]


def test_inv_27_holes_of_ten_kinds_in_two_seasons_are_found_and_mended_by_cron_alone(
    nba_data: Path, tmp_path: Path
) -> None:
    """Each night is run once undisturbed; then it goes wrong, and its rows have to be those again, each once."""
    with wall_clock(datetime(2023, 10, 1, tzinfo=UTC)) as clock:
        seasons = Seasons(tmp_path, nba_data, clock, some_dates)
        for number, day in enumerate(seasons.days):
            holes = list(PLAN[number % len(PLAN)])
            seasons.at(day, "03:00")
            is_bad_night = holes[0] not in AFTER_THE_NIGHT
            if is_bad_night:
                keep(tmp_path)
            seasons.night(day)
            whole = seasons.rows(day)
            if is_bad_night:
                restore(tmp_path)
            if not whole[PREDICTIONS]:  # the first games of a season
                holes = [hole for hole in holes if hole is not lost_predictions]
            for hole in holes:
                hole(seasons, day)
            names = f"{', '.join(hole.__name__ for hole in holes)} of {day}"
            found = seasons.expect(day)
            for name, state in (FOUND[hole] for hole in holes):
                assert found[name] == state, f"{names} is not found"
            mend(seasons, day, names)
            after = seasons.rows(day)
            for table, rows in whole.items():
                assert (rows - after[table], after[table] - rows) == ({}, {}), f"{names}: {table}"
        repairs = seasons.healing()
        assert {(repair["state"], repair["attempts"]) for repair in repairs} == {("healed", 1)}, "no repair was in vain"
        assert {"zero_rows", "output_missing", "phase_not_triggered"} <= {repair["kind"] for repair in repairs}


def mend(seasons: Seasons, day: date, names: str) -> None:
    """Let cron tick and heal until the grid is green."""
    said = grid = ""
    for clock_time in ROUNDS:
        seasons.at(day, clock_time)
        for words in (("schedule", "tick"), ("heal", "--auto")):
            said += f"$ {' '.join(words)}\n{seasons.call(*words)[1]}"
        code, grid = seasons.call("expect", "--date", str(day))
        if code == 0:
            return
    raise AssertionError(f"{names} is not mended\n{said}\n{grid}")
