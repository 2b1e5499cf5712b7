"""Two real seasons with holes of ten kinds: `expect` finds each, and cron alone mends them, day by day.

NBACTL_STRESS=1 walks through every date of both seasons; otherwise it is some dates of each.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.seasons import AFTER_THE_NIGHT, PLAN, Seasons, keep, restore
from tests.kit.wall_clock import wall_clock

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

pytestmark = pytest.mark.timeout(7200 if os.environ.get("NBACTL_STRESS") == "1" else 300)
ROUNDS = ("06:10", "07:05", "08:05", "08:40", "09:15", "09:50")
"""When cron ticks and heals, in New York."""


def some_dates(played: list[date]) -> list[date]:
    """Return the dates to walk through."""
    if os.environ.get("NBACTL_STRESS") == "1":
        return played
    return [
        *[day for day in played if day >= date(2024, 1, 8)][:4],
        *[day for day in played if day >= date(2025, 1, 8)][:3],
    ]


def test_inv_27_holes_of_ten_kinds_in_two_seasons_are_found_and_mended_by_cron_alone(
    nba_data: Path, tmp_path: Path
) -> None:
    with wall_clock(datetime(2023, 10, 1, tzinfo=UTC)) as clock:
        seasons = Seasons(tmp_path, nba_data, clock, some_dates)
        whole: dict[date, dict[str, Counter[Any]]] = {}
        rounds: dict[date, int] = {}
        for number, day in enumerate(seasons.days):
            holes = PLAN[number % len(PLAN)]
            bad_night = holes[0] not in AFTER_THE_NIGHT
            seasons.at(day, "03:00")
            if bad_night and number:
                keep(tmp_path, "before")
            seasons.night(day)
            whole[day] = seasons.rows([day])
            if bad_night:
                restore(tmp_path, "before")
            for hole in holes:
                hole(seasons, day)
            names = ", ".join(hole.__name__ for hole in holes)
            found, text = seasons.call("expect", "--date", str(day))
            assert found == 1, f"{names} of {day} is not found\n{text}"
            rounds[day] = mend(seasons, day, names)
            after = seasons.rows([day])
            for table, rows in whole[day].items():
                lost, more = rows - after[table], after[table] - rows
                assert (lost, more) == ({}, {}), f"{names} of {day}: {table}"
        assert {record["state"] for record in seasons.healing()} == {"healed"}
        print(rounds, [(r["kind"], r["object"], r["attempts"]) for r in seasons.healing()])


def mend(seasons: Seasons, day: date, names: str) -> int:
    """Let cron tick and heal until the grid is green; returns how often it did."""
    said = ""
    for number, clock_time in enumerate(ROUNDS, 1):
        seasons.at(day, clock_time)
        for words in (("schedule", "tick"), ("heal", "--auto")):
            said += f"$ {' '.join(words)}\n{seasons.call(*words)[1]}"
        code, grid = seasons.call("expect", "--date", str(day))
        if code == 0:
            return number
    raise AssertionError(f"{names} of {day} is not mended\n{said}\n{grid}")
