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
from nbactl.cli.run.text import is_range, names_in_order
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
    lines = screen(lambda console: show_range(console, RUNS)).splitlines()
    assert [line.split() for line in lines] == [
        ["PHASE", "DATES", "DONE", "PARTIAL", "FAILED", "SKIPPED", "ROWS", "TOOK"],
        ["phase1", "4", "4", "0", "0", "0", "20", "7.0s"],
        ["phase2", "4", "2", "1", "1", "0", "20", "8.0s"],
        [],
        ["DATE", "PHASE", "STATE", "WHY"],
        ["2024-01-16", "phase2", "✗", "failed", "a:", "the", "source", "is", "down"],
        ["2024-01-15", "phase2", "◐", "partial"],
    ]


def test_what_did_not_succeed_for_the_same_reason_is_one_line_and_the_worst_is_first() -> None:
    lacking = task("a", "succeeded", 0, 1, incomplete=("no rows of CHA",))
    partial = [(replace(record(number, "partial"), tasks=(lacking,)), "partial") for number in range(0, 14, 2)]
    failed = [
        (replace(record(number, "failed"), tasks=(), reason=f"no box scores of {DAYS[number // 2]}"), "failed")
        for number in (15, 17)
    ]
    lines = screen(lambda console: show_range(console, [*partial, *failed])).splitlines()
    assert [line.split("  ") for line in lines[5:]] == [
        ["2024-01-22 and 1 more", "phase2", "✗ failed", " no box scores of 2024-01-22"],
        ["2024-01-15 and 6 more", "phase1", "◐ partial", "no rows of CHA"],
    ]


def test_more_reasons_than_fit_are_counted_in_runs() -> None:
    runs = [(replace(record(0, "failed"), tasks=(), reason=f"reason {number}"), "failed") for number in range(30)]
    notes = io.StringIO()
    show_range(Shown(environ={}, stdout=io.StringIO(), stderr=notes), runs)
    assert notes.getvalue() == "Showing 20 of 30 runs that did not succeed.\n"


def test_phases_are_in_their_order_though_the_first_date_has_only_the_last_of_them() -> None:
    runs = [record(1), *map(record, range(2, 8))]
    assert names_in_order(runs) == ["phase1", "phase2"]
    lines = screen(lambda console: show_range(console, [(one, "succeeded") for one in runs])).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["phase1", "phase2"]


def test_time_in_which_several_dates_ran_counts_once() -> None:
    runs = [(record(number, begin=begin, end=end), "succeeded") for number, begin, end in TIMES]
    assert [phase.seconds for phase in by_phase(runs)] == [6.0]


TIMES = [(0, 0.0, 3.0), (2, 0.0, 3.0), (4, 1.0, 2.0), (6, 2.0, 4.0), (8, 10.0, 12.0)]


def test_a_plan_of_a_range_shows_what_is_alike_once() -> None:
    plans = [*PLANS[:7], *(replace(one, skip_reason="finished by run-1") for one in PLANS[7:9])]
    text = screen(lambda console: show_plan(console, plans))
    heads = [line.partition("  ")[0] for line in text.splitlines() if line.startswith("phase")]
    assert heads == [
        "phase1 2024-01-15 and 3 more dates",
        "phase2 2024-01-15 and 2 more dates",
        "phase2 2024-01-18",
        "phase1 2024-01-19",
    ]
    assert text.count("LEVEL") == 2


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
