"""Freshness: what it costs to decide that finished dates are fresh, as a share of running them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.measure import Command, Line, nbactl, run_once

ROOT = Path(__file__).resolve().parents[1]
MAX_SHARE = 5.0
"""Percent of running the same dates."""
ONE = ("2024-11-20", "2024-11-20")
MONTHS = ("2024-10-22", "2024-12-21")
"""Two months of the sample season."""
_PLAN = """
import sys, time
from datetime import date
from pathlib import Path
from nbactl.bootstrap import Container
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.workflows.model import RunRequest

state, first, last = sys.argv[1:]
with Container(load_settings({"state_dir": state}, {}, Path.cwd()), reads_only=True) as app:
    days = tuple(GameDate(date.fromisoformat(first)).until(GameDate(date.fromisoformat(last))))
    planner = app.planner
    start = time.perf_counter()
    plans = planner.plan(RunRequest(("phase4",), days))
    print(time.perf_counter() - start)
    assert all(plan.skip_reason for plan in plans), [plan for plan in plans if not plan.skip_reason]
"""


def measure(runs: int) -> list[Line]:
    """Measure one date and two months: planning what is finished, in a new process, beside running phases 1 to 4."""
    with tempfile.TemporaryDirectory() as name:
        return [
            *_share("one date", Path(name) / "one", ONE, runs),
            *_share("two months", Path(name) / "months", MONTHS, runs),
        ]


def _share(what: str, state: Path, dates: tuple[str, str], runs: int) -> list[Line]:
    where, span = ("--state-dir", str(state)), ("--from", dates[0], "--to", dates[1])
    command = Command(what, lambda: nbactl(*where, "run", "phase4", *span), cwd=ROOT)
    made = run_once(command)
    plan = [sys.executable, "-c", _PLAN, str(state), *dates]
    decided = median(float(subprocess.check_output(plan, cwd=ROOT)) for _ in range(runs))
    again = median(run_once(command).wall for _ in range(runs))
    note = f"{decided * 1000:.0f} ms of {made.wall:.1f} s; the whole command again takes {again:.2f} s"
    return [Line(f"freshness of {what}", 100 * decided / made.wall, "% of running it", MAX_SHARE, note)]
