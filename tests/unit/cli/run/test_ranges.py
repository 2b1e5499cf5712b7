"""A range is one bar, a few lines, a summary by phase."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from nbactl.cli.run.live import LiveProgress
from nbactl.cli.run.plain import PlainProgress
from nbactl.cli.run.plan_text import show_plan
from nbactl.cli.run.ranges import RangeTally
from nbactl.cli.run.summary import by_phase, show_range
from nbactl.cli.run.text import is_range
from nbactl.cli.runs.grid import show_grid
from nbactl.cli.show.console import Console as Shown
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.retry import RetryPolicy
from nbactl.ports.compute import Work
from nbactl.workflows.model import PlannedTask, RunEvent, RunPlan, RunStatus
from tests.kit.run_records import at, run, task
from tests.kit.shown import screen, terminal

if TYPE_CHECKING:
    from nbactl.workflows.model import RunRecord

DAYS = [GameDate(date(2024, 1, 15) + timedelta(days=number)) for number in range(10)]
TASK = PlannedTask("a", Work("command", "true"), 60.0, RetryPolicy("none", 1))


class At(SystemClock):
    """A clock that stays some seconds after the first run began."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def now(self) -> datetime:
        return at(self.seconds)


def plan(name: str, day: GameDate, *, skip: str | None = None, tasks: tuple[PlannedTask, ...] = (TASK,)) -> RunPlan:
    return RunPlan(name, "phase", day, "sample", "lease", "parallel", 1, tasks, skip_reason=skip)


PLANS = [plan(name, day) for day in DAYS for name in ("phase1", "phase2")]


def record(number: int, status: str = "succeeded", begin: float = 0.0, end: float = 1.0) -> RunRecord:
    """Return the run of a plan."""
    done = run(
        task("a", "failed" if status == "failed" else "succeeded", begin, end, rows=5, error=ERROR[status]),
        status=status,
        end=end,
        started_at=at(begin),
    )
    return replace(done, run_id=f"run-{number}", name=PLANS[number].name, game_date=PLANS[number].game_date)


ERROR = {"failed": {"message": "the source is down\nand more"}, "succeeded": None, "partial": None}


def started(number: int, begin: float = 0.0) -> RunEvent:
    done = record(number, begin=begin)
    return RunEvent("run_started", replace(done, status=RunStatus.RUNNING, finished_at=None))


def finished(number: int, status: str = "succeeded", begin: float = 0.0, end: float = 1.0) -> RunEvent:
    return RunEvent("run_finished", record(number, status, begin, end))


def tally_of(*told: RunEvent, plans: list[RunPlan] = PLANS) -> RangeTally:
    tally = RangeTally(plans)
    for event in told:
        tally.note(event)
    return tally


def test_a_range_is_of_several_dates_and_more_runs_than_are_shown_one_by_one() -> None:
    assert is_range(PLANS)
    assert is_range(PLANS[:7])
    assert not is_range(PLANS[:6])
    assert not is_range([plan(f"phase{number}", DAYS[0]) for number in range(8)])


def test_what_is_over_is_counted_whether_it_ran_or_not() -> None:
    finished_before = [replace(one, skip_reason="finished by run-1") for one in PLANS[:4]]
    nothing_planned = plan("phase1", DAYS[0], skip="no games", tasks=())
    tally = tally_of(plans=[nothing_planned, *finished_before, *PLANS[4:]])
    assert (tally.done, tally.total) == (4, 20)
    tally = tally_of(started(0), finished(0), started(1))
    assert tally.done == 1
    tally = tally_of(started(0), finished(0), started(5))
    assert tally.done == 5, "1 to 4 turned out to have nothing to do"


def test_runs_that_go_on_at_the_same_time_are_not_passed_over() -> None:
    tally = tally_of(*(started(number) for number in range(0, 20, 2)))
    assert (tally.done, len(tally.running)) == (0, 10)
    for number in range(0, 20, 2):
        tally.note(finished(number))
    assert (tally.done, len(tally.running)) == (10, 0)


def test_what_is_left_takes_as_long_as_runs_of_its_name_took() -> None:
    assert tally_of().seconds_left(at(0)) is None
    assert tally_of(started(0)).seconds_left(at(3)) is None
    tally = tally_of(started(0), finished(0, end=1.0), started(1, 1.0), finished(1, begin=1.0, end=4.0))
    assert tally.seconds_left(at(4)) == pytest.approx(9 * 1 + 9 * 3)
    assert tally.seconds_left(at(8)) == pytest.approx(2 * (9 * 1 + 9 * 3)), "as much again went by between the runs"


