"""A tick after two weeks of silence does not print four hundred rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nbactl.cli.schedule.view import decision_table
from nbactl.schedule.controller import Decided
from nbactl.schedule.decide import Action
from tests.kit.shown import screen

DUE = datetime(2025, 1, 6, tzinfo=UTC)


def test_of_many_skipped_decisions_the_last_are_shown_and_the_rest_counted() -> None:
    decided = [Decided(f"w{one}", Action.SKIP, "missed", due_at=DUE + timedelta(hours=one)) for one in range(400)]
    lines = screen(lambda console: decision_table(console, [*decided, Decided("now", Action.RUN, "due")])).splitlines()
    assert lines[1].startswith("now")
    assert lines[2].startswith("w350")
    assert lines[-1].startswith("w399")
    assert len(lines) == 52
