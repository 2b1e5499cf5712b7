"""A range is run in sets of dates: one call for many, with a run, a lease and an end of its own for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.errors import DataError, LeaseHeldError, StaleFenceError, UnavailableError
from nbactl.ports.compute import TaskOutcome
from nbactl.workflows.model import RunStatus
from nbactl.workflows.sets import MOST_DATES
from tests.kit.workflow import DAY, Harness, workflows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.core._support.gamedate import GameDate
    from nbactl.ports.compute import TaskContext
    from nbactl.workflows.model import RunReport

RANGE = tuple(DAY.plus(days) for days in range(-8, 0))
"""Eight dates that are over."""


class Processors:
    """Processors that note each of their calls; `broken` says what a call for these dates raises."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self.broken: Callable[[str, list[str]], Exception | None] = lambda _name, _days: None
        self.outcomes: dict[str, Exception] = {}
        self.in_order: set[str] = set()

    def takes(self, name: str) -> bool:
        return name not in self.in_order

    def run_one(self, name: str, context: TaskContext) -> TaskOutcome:
        (outcome,) = self.run(name, [context])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def run(self, name: str, contexts: Sequence[TaskContext]) -> Sequence[TaskOutcome | Exception]:
        days = [str(context.call.game_date) for context in contexts]
        self.calls.append((name, days))
        if (error := self.broken(name, days)) is not None:
            raise error
        return [self.outcomes.get(f"{name} {day}", TaskOutcome(1)) for day in days]

    def sizes(self, name: str) -> list[int]:
        return [len(days) for called, days in self.calls if called == name]


def season(processors: Processors, retry: str = "none", days: Sequence[GameDate] = RANGE, **phase: Any) -> Harness:
    """Two phases: `a`, then `b` and, after it, `c`."""
    declared = {name: {"processor": name, "retry": retry} for name in ("a", "b", "c")}
    phases: dict[str, dict[str, Any]] = {
        "phase1": {"tasks": ({"task": "a"},)},
        "phase2": {"tasks": ({"task": "b"}, {"task": "c", "needs": ("b",)}), "needs": ("phase1",), **phase},
    }
    return with_games(processors, declared, phases, days)


def with_games(processors: Processors, declared: Any, phases: Any, days: Sequence[GameDate]) -> Harness:
    declared_in = workflows(declared, phases=phases, uses=("a",))
    # By the system's clock: a clock that jumps would be at a timeout while a thread works.
    clock: Any = SystemClock()
    return Harness(declared_in, clock, sets=processors, game_dates=lambda *_: [day.day for day in days])


def states(report: RunReport, name: str) -> dict[str, str]:
    return {str(run.game_date): run.status.value for run in report.runs if run.name == name}


def test_a_range_is_run_phase_by_phase_with_one_call_of_each_task() -> None:
    processors = Processors()
    harness = season(processors)
    report = harness.run("phase2", dates=RANGE)
    days = [str(day) for day in RANGE]
    assert processors.calls == [("a", days), ("b", days), ("c", days)]
    assert len(report.runs) == len(harness.ledger.list(limit=None)) == 2 * len(RANGE)
    assert {run.status for run in report.runs} == {RunStatus.SUCCEEDED}
    planned = [(name, day) for day in RANGE for name in ("phase1", "phase2")]
    assert [(run.name, run.game_date) for run in report.runs] == planned
    assert {harness.leases.current(f"phase2/{day}") for day in RANGE} == {None}
    finished = [event.run.run_id for event in harness.events if event.kind == "run_finished"]
    assert sorted(finished) == sorted(run.run_id for run in report.runs)


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_a_bad_date_fails_alone(mode: str) -> None:
    processors, bad = Processors(), str(RANGE[5])
    processors.broken = lambda name, days: DataError("a fault") if name == "b" and bad in days else None
    report = season(processors, execution_mode=mode).run("phase2", dates=RANGE)
    assert states(report, "phase2") == {str(day): "failed" if str(day) == bad else "succeeded" for day in RANGE}
    assert ("b", [bad]) in processors.calls
    assert processors.sizes("c") == [len(RANGE) - 1]


def test_a_date_that_raises_in_its_outcome_leaves_the_set_and_the_call_is_not_made_again() -> None:
    processors, bad = Processors(), str(RANGE[2])
    processors.outcomes[f"b {bad}"] = DataError("no rows though it should")
    report = season(processors).run("phase2", dates=RANGE)
    assert states(report, "phase2")[bad] == "failed"
    assert processors.sizes("b") == [len(RANGE)]
    assert processors.sizes("c") == [len(RANGE) - 1]


