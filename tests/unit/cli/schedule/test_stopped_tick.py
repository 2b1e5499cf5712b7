"""A tick that is stopped says what it did not begin, and claims nothing that it did not do."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from nbactl.cli.schedule.ticked import ticked
from nbactl.cli.show.console import Console
from nbactl.schedule.controller import Decided
from nbactl.schedule.decide import Action
from nbactl.schedule.tick import StepResult, TickResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.show.render import View

NOW = datetime(2024, 1, 16, 11, 2, tzinfo=UTC)
BEGUN = Decided("morning_operations", Action.RUN, "due", recorded=True)
LEFT = Decided("morning_recovery", Action.RUN, "due")
WAITS = Decided("betting_lines", Action.WAIT, "next due at 13:00")


def notes(view: View) -> str:
    """Return what a view writes to stderr."""
    err = io.StringIO()
    view.show(Console(environ={}, stdout=io.StringIO(), stderr=err))
    return err.getvalue()


def result(*decided: Decided) -> TickResult:
    found: Sequence[Decided] = decided
    return TickResult(NOW, (StepResult("workflows", found, (), 0.1),), dry_run=False)


@pytest.mark.parametrize(("signal", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_what_was_not_begun_is_the_error_and_is_not_touched(signal: str, code: int) -> None:
    shown = ticked(result(BEGUN, LEFT, WAITS), signal)
    assert (shown.exit_code, shown.touched) == (code, "workflows morning_operations")
    assert shown.error is not None
    assert shown.error.message == "stopped before these were run: morning_recovery"
    assert shown.error.next_step == "The next tick runs them: nbactl schedule tick"


def test_a_step_that_failed_or_was_left_out_is_not_said_to_have_found_nothing() -> None:
    said = notes(ticked(TickResult(NOW, (), dry_run=False)))
    assert said == ""
    nothing = notes(ticked(TickResult(NOW, (StepResult("rollouts", [], (), 0.1),), dry_run=False)))
    assert nothing == "No rollout is in progress.\n"


def test_a_tick_that_had_nothing_left_to_begin_is_not_cut_short() -> None:
    shown = ticked(result(BEGUN, WAITS), "SIGINT")
    assert (shown.exit_code, shown.error) == (0, None)
