"""A date is done anew until it is settled: what was computed before its games were over is out of date."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nbactl.errors import NotFoundError
from nbactl.testing import FakeClock
from nbactl.workflows.model import RunStatus
from nbactl.workflows.settling import Settling
from tests.kit.workflow import DAY, SETTLED, Harness, workflows

EVENING = datetime(2024, 1, 15, 22, 0, tzinfo=UTC)
PHASES = {"phase1": {"tasks": ({"task": "a"},)}, "phase2": {"tasks": ({"task": "b"},), "needs": ("phase1",)}}
HOURS = 3600.0


def harness(**tasks: object) -> Harness:
    declared = {"a": {}, "b": {}, **tasks}
    return Harness(workflows(declared, phases=PHASES), FakeClock(EVENING, autojump=True))  # type: ignore[arg-type]


@pytest.mark.parametrize(("hour", "over"), [(8, False), (9, True)])
def test_a_date_is_over_at_four_in_the_morning_eastern(hour: int, over: bool) -> None:
    clock = FakeClock(datetime(2024, 1, 16, hour, 30, tzinfo=UTC))
    assert Settling(clock, SETTLED).is_over(DAY) is over


def test_a_run_finished_before_its_date_was_settled_is_run_again() -> None:
    world = harness()
    world.run()
    again = world.run_one()
    assert (again.status, again.resumed_from) == (RunStatus.SUCCEEDED, None)
    world.clock.advance(12 * HOURS)
    world.run()
    assert world.world.order == ["a", "b"] * 3
    assert world.run_one().status is RunStatus.SKIPPED


def test_what_failed_is_resumed_while_the_date_is_not_over() -> None:
    world = harness(b={"with": {"raises": "data", "fails": 1}})
    failed = world.run_one()
    assert world.run_one().resumed_from == failed.run_id
    assert world.world.order == ["a", "b", "b"]


def test_what_was_done_in_time_for_nothing_is_done_again_when_the_rest_is_resumed_later() -> None:
    world = harness(b={"with": {"raises": "data", "fails": 1}})
    world.run()
    world.clock.advance(12 * HOURS)
    world.run()
    assert sorted(world.world.order) == ["a", "a", "b", "b"]


def test_a_phase_that_needs_one_of_before_runs_it_again() -> None:
    world = harness()
    world.run("phase1")
    world.clock.advance(12 * HOURS)
    assert [plan.name for plan in world.plan("phase2", upstream="auto")] == ["phase1", "phase2"]
    assert [plan.name for plan in world.plan("phase2", upstream="fail")] == ["phase2"]
    assert [plan.name for plan in world.plan("phase2", upstream="skip")] == ["phase2"]


def test_there_is_nothing_to_resume_of_a_run_that_is_finished_though_not_settled() -> None:
    world = harness()
    world.run()
    with pytest.raises(NotFoundError, match="nothing to resume"):
        world.plan(resume="last")
