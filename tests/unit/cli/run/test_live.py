from __future__ import annotations

import io
import os
import pty
import sys
import termios
from dataclasses import replace
from datetime import UTC, datetime
from subprocess import PIPE, Popen

from rich.console import Console

from nbactl.cli.run.live import LiveProgress
from nbactl.cli.run.plain import PlainProgress
from nbactl.core._support.clock import SystemClock
from nbactl.workflows.model import RunEvent, RunStatus
from tests.kit.run_records import MIXED, at, events, run, task


class Noon(SystemClock):
    def now(self) -> datetime:
        return datetime(2024, 1, 16, 17, 0, 1, tzinfo=UTC)


PROGRAM = """
import time
from rich.console import Console
from nbactl.cli.run.live import LiveProgress
from tests.kit.run_records import MIXED, events, at
from nbactl.core._support.clock import SystemClock
import sys
from dataclasses import replace
from nbactl.workflows.model import RunStatus

class Clock(SystemClock):
    def now(self):
        return at(2.6)

told = events(replace(MIXED, status=RunStatus.PARTIAL, finished_at=at(2.6)))
told[0] = replace(told[0], run=replace(MIXED, finished_at=None))
print("data")
with LiveProgress(Console(file=sys.stderr), Clock()) as progress:
    progress(told[0])
    time.sleep(0.3)
    progress(told[-1])
"""


def plain(*told: RunEvent) -> list[str]:
    lines: list[str] = []
    with PlainProgress(lines.append, Noon()) as progress:
        for event in told:
            progress(event)
    return lines


def test_without_a_terminal_each_change_is_one_line() -> None:
    record = replace(MIXED, status=RunStatus.PARTIAL, finished_at=at(2.6))
    assert plain(*events(record)) == [
        "12:00:01 phase3 2024-01-15 started as run-01jd3k9xq2m7t0",
        "12:00:01 team_offense_game_summary started",
        "12:00:01 team_offense_game_summary succeeded 22 rows 0.4s",
        "12:00:01 player_game_summary started (attempt 2)",
        "12:00:01 player_game_summary succeeded 229 rows 0.9s (2 attempts)",
        "12:00:01 team_defense_game_summary started (attempt 3)",
        "12:00:01 team_defense_game_summary failed 2.5s (3 attempts) - the warehouse is held by <pid 17>",
        "12:00:01 upcoming_player_game_context started",
        "12:00:01 upcoming_player_game_context no data 0 rows 1.0s - done in run-01jd3k9xq2m7s9",
        "12:00:01 upcoming_team_game_context started",
        "12:00:01 upcoming_team_game_context running",
        "12:00:01 injury_report started",
        "12:00:01 injury_report skipped - needs team_defense_game_summary, which failed",
        "12:00:01 phase3 2024-01-15 partial 3 of 6 tasks done 2.6s",
    ]


def test_a_retry_says_why() -> None:
    retrying = RunEvent("task_retrying", MIXED, MIXED.tasks[1], "in 2.0s: no answer")
    assert plain(retrying) == ["12:00:01 player_game_summary retrying: in 2.0s: no answer"]


def test_on_a_terminal_the_table_is_drawn_and_leaves_one_line_a_run() -> None:
    out, screen = on_terminal(PROGRAM)
    assert out == "data\n", "progress is never on stdout"
    for part in ("player_game_summary", "229", "done in run-01jd3k9xq2m7s9", "failed"):
        assert part in screen
    assert screen.count("partial") == 1
    assert screen.index("partial") > screen.index("running")
    assert "\x1b[?25h" in screen, "the cursor is shown again"


def test_the_live_table_shows_runs_that_go_on_at_the_same_time() -> None:
    screen = Console(file=io.StringIO(), width=120)
    progress = LiveProgress(screen, Noon())
    for record in (run(task("a", "running", 0)), run(task("b", "running", 0), run_id="run-2", name="phase4")):
        progress(RunEvent("run_started", record))
    screen.print(progress.table())
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "phase3" in shown
    assert "phase4" in shown


def on_terminal(program: str) -> tuple[str, str]:
    """Run `program` with stderr on a terminal of 120 columns; return its stdout and what the terminal got."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (30, 120))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "30"}
    with Popen([sys.executable, "-c", program], stdout=PIPE, stderr=slave, env=environment, text=True) as process:
        os.close(slave)
        screen = read_all(master)
        out, _ = process.communicate(timeout=30)
    os.close(master)
    assert process.returncode == 0, screen
    return out, screen


def read_all(descriptor: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # Linux: the other end of a terminal was closed
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def test_a_narrow_terminal_shows_whole_names_and_no_remarks() -> None:
    screen = Console(file=io.StringIO(), width=50)
    progress = LiveProgress(screen, Noon())
    progress(RunEvent("run_started", run(task("upcoming_player_game_context", "running", 0))))
    screen.print(progress.table())
    drawn = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "upcoming_player_game_context" in drawn
    assert "elapsed" in drawn
    assert "attempts" not in drawn
