"""A score that is corrected after the night reaches the tables from cron alone."""

from __future__ import annotations

import os
from datetime import date
from typing import TYPE_CHECKING

from tests.kit.called import call_nbactl
from tests.kit.league import League
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2025, 1, 11)


def test_a_late_correction_is_healed_from_phase_to_phase(tmp_path: Path) -> None:
    league = League(tmp_path, {DAY: 20})
    league.run("daily", days=[DAY])
    league.points[DAY] = 31
    league.write()
    place = ("--source", f"path:{league.folder}", "--state-dir", str(league.state))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(7):  # each round of cron mends what the one before made stale
        done = call_nbactl(["heal", "--auto", "--date", str(DAY), *place], cwd=tmp_path, env=env)
        if "Nothing to heal" in done.stderr:
            break
    sql = f"SELECT MIN(points) AS points FROM nba_analytics.player_game_summary WHERE game_date = DATE '{DAY}'"  # noqa: S608
    assert league.rows(sql) == [{"points": 31}]
    assert "Nothing to heal" in done.stderr
