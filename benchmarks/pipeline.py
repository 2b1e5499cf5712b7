"""The pipeline: phase 3 of one date over two real seasons, and sixty dates of phases 1 to 4."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Command, Line, in_turn, nbactl, run_once

ROOT = Path(__file__).resolve().parents[1]
_FLOOR = (
    "import sys, duckdb; c = duckdb.connect(sys.argv[1]);"
    " print(c.execute('SELECT count(*) FROM nba_raw.player_boxscores').fetchall())"
)
MAX_PHASE3_SECONDS = 3.0
MAX_SIXTY_DATES_SECONDS = 60.0


def measure(runs: int) -> list[Line]:
    """Measure on the real seasons where they are at hand, and on the sample season."""
    lines: list[Line] = []
    data = Path(os.environ.get("NBACTL_NBA_DATA", ROOT.parent / "shared" / "data" / "nba"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if data.is_dir():
            lines += _phase3(folder, data, runs)
        lines += _sixty_dates(folder)
    return lines


def _phase3(folder: Path, data: Path, runs: int) -> list[Line]:
    common = ("--state-dir", str(folder / "real"), "--source", f"path:{data}", "--date", "2025-04-11")
    state, date = common[:2], common[2:]
    run_once(Command("prepare", lambda: nbactl(*state, "run", "phase2", *date, "--upstream", "auto"), cwd=ROOT))
    (database,) = (folder / "real").glob("data/*/warehouse.duckdb")
    taken = in_turn(
        [
            Command("floor", lambda: [sys.executable, "-c", _FLOOR, str(database)]),
            Command(
                "phase3", lambda: nbactl(*state, "run", "phase3", *date, "--force", "--upstream", "skip"), cwd=ROOT
            ),
        ],
        runs,
    )
    wall = taken["phase3"].wall
    note = f"floor: open the same file in DuckDB and count, {taken['floor'].wall:.2f} s"
    return [
        Line("phase 3, two real seasons", wall, "s", MAX_PHASE3_SECONDS, "whole process"),
        Line("phase 3, two real seasons", wall / taken["floor"].wall, "x floor wall", None, note),
    ]


def _sixty_dates(folder: Path) -> list[Line]:
    def backfill(first: str, last: str, state: str) -> Command:
        where = ("--state-dir", str(folder / state))
        return Command(state, lambda: nbactl(*where, "run", "phase4", "--from", first, "--to", last), cwd=ROOT)

    one = run_once(backfill("2024-10-22", "2024-10-22", "one"))
    sixty = run_once(backfill("2024-10-22", "2024-12-21", "sixty"))
    note = f"one date takes {one.wall:.1f} s"
    return [
        Line("sixty dates, phases 1-4", sixty.wall, "s", MAX_SIXTY_DATES_SECONDS, note),
        Line("sixty dates, phases 1-4", sixty.wall / one.wall, "x one date", None),
    ]
