"""The predictor on a month that it was not fitted on: predicted, graded by the pipeline, beside two plain averages."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Line, nbactl
from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.core._support.clock import SystemClock
from nbactl.pipeline.predict.model import MOST_GAMES, STATS, PastGame, PlayerInputs, predict

ROOT = Path(__file__).resolve().parents[1]
FIRST: Final = date(2025, 1, 1)
LAST: Final = date(2025, 1, 31)
MAX_OFF_NOMINAL: Final = 5.0
"""Percentage points that the share of results inside of the interval may be away from 80."""
# The averages are those of the feature store, for the same players on the same dates.
_ERRORS: Final = """
SELECT
  graded.stat, COUNT(*) AS predictions,
  AVG(graded.absolute_error) AS ours,
  AVG(ABS(graded.actual_value - CASE graded.stat
    WHEN 'points' THEN feature.points_avg_season WHEN 'rebounds' THEN feature.rebounds_avg_season
    ELSE feature.assists_avg_season END)) AS season,
  AVG(ABS(graded.actual_value - CASE graded.stat
    WHEN 'points' THEN feature.points_avg_last_5 WHEN 'rebounds' THEN feature.rebounds_avg_last_5
    ELSE feature.assists_avg_last_5 END)) AS last_5,
  AVG(graded.signed_error) AS bias,
  100 * AVG(IF(graded.in_interval, 1, 0)) AS inside,
  100 * AVG(IF(graded.actual_value < graded.low, 1, 0)) AS below,
  100 * AVG(IF(graded.actual_value > graded.high, 1, 0)) AS above,
  AVG(graded.high - graded.low) AS width
FROM nba_predictions.prediction_accuracy AS graded
JOIN nba_precompute.ml_feature_store AS feature
  ON feature.game_date = graded.game_date AND feature.player_lookup = graded.player_lookup
WHERE graded.game_date BETWEEN @first AND @last AND feature.game_date BETWEEN @first AND @last
  AND feature.points_avg_season IS NOT NULL
GROUP BY graded.stat
"""


def measure(runs: int) -> list[Line]:  # noqa: ARG001 - the numbers are the same every time
    """Measure on the real seasons where they are at hand."""
    lines = [_speed()]
    data = Path(os.environ.get("NBACTL_NBA_DATA", ROOT.parent / "shared" / "data" / "nba"))
    if data.is_dir():
        with tempfile.TemporaryDirectory() as name:
            lines = [*_accuracy(Path(name), data), *lines]
    return lines


def _accuracy(folder: Path, data: Path) -> list[Line]:
    dates = ("--from", str(FIRST), "--to", str(LAST + timedelta(days=1)))  # the last one is graded the day after
    argv = nbactl("--state-dir", str(folder), "run", "daily", *dates, "--source", f"path:{data}")
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode not in (0, 3):  # 3: the files have a part of the league, so that some teams have no players
        raise RuntimeError(ran.stderr[-2000:])
    (file,) = folder.glob("data/*/warehouse.duckdb")
    with closing(DuckDbWarehouse(file, clock=SystemClock(), lock_wait=5.0, holder="benchmark")) as warehouse:
        rows = warehouse.query(_ERRORS, {"first": FIRST, "last": LAST}, timeout=60.0).dicts()
    found = {row["stat"]: row for row in rows}
    return [line for stat in STATS for line in _lines(stat, found[stat])]


def _lines(stat: str, row: dict[str, Any]) -> list[Line]:
    note = (
        f"{row['ours']:.3f}; season average {row['season']:.3f}, last five {row['last_5']:.3f}, "
        f"{row['predictions']} predictions"
    )
    spread = (
        f"{row['inside']:.1f} % inside, {row['below']:.1f} below, {row['above']:.1f} above, {row['width']:.1f} wide"
    )
    return [
        Line(f"{stat}, mean error", row["ours"], "", min(row["season"], row["last_5"]), note),
        Line(f"{stat}, result less predicted", row["bias"], "", None),
        Line(f"{stat}, interval", abs(row["inside"] - 80), "points off 80 %", MAX_OFF_NOMINAL, spread),
    ]


def _speed() -> Line:
    """Return the CPU time of the predictions of one player with a long history."""
    games = tuple(PastGame(FIRST - timedelta(days=2 + 2 * n), 30.0, n, n % 9, n % 5) for n in range(MOST_GAMES))
    inputs = PlayerInputs("player", "game", FIRST, "LAL", "MIA", 1, {}, games)
    began = time.process_time()
    for _ in range(500):
        predict(inputs, partial=False)
    return Line("predict one player", (time.process_time() - began) / 500 * 1e6, "us CPU", 1_000.0, "three statistics")
