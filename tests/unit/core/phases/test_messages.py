"""Messages of the phases: written in production's form, read from it, refused with a reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.messages import (
    Completion,
    PhaseTrigger,
    completion_data,
    parse_completion,
    parse_trigger,
    trigger_data,
)
from nbactl.errors import DataError

DAY = GameDate(date(2025, 1, 15))
COMPLETION = Completion(
    processor="player_game_summary",
    phase="phase3",
    game_date=DAY,
    status="success",
    rows=212,
    output_table="player_game_summary",
    output_dataset="nba_analytics",
    execution_id="run-1",
    correlation_id="corr-1",
    is_incremental=True,
    entities_changed=("lebronjames",),
    at=datetime(2025, 1, 16, 11, 0, tzinfo=UTC),
)
TRIGGER = PhaseTrigger("phase5", DAY, 2, "overnight", "all_complete", "corr-1", partial=True, missing=("a", "b"))


def test_a_completion_is_read_as_it_was_written() -> None:
    assert parse_completion(completion_data(COMPLETION)) == COMPLETION


@pytest.mark.parametrize("phase", ["phase3", "phase4", "phase5", "phase6"])
def test_a_trigger_is_read_as_it_was_written(phase: str) -> None:
    trigger = replace(TRIGGER, phase=phase)
    for data in trigger_data(trigger, ("player_game_summary", "team_offense_game_summary")):
        assert parse_trigger(phase, data) == trigger


def test_phase_4_gets_a_message_for_each_table_of_phase_3() -> None:
    messages = trigger_data(replace(TRIGGER, phase="phase4"), ("one", "two"))
    assert [(each["source_table"], each["analysis_date"], each["success"]) for each in messages] == [
        ("one", "2025-01-15", True),
        ("two", "2025-01-15", True),
    ]


def test_a_message_of_production_lacks_what_only_we_write() -> None:
    data = {"export_types": ["tonight"], "target_date": "2025-01-15", "correlation_id": "c"}
    assert parse_trigger("phase6", data) == PhaseTrigger("phase6", DAY, correlation_id="c")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"status": "done"}, "'done' is not a status of a processor"),
    ({"processor_name": None}, "the message has no processor_name"),
    ({"processor_name": 7}, "the processor_name of the message is not a text"),
    ({"game_date": "2025-13-01"}, "the game_date of the message is not a date of a game: '2025-13-01'"),
    ({"game_date": "today"}, "the game_date of the message is not a date of a game: 'today'"),
    ({"record_count": -1}, "the record_count of the message is not a whole number from 0 up"),
    ({"record_count": True}, "the record_count of the message is not a whole number from 0 up"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_what_nobody_can_use_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as refused:
        parse_completion(completion_data(COMPLETION) | change)
    assert refused.value.message == message


def test_a_time_without_a_zone_is_utc_and_one_that_is_none_is_left_out() -> None:
    data = completion_data(COMPLETION)
    assert parse_completion(data | {"timestamp": "2025-01-16T11:00:00"}).at == COMPLETION.at
    assert parse_completion(data | {"timestamp": "soon"}).at is None
