"""Fifteen seasons in a folder: their first collection beside DuckDB reading the files, and phase 1 of a later date."""

from __future__ import annotations

import csv
import gzip
import io
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from datetime import date
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.measure import Command, Line, Sample, nbactl, run_once

ROOT = Path(__file__).resolve().parents[1]
MAX_RATIO: Final = 4.0
MAX_FIRST_MB: Final = 300.0
MAX_GROWTH: Final = 1.2
MAX_LATER_MB: Final = 120.0
SEASONS: Final = (1, 3, 7, 15)
_LEAGUE: Final = 3
"""The files have a third of the league: each row is there for three players."""
_LAST_YEAR: Final = 2024
_WRITE: Final = """
import sys
from pathlib import Path
from benchmarks.history import write_seasons
print(write_seasons(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
"""
_READ: Final = """
import sys, duckdb
c = duckdb.connect()
for kind in ("logs", "games"):
    c.execute(f"CREATE TABLE {kind} AS SELECT * FROM read_csv('{sys.argv[1]}/{kind}_*.csv', all_varchar = true)")
print(c.execute("SELECT (SELECT count(*) FROM logs), (SELECT count(*) FROM games)").fetchall())
"""


def measure(runs: int) -> list[Line]:
    """Measure on seasons made of the two real ones, with their years shifted."""
    data = Path(os.environ.get("NBACTL_NBA_DATA", ROOT.parent / "shared" / "data" / "nba"))
    if not data.is_dir():
        return []
    lines: list[Line] = []
    later: dict[int, Sample] = {}
    with tempfile.TemporaryDirectory() as name:
        for seasons in SEASONS:
            folder = Path(name) / str(seasons)
            # Elsewhere: what this process has in memory would count as that of the programs it starts.
            made = subprocess.run(
                [sys.executable, "-c", _WRITE, data, folder / "files", str(seasons)],
                check=True,
                capture_output=True,
                cwd=ROOT,
            )
            rows = int(made.stdout)
            first, read, later[seasons] = _seasons(folder, runs)
            what = f"{seasons} seasons, {rows:,} rows"
            ratio = first.wall / read.wall
            note = f"{first.wall:.1f} s beside {read.wall:.1f} s and {read.peak_mb:.0f} MB"
            last = seasons == SEASONS[-1]
            lines += [
                Line(what, ratio, "x DuckDB's reading", MAX_RATIO if last else None, f"first collection, {note}"),
                Line(what, first.peak_mb, "MB", MAX_FIRST_MB, "first collection"),
                Line(what, later[seasons].peak_mb, "MB", MAX_LATER_MB, f"a later date, {later[seasons].wall:.2f} s"),
            ]
    growth = later[SEASONS[-1]].cpu / later[SEASONS[0]].cpu
    lines.append(Line("a later date, 15 seasons", growth, "x CPU with one", MAX_GROWTH, "phase 1"))
    return lines


def _seasons(folder: Path, runs: int) -> tuple[Sample, Sample, Sample]:
    """Return a first collection, DuckDB's reading, and the median later date."""
    days = _last_days(folder / "files", runs + 2)

    def phase1(day: str) -> Command:
        place = ("--state-dir", str(folder / "state"), "--source", f"path:{folder / 'files'}")
        return Command("phase1", lambda: nbactl("run", "phase1", "--date", day, *place), cwd=ROOT)

    duckdb = Command("duckdb", lambda: [sys.executable, "-c", _READ, str(folder / "files")])
    run_once(duckdb)
    before = run_once(duckdb)
    first = run_once(phase1(days[0]))
    after = run_once(duckdb)
    read = Sample(*(max(pair) for pair in zip(_values(before), _values(after), strict=True)))
    run_once(phase1(days[1]))
    taken = [run_once(phase1(day)) for day in days[2:]]
    return first, read, Sample(*(median(column) for column in zip(*map(_values, taken), strict=True)))


def _values(sample: Sample) -> tuple[float, float, float]:
    return sample.wall, sample.cpu, sample.peak_mb


def _last_days(files: Path, count: int) -> list[str]:
    with (files / f"logs_{_LAST_YEAR}.csv").open() as file:
        return sorted({row["GAME_DATE"] for row in csv.DictReader(file)})[-count:]


def write_seasons(data: Path, folder: Path, seasons: int) -> int:
    """Write a file of player rows and one of games for each season, the last of 2024-25; return the number of rows."""
    folder.mkdir(parents=True)
    games = _rows(data / "games_2023-25.csv.gz")
    total = 0
    for back in range(seasons):
        year = _LAST_YEAR - back
        base = _LAST_YEAR - back % 2
        logs = _rows(data / f"player_game_logs_{base}-{(base + 1) % 100:02}.csv.gz")
        made = [
            {**row, "Player_ID": f"{part}{row['Player_ID']}", "PLAYER_NAME": f"{row['PLAYER_NAME']} {'ABC'[part]}"}
            for row in _shifted(logs, "Game_ID", year - base)
            for part in range(_LEAGUE)
        ]
        of_base = [row for row in games if row["season"].startswith(str(base))]
        _write(folder / f"logs_{year}.csv", made)
        _write(folder / f"games_{year}.csv", _shifted(of_base, "GAME_ID", year - base))
        total += len(made)
    return total


def _shifted(rows: list[dict[str, str]], key: str, years: int) -> list[dict[str, str]]:
    found = []
    for row in rows:
        day = date.fromisoformat(row["GAME_DATE"])
        with suppress(ValueError):  # the 29th of February of another year
            moved = day.replace(year=day.year + years)
            found.append({**row, "GAME_DATE": str(moved), key: f"{int(row[key]) + years * 100_000:010}"})
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode("utf-8-sig"))))


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
