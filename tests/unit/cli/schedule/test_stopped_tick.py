"""A tick that is stopped says what it did not begin, and claims nothing that it did not do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from nbactl.cli.schedule.ticked import ticked
from nbactl.schedule.controller import Decided
from nbactl.schedule.decide import Action
from nbactl.schedule.tick import StepResult, TickResult

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2024, 1, 16, 11, 2, tzinfo=UTC)
BEGUN = Decided("morning_operations", Action.RUN, "due", recorded=True)
LEFT = Decided("morning_recovery", Action.RUN, "due")
WAITS = Decided("betting_lines", Action.WAIT, "next due at 13:00")


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


def test_a_tick_that_had_nothing_left_to_begin_is_not_cut_short() -> None:
    shown = ticked(result(BEGUN, WAITS), "SIGINT")
    assert (shown.exit_code, shown.error) == (0, None)
