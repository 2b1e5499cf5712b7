"""Phase documents as production writes them, on every document store (invariant 29)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.documents import PhaseDocument, read_phase, read_phases
from tests.kit.production import DAY, NIGHT, PHASE2, PHASE3, finished_night, pending, phase_document, put, report

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore

DATE = GameDate(date.fromisoformat(DAY))
PATH = f"phase3_completion/{DAY}"


def read(store: DocumentStore, data: dict[str, Any]) -> PhaseDocument:
    put(store, {PATH: data})
    return read_phase(store, "phase3", DATE, PHASE3)


def refused(document: PhaseDocument) -> dict[str, str]:
    return {problem.field: problem.reason for problem in document.malformed}


def test_inv_29_a_finished_night_is_read_as_it_is(store: DocumentStore) -> None:
    put(store, finished_night())
    found = read_phases(store, {"phase2": PHASE2, "phase3": PHASE3, "phase9": ()}, [DATE])
    document = found["phase3", DATE]
    assert document.done == set(PHASE3)
    assert (document.triggered, document.pending, document.mode) == (True, False, "overnight")
    assert document.reason == "all_complete"
    assert document.triggered_at == NIGHT + timedelta(minutes=5)
    assert document.processors["team_offense_game_summary"].records == 120
    assert document.processors["team_offense_game_summary"].execution_id == "exec-1"
    assert not document.malformed
    assert found["phase2", DATE].done == set(PHASE2)
    assert not found["phase9", DATE].exists


def test_inv_09_names_that_mean_nothing_are_reported_and_never_counted(store: DocumentStore) -> None:
    names = ["PlayerGameSummaryProcessor", "player_game_sumary", "p2_upcoming_team_game_context", "Async"]
    document = read(store, phase_document(names))
    assert document.done == {"player_game_summary"}
    assert document.processors["player_game_summary"].raw_name == "PlayerGameSummaryProcessor"
    assert {unknown.raw_name for unknown in document.unknown} == set(names[1:])
    assert document.completed_count == 4


def test_of_two_spellings_of_a_processor_one_that_is_done_counts(store: DocumentStore) -> None:
    data = {
        "player_game_summary": report("failed", minute=9),
        "PlayerGameSummaryProcessor": report("partial", minute=1),
        "AsyncPlayerGameSummaryProcessor": report("success", minute=3),
    }
    assert read(store, data).processors["player_game_summary"].raw_name == "AsyncPlayerGameSummaryProcessor"


@pytest.mark.parametrize("status", ["no_data", "skipped", "failed", "SUCCESS", "", None, True, 1, ["success"]])
def test_only_success_and_partial_count(store: DocumentStore, status: object) -> None:
    document = read(store, {"player_game_summary": {"status": status}, "team_offense_game_summary": report("partial")})
    assert document.done == {"team_offense_game_summary"}


def test_a_hand_off_that_was_decided_and_not_published_is_pending(store: DocumentStore) -> None:
    document = read(store, phase_document(PHASE3, **pending()))
    assert (document.pending, document.triggered) == (True, False)
    assert document.pending_since == NIGHT + timedelta(minutes=5)
    later = read(store, phase_document(PHASE3, **pending() | {"_triggered": True}))
    assert (later.pending, later.triggered, later.pending_since) == (False, True, None)
    undated = read(store, phase_document(PHASE3, _trigger_pending=True))
    assert undated.pending_since == NIGHT + timedelta(minutes=5)  # the last update


def test_a_publish_that_failed_is_pending(store: DocumentStore) -> None:
    assert read(store, phase_document(PHASE3, _trigger_succeeded=False)).pending
    both = read(store, phase_document(PHASE3, _trigger_succeeded=False, _triggered=True))
    assert both.triggered
    assert refused(both) == {"_trigger_succeeded": "contradicts _triggered"}


@pytest.mark.parametrize(
    ("state", "found"), [("pending", (True, False)), ("published", (False, True)), ("idle", (False, False))]
)
def test_fields_of_the_old_design_are_understood(
    store: DocumentStore, state: str, found: tuple[bool, bool]
) -> None:  # fmt: skip
    document = read(
        store, phase_document(PHASE3, _trigger={"state": state, "attempt": 1, "token": 7}, _deadline_at=NIGHT)
    )
    assert (document.pending, document.triggered) == found
    assert document.deadline_at == NIGHT
    assert not document.malformed


def test_times_as_texts_and_without_a_zone_are_read_and_named(store: DocumentStore) -> None:
    data = phase_document(
        PHASE3,
        _first_completion_at="2025-01-16T11:00:00",
        _last_update="2025-01-16T06:30:00-05:00",
        _triggered_at="2025-01-16T11:31:00Z",
        _trigger_pending_at="soon",
        _deadline_at="0001-01-01T00:00:00+14:00",
    )
    document = read(store, data)
    assert document.first_completion_at == NIGHT
    assert document.last_update == NIGHT + timedelta(minutes=30)
    assert document.triggered_at == datetime(2025, 1, 16, 11, 31, tzinfo=UTC)
    assert (document.pending_at, document.deadline_at) == (None, None)
    assert refused(document) == {
        "_first_completion_at": "has no time zone, taken for UTC",
        "_last_update": "is a text, not a time",
        "_triggered_at": "is a text, not a time",
        "_trigger_pending_at": "is not a time",
        "_deadline_at": "is outside the years 1900 to 2999",
    }


def test_values_of_wrong_types_are_named_and_the_rest_is_read(store: DocumentStore) -> None:
    data = phase_document(PHASE3[1:])
    data |= {
        "player_game_summary": "success",
        "_mode": "midnight",
        "_triggered": "true",
        "_trigger_pending": 1,
        "_completed_count": -1,
        "_trigger": True,
        "_trigger_reason": ["all"],
        "_of_a_later_program": {"x": [1]},
    }
    data["team_offense_game_summary"] |= {
        "record_count": "many", "execution_id": 7, "is_incremental": "no", "entities_changed": "everybody",
        "completed_at": 1736990000, "rows_of_a_later_program": 4,
    }  # fmt: skip
    data["team_defense_game_summary"] |= {"record_count": 120.0, "completed_at": None}
    del data["upcoming_team_game_context"]["status"]
    document = read(store, data)
    assert document.done == {"team_offense_game_summary", "team_defense_game_summary", "upcoming_player_game_context"}
    assert document.processors["team_defense_game_summary"].records == 120
    assert (document.triggered, document.pending, document.mode, document.completed_count) == (False, False, None, None)
    assert refused(document) == {
        "player_game_summary": "is not a map",
        "upcoming_team_game_context.status": "is missing",
        "team_offense_game_summary.record_count": "is not a whole number from 0 up",
        "team_offense_game_summary.execution_id": "is not a text",
        "team_offense_game_summary.is_incremental": "is not true or false",
        "team_offense_game_summary.entities_changed": "is not a list of texts",
        "team_offense_game_summary.completed_at": "is not a time",
        "_mode": "is not one of overnight, same_day, tomorrow",
        "_triggered": "is not true or false",
        "_trigger_pending": "is not true or false",
        "_completed_count": "is not a whole number from 0 up",
        "_trigger": "is not a map",
        "_trigger_reason": "is not a text",
    }


def test_what_a_report_shows_of_a_value_is_short_and_plain(store: DocumentStore) -> None:
    document = read(store, {"player_game_summary": "\x1b[2J" * 100})
    (problem,) = document.malformed
    assert len(problem.value) == 60
    assert problem.value.isascii()
    assert problem.value.isprintable()


def test_the_first_completion_is_that_of_the_processors_where_the_document_has_none(store: DocumentStore) -> None:
    data = phase_document(PHASE3)
    del data["_first_completion_at"]
    assert read(store, data).began_at == NIGHT
    assert read(store, {}).began_at is None
    assert read(store, {}).exists