def test_a_failure_of_phase_1_keeps_only_its_date_from_phase_2() -> None:
    processors, bad = Processors(), str(RANGE[0])
    processors.outcomes[f"a {bad}"] = DataError("nothing there")
    report = season(processors).run("phase2", dates=RANGE)
    assert states(report, "phase2") == {str(day): "skipped" if str(day) == bad else "succeeded" for day in RANGE}


def test_what_may_be_tried_again_is_tried_again_by_each_date_alone() -> None:
    processors = Processors()
    processors.broken = lambda name, days: UnavailableError("away") if name == "b" and len(days) > 1 else None
    report = season(processors, retry="at_once").run("phase2", dates=RANGE)
    assert set(states(report, "phase2").values()) == {"succeeded"}
    assert processors.sizes("b") == [len(RANGE)] + [1] * len(RANGE)
    assert {task.attempts for run in report.runs for task in run.tasks if task.name == "b"} == {2}


def test_a_lease_that_another_process_holds_stops_the_request_where_it_always_did() -> None:
    processors = Processors()
    harness = season(processors)
    harness.leases.acquire(f"phase1/{RANGE[3]}", "other:run-x", 600.0)
    with pytest.raises(LeaseHeldError, match=rf"phase1 for {RANGE[3]} is already running"):
        harness.run("phase2", dates=RANGE)
    assert processors.calls == [("a", [str(day)]) for day in RANGE[:3]]
    assert {harness.leases.current(f"phase1/{day}") for day in RANGE[:3]} == {None}


def test_a_date_whose_lease_is_lost_ends_the_request_and_the_others_are_finished() -> None:
    processors, lost = Processors(), RANGE[4]
    harness = season(processors)

    def lose(name: str, days: list[str]) -> Exception | None:
        if name == "b" and len(days) == len(RANGE):
            lease = harness.leases.current(f"phase2/{lost}")
            assert lease is not None
            harness.leases.take_away(lease, by="a test")
        return None

    processors.broken = lose
    with pytest.raises(StaleFenceError, match=rf"phase2 for {lost} lost its lease"):
        harness.run("phase2", dates=RANGE)
    ended = {str(run.game_date): run.status.value for run in harness.ledger.list("phase2", limit=None)}
    assert ended == {str(day): "running" if day == lost else "succeeded" for day in RANGE}


def test_a_stop_cancels_every_date_of_the_set_and_begins_no_other() -> None:
    processors = Processors()
    harness = season(processors)

    def stop(name: str, _days: list[str]) -> Exception | None:
        if name == "b":
            harness.cancellation.request("SIGINT")
        return None

    processors.broken = stop
    report = harness.run("phase2", dates=RANGE)
    assert set(states(report, "phase2").values()) <= {"cancelled"}
    assert processors.sizes("c") == []
    again = harness.ledger.list("phase2", limit=None)
    assert {run.status for run in again} == {RunStatus.CANCELLED}


def test_what_needs_a_later_phase_of_an_earlier_date_is_run_date_by_date() -> None:
    processors = Processors()
    processors.in_order = {"c"}
    season(processors).run("phase2", dates=RANGE)
    assert processors.calls[0] == ("a", [str(day) for day in RANGE])
    assert [name for name, _ in processors.calls[1:]] == ["b", "c"] * len(RANGE)


def test_a_set_has_at_most_a_month() -> None:
    processors = Processors()
    days = tuple(DAY.plus(-days) for days in range(MOST_DATES + 4, 0, -1))
    season(processors, days=days).run("phase1", dates=days)
    assert processors.sizes("a") == [MOST_DATES, 4]


def test_finished_dates_are_left_out_and_the_rest_is_one_set() -> None:
    processors = Processors()
    harness = season(processors)
    harness.run("phase1", dates=(RANGE[2],))
    harness.run("phase1", dates=RANGE)
    assert processors.sizes("a") == [1, len(RANGE) - 1]


def test_runs_with_a_few_workers_are_run_date_by_date() -> None:
    declared = {name: {"processor": name} for name in ("a", "b", "c")}
    phases = {"phase1": {"tasks": tuple({"task": name} for name in declared), "max_workers": 2}}
    processors = Processors()
    with_games(processors, declared, phases, RANGE).run("phase1", dates=RANGE)
    assert processors.sizes("a") == [1] * len(RANGE)