def bar(*told: RunEvent, width: int = 80, now: float = 4.0) -> str:
    drawn = Console(file=io.StringIO(), width=width)
    progress = LiveProgress(drawn, At(now))
    progress.begin(PLANS)
    for event in told:
        progress(event)
    drawn.print(progress.table())
    return drawn.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_terminal_shows_one_bar_with_what_is_left_and_what_runs() -> None:
    told = [started(0), finished(0, end=1.0), started(1, 1.0), finished(1, "failed", 1.0, 4.0), started(2, 4.0)]
    printed, first, second = bar(*told, now=6.0).splitlines()
    assert printed.startswith("✗ phase2 2024-01-15 failed"), "only what did not succeed"
    assert first.endswith("  2 of 20 runs  ETA 54s")
    assert first.startswith("━━━━━╸"), "a tenth of the room"
    assert second.endswith(" phase1 2024-01-16  2.0s  1 not successful")
    assert max(map(len, (first, second))) < 80


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_bar_fits_into_any_terminal(width: int) -> None:
    told = [event for number in range(10) for event in (started(number), finished(number))]
    lines = bar(*told, started(10), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert sum("━━━━" in line for line in lines) == 1


def lines_of(*told: RunEvent, plans: list[RunPlan] = PLANS) -> list[str]:
    lines: list[str] = []
    with PlainProgress(lines.append, At()) as progress:
        progress.begin(plans)
        for event in told:
            progress(event)
    return lines


def test_without_a_terminal_there_is_a_line_for_each_tenth_and_for_what_fails() -> None:
    told = [event for number in range(20) for event in (started(number), finished(number))]
    told[9] = finished(4, "partial")
    lines = lines_of(*told)
    assert len(lines) == 11
    assert lines[0] == "23:00:01 2 of 20 runs done"
    assert lines[2].startswith("23:00:01 phase1 2024-01-17 partial 1 of 1 tasks done")
    assert lines[-1] == "23:00:01 20 of 20 runs done, 1 not successful"


def test_a_few_runs_are_still_told_one_by_one() -> None:
    assert lines_of(started(0), plans=PLANS[:2]) == ["23:00:01 phase1 2024-01-15 started as run-0"]


RUNS = [
    (record(number, status, 0.0, 1.0 + number), status)
    for number, status in enumerate(["succeeded", "partial", "succeeded", "failed", *["succeeded"] * 4])
]


def test_a_summary_has_a_line_for_each_phase_and_for_what_did_not_succeed() -> None:
    lacking = task("a", "succeeded", 0, 1, rows=5, incomplete=("no player rows of PHI",))
    partial = (replace(RUNS[1][0], tasks=(lacking,)), "partial")
    lines = screen(lambda console: show_range(console, [RUNS[0], partial, *RUNS[2:]])).splitlines()
    assert [line.split() for line in lines] == [
        ["PHASE", "DATES", "DONE", "PARTIAL", "FAILED", "SKIPPED", "ROWS", "TOOK"],
        ["phase1", "4", "4", "0", "0", "0", "20", "7.0s"],
        ["phase2", "4", "2", "1", "1", "0", "20", "8.0s"],
        [],
        ["DATE", "PHASE", "STATE", "WHY"],
        ["2024-01-15", "phase2", "◐", "partial", "no", "player", "rows", "of", "PHI"],
        ["2024-01-16", "phase2", "✗", "failed", "a:", "the", "source", "is", "down"],
        ["2024-01-15", "phase2", "◐", "partial"],
    ]


def test_dates_that_are_computed_at_once_take_their_time_once() -> None:
    runs = [
        record(0, end=3.0),
        record(2, begin=1.0, end=4.0),
        record(4, begin=1.0, end=2.0),
        record(6, begin=9.0, end=10.0),
    ]
    [phase] = by_phase((run, "succeeded") for run in runs)
    assert phase.seconds == 5.0


def test_a_state_that_is_rare_has_a_column_where_it_occurs() -> None:
    head, *_ = screen(lambda console: show_range(console, [*RUNS, (record(8), "interrupted")])).splitlines()
    assert head.split()[-3:] == ["INTERRUPTED", "ROWS", "TOOK"]


def test_a_terminal_has_one_line_for_each_failure() -> None:
    long = replace(RUNS[3][0], tasks=(task("a", "failed", 0, 1, error={"message": "down " * 40}),))
    lines = terminal(lambda console: show_range(console, [*RUNS, (long, "failed")])).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-2].endswith("…")


def test_a_grid_has_a_row_for_each_date_and_a_column_for_each_phase() -> None:
    lines = screen(lambda console: show_grid(console, RUNS[:5])).splitlines()
    assert [line.split() for line in lines] == [
        ["DATE", "PHASE1", "PHASE2"],
        ["2024-01-15", "✓", "1.0s", "◐", "2.0s"],
        ["2024-01-16", "✓", "3.0s", "✗", "4.0s"],
        ["2024-01-17", "✓", "5.0s"],
        ["together", "5.0s", "4.0s"],
    ]
