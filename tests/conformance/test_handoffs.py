"""Hand-offs between phases, on every document store: recorded, decided and published once (docs/handoffs.md)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support import faults
from nbactl.core.phases.messages import completion_data, parse_completion, parse_trigger
from nbactl.errors import DataError
from nbactl.ports.documents import Delete
from nbactl.testing.faults import failing
from tests.kit.handoffs import (
    CONFIRM,
    OVERDUE,
    PENDING,
    PHASE3_TOPIC,
    PHASE4_TOPIC,
    PHASE5_TOPIC,
    PHASE6_TOPIC,
    Night,
)
from tests.kit.production import DAY, NIGHT, PHASE2, PHASE3, PHASE4, phase_document, put

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore

MINUTE = timedelta(minutes=1)


class KilledHereError(BaseException):
    """The process ends: nothing below catches it."""


def killed() -> None:
    raise KilledHereError


def test_a_phase_that_is_complete_starts_the_next_one_in_productions_shape(night: Night) -> None:
    *first, last = night.report("phase2", *PHASE2[3:], *PHASE2[:3], correlation_id="corr-7")
    assert [one.reason for one in first] == [None] * 4
    assert (last.counted, last.duplicate, last.reason, last.published) == (True, False, "all_complete", True)
    [trigger] = night.triggers(PHASE3_TOPIC)
    assert trigger["key"] == f"phase3/{DAY}/1"
    assert trigger["correlation_id"] == "corr-7"
    started = parse_trigger("phase3", trigger)
    assert (started.game_date, started.mode, started.reason) == (night.day, "overnight", "all_complete")
    assert (started.partial, started.missing) == (False, ())
    raw = night.raw("phase2")
    assert raw["p2_odds_game_lines"] == {
        "status": "success", "completed_at": NIGHT, "record_count": 120, "execution_id": "exec-p2_odds_game_lines",
        "correlation_id": "corr-7", "is_incremental": False, "entities_changed": [],
    }  # fmt: skip
    assert (raw["_completed_count"], raw["_mode"], raw["_trigger_reason"]) == (5, "overnight", "all_complete")
    assert (raw["_triggered"], raw["_trigger_succeeded"], raw["_triggered_at"]) == (True, True, NIGHT)
    assert (raw["_first_completion_at"], raw["_last_update"], raw["_trigger_pending_at"]) == (NIGHT, NIGHT, NIGHT)
    assert raw["_trigger"] == {
        "state": "published", "attempt": 1, "key": f"phase3/{DAY}/1", "messages": [f"phase3/{DAY}/1"],
    }  # fmt: skip
    assert "_trigger_pending" not in raw
    assert not night.alerts


def test_phase_4_starts_with_a_message_a_table(night: Night) -> None:
    night.report("phase3", *reversed(PHASE3))
    triggers = night.triggers(PHASE4_TOPIC)
    assert {trigger["source_table"] for trigger in triggers} == set(PHASE3)
    assert {trigger["key"] for trigger in triggers} == {f"phase4/{DAY}/1/{name}" for name in PHASE3}
    assert all(trigger["success"] is True and trigger["analysis_date"] == DAY for trigger in triggers)
    assert night.document("phase3").triggered


def test_a_majority_is_enough_and_the_rest_is_partial_down_to_the_predictions(night: Night) -> None:
    night.report("phase3", "PlayerGameSummaryProcessor", "upcoming_player_game_context")
    assert not night.triggers(PHASE4_TOPIC)
    night.report("phase3", "AsyncTeamOffenseGameSummaryProcessor")
    assert not night.triggers(PHASE4_TOPIC), "the others may still report"
    assert not night.later(seconds=179).steps
    assert night.later(seconds=1).steps[0].what == "critical_plus_majority_60pct"
    assert {trigger["partial"] for trigger in night.triggers(PHASE4_TOPIC)} == {True}
    assert night.triggers(PHASE4_TOPIC)[0]["missing"] == ["team_defense_game_summary", "upcoming_team_game_context"]
    document = night.document("phase3")
    assert (document.partial, document.missing) == (True, ("team_defense_game_summary", "upcoming_team_game_context"))
    night.report("phase4", *PHASE4)
    [trigger] = night.triggers(PHASE5_TOPIC)
    assert (trigger["partial"], trigger["missing"]) == (True, []), "of phase 4 nothing is missing"


def test_a_majority_does_not_wait_for_what_has_failed(night: Night) -> None:
    night.report("phase3", "upcoming_team_game_context", "team_defense_game_summary", status="failed", rows=None)
    recorded = night.report(
        "phase3", "player_game_summary", "upcoming_player_game_context", "team_offense_game_summary"
    )
    assert [one.reason for one in recorded] == [None, None, "critical_plus_majority_60pct"]


def test_what_another_program_handed_on_in_part_is_partial_after_it(night: Night) -> None:
    """Production notes no `_partial`: the reports say what was missing, also two phases before."""
    theirs: dict[str, Any] = {"_triggered": True, "_trigger_reason": "critical_plus_majority_60pct"}
    documents = {
        f"phase2_completion/{DAY}": phase_document(PHASE2[:4], **theirs),
        f"phase3_completion/{DAY}": phase_document(PHASE3, **theirs),
    }
    put(night.store, documents)
    night.report("phase4", *PHASE4)
    [trigger] = night.triggers(PHASE5_TOPIC)
    assert (trigger["partial"], trigger["missing"]) == (True, [])


@pytest.mark.parametrize("never", ["9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_stands_for_none_stops_nothing(night: Night, never: str) -> None:
    theirs = phase_document(PHASE3[:1], _first_completion_at=never, _first_report_at=never)
    theirs[PHASE3[0]] |= {"completed_at": never}
    put(night.store, {f"phase3_completion/{DAY}": theirs})
    data = completion_data(night.completion("phase3", PHASE3[1])) | {"timestamp": never, "record_count": 120.0}
    assert night.recorder.record(parse_completion(data)).counted
    assert not night.later(hours=3).failed
    night.report("phase3", *PHASE3[2:])
    assert night.triggers(PHASE4_TOPIC)


def test_a_processor_that_came_as_partial_makes_the_hand_off_partial(night: Night) -> None:
    night.report("phase2", *PHASE2[1:])
    night.report("phase2", PHASE2[0], status="partial")
    [trigger] = night.triggers(PHASE3_TOPIC)
    assert (trigger["partial"], trigger["missing"]) == (True, [])


@pytest.mark.parametrize("point", ["phases.decided", "outbox.taken", "outbox.published", "phases.published"])
def test_inv_07_a_kill_between_decision_and_publish_loses_nothing(night: Night, point: str) -> None:
    night.report("phase2", *PHASE2[1:3])
    faults.arm(point, killed)
    with pytest.raises(KilledHereError):
        night.report("phase2", PHASE2[0])
    faults.disarm_all()
    assert night.document("phase2").pending
    [again] = night.report("phase2", PHASE2[0])  # it was not acknowledged, and is delivered again
    assert again.duplicate
    night.clock.advance(PENDING)
    night.outbox.sweep()
    assert set(night.keys(PHASE3_TOPIC)) == {f"phase3/{DAY}/1"}
    night.recorder.sweep()
    document = night.document("phase2")
    assert (document.pending, document.triggered, document.trigger_succeeded) == (False, True, True)
    assert not night.alerts, "the outbox did its work"


def test_inv_07_a_bus_that_is_down_delays_the_hand_off_and_is_an_alert(night: Night) -> None:
    with night.bus_down():
        [*_, last] = night.report("phase2", *PHASE2)
        assert (last.reason, last.published) == (None, False)
        assert night.document("phase2").pending
        assert not night.later(seconds=PENDING - 1).steps
        assert [step.what for step in night.later(seconds=1).steps] == ["driven"]
        assert [step.what for step in night.later(seconds=PENDING).steps] == ["driven"]
    [alert] = night.alerts
    assert (alert.severity, "not published in time" in alert.title) == ("warning", True)
    night.later(seconds=PENDING)
    assert night.keys(PHASE3_TOPIC) == [f"phase3/{DAY}/1"]
    assert night.document("phase2").triggered
    assert len(night.alerts) == 1


def test_inv_08_ten_that_report_at_once_start_the_next_phase_once(night: Night) -> None:
    night.report("phase2", *PHASE2[:2])
    last = [night.completion("phase2", name) for name in (PHASE2[2], PHASE2[3])] * 5
    with ThreadPoolExecutor(10) as pool:
        recordings = list(pool.map(night.recorder.record, last))
    assert len([one for one in recordings if one.reason]) == 1
    assert night.keys(PHASE3_TOPIC) == [f"phase3/{DAY}/1"]
    assert night.raw("phase2")["_completed_count"] == 4


def test_inv_08_a_duplicate_changes_nothing(night: Night) -> None:
    night.report("phase2", *PHASE2)
    before = night.raw("phase2")
    night.clock.advance(60)
    recordings = night.report("phase2", *PHASE2)
    assert all(one.duplicate and one.counted and one.reason is None for one in recordings)
    assert night.raw("phase2") == before


def test_what_counts_wins_in_any_order(night: Night) -> None:
    good = night.completion("phase2", PHASE2[0], execution_id="one")
    night.clock.advance(60)
    bad = night.completion("phase2", PHASE2[0], "failed", None, execution_id="two")
    assert night.recorder.record(good).counted
    assert night.recorder.record(bad).counted
    assert night.document("phase2").processors[PHASE2[0]].status == "success"
    night.report("phase2", PHASE2[1], status="failed", execution_id="one")
    [retried] = night.report("phase2", PHASE2[1], execution_id="two")
    assert retried.counted


def test_inv_09_an_unknown_name_is_refused_reported_and_never_counted(night: Night) -> None:
    for _ in range(2):
        with pytest.raises(DataError, match="'player_game_sumary' is not a processor of phase3") as refused:
            night.report("phase3", "player_game_sumary")
        assert not refused.value.retryable
    night.report("phase3", *PHASE3[1:])
    assert not night.triggers(PHASE4_TOPIC), "five names reported, and one that is critical is missing"
    document = night.document("phase3")
    assert [unknown.raw_name for unknown in document.unknown] == ["player_game_sumary"]
    assert document.completed_count == 4
    assert [alert.key for alert in night.alerts] == ["unknown_processor/phase3/player_game_sumary"]
    with pytest.raises(DataError, match="is not a phase"):
        night.report("phase9", "anything")


def test_inv_09_spellings_are_normalised(night: Night) -> None:
    recorded = [
        *night.report("phase3", "PlayerGameSummaryProcessor", "p3_upcoming_player_game_context"),
        *night.report("phase3", "Whatever", output_table="nba_analytics.team_offense_game_summary"),
        *night.report("phase_4_precompute", "ml_feature_store_v2", "MLFeatureStoreProcessor"),
    ]
    assert [one.name for one in recorded] == [
        "player_game_summary", "upcoming_player_game_context", "team_offense_game_summary", "ml_feature_store",
        "ml_feature_store",
    ]  # fmt: skip
    night.later(minutes=3)
    assert len(night.triggers(PHASE4_TOPIC)) == 3


@pytest.mark.parametrize(("status", "rows"), [("success", 0), ("success", None), ("partial", 0), ("no_data", 0)])
def test_inv_15_what_wrote_nothing_does_not_count(night: Night, status: str, rows: int | None) -> None:
    recordings = night.report("phase2", *PHASE2[:4], status=status, rows=rows)
    assert not any(one.counted for one in recordings)
    assert not night.triggers(PHASE3_TOPIC)
    assert night.raw("phase2")["_completed_count"] == 0
    assert not night.document("phase2").done, "nor does any other reader count it"
    night.later(seconds=OVERDUE)
    [alert] = night.alerts
    assert alert.severity == "critical"
    assert PHASE2[0] in alert.fields["missing"]


def test_inv_15_no_data_counts_only_as_such_and_where_the_task_declares_it(night: Night) -> None:
    night.report("phase4", *PHASE4[:4])
    [lying] = night.report("phase4", PHASE4[4], rows=0, execution_id="one")
    assert not lying.counted
    [proven] = night.report("phase4", PHASE4[4], status="no_data", rows=0, execution_id="two")
    assert (proven.counted, proven.reason) == (True, "all_complete")


def test_inv_11_the_deadline_of_phase_2_fires_by_the_clock_once(night: Night) -> None:
    night.enforced = True
    night.report("phase2", PHASE2[0], PHASE2[4])
    assert night.raw("phase2")["_deadline_at"] == NIGHT + 30 * MINUTE
    assert not night.later(minutes=29, seconds=59).steps
    night.clock.advance(1)
    with ThreadPoolExecutor(10) as pool:
        swept = list(pool.map(lambda _: night.recorder.sweep(), range(10)))
    assert [step.what for sweep in swept for step in sweep.steps] == ["deadline_with_2_of_5"]
    [trigger] = night.triggers(PHASE3_TOPIC)
    assert trigger["partial"] is True
    assert trigger["missing"] == [PHASE2[1], PHASE2[2], PHASE2[3]]
    [alert] = night.alerts
    assert alert.fields["missing"] == ", ".join(trigger["missing"])
    assert alert.fields["started"] == "phase3"
    assert "deadline.fired" in [event.kind for event in night.events]


def test_inv_11_without_the_flag_nothing_starts_and_it_is_said_once(
    night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    night.report("phase2", PHASE2[0])
    for number in range(3):
        assert not night.later(minutes=30).steps
        night.report("phase2", PHASE2[4], status="failed", execution_id=f"exec-{number}")
    assert not night.triggers(PHASE3_TOPIC)
    lapsed = [event for event in night.events if event.kind == "handoff.lapsed"]
    assert [event.fields["reason"] for event in lapsed] == ["deadline_with_1_of_5"]
    assert caplog.text.count("phase3 would start now (deadline_with_1_of_5), without p2_nbacom_gamebook_pdf") == 1
    night.later(minutes=30)
    assert [alert.severity for alert in night.alerts] == ["critical"], "it does not lead on, and that is not silent"
    assert not night.later(minutes=60).steps
    [_, last] = night.report("phase2", PHASE2[1], PHASE2[2])
    assert last.reason == "critical_plus_majority_60pct", "it is not too late"
    assert len(night.alerts) == 1


def test_inv_11_tiers_of_phase_4_are_counted_from_the_first_completion(night: Night) -> None:
    critical = ("player_daily_cache", "ml_feature_store")
    night.report("phase4", *critical)
    night.later(minutes=31)
    night.report("phase4", "player_composite_factors")
    assert not night.triggers(PHASE5_TOPIC)
    assert not night.later(minutes=28, seconds=59).steps
    assert [step.what for step in night.later(seconds=1).steps] == ["deadline_with_3_of_5"]
    [trigger] = night.triggers(PHASE5_TOPIC)
    assert trigger["missing"] == ["team_defense_zone_analysis", "player_shot_zone_analysis"]
    assert night.alerts[0].fields["missing"] == "team_defense_zone_analysis, player_shot_zone_analysis"


def test_inv_11_without_a_critical_one_no_tier_starts_anything(night: Night) -> None:
    night.report("phase4", *PHASE4[:4])
    for _ in range(8):
        assert not night.later(minutes=30).steps
    assert not night.triggers(PHASE5_TOPIC)
    [alert] = night.alerts
    assert (alert.severity, alert.fields["missing"]) == ("critical", "ml_feature_store")


def test_inv_26_a_start_that_leaves_no_trace_is_published_again_and_given_up(night: Night) -> None:
    night.report("phase2", *PHASE2)
    for number in (1, 2, 3):
        assert not night.later(seconds=CONFIRM - 1).steps
        assert [step.what for step in night.later(seconds=1).steps] == ["again"]
        assert night.keys(PHASE3_TOPIC)[-1] == f"phase3/{DAY}/1/again/{number}"
    assert [step.what for step in night.later(seconds=CONFIRM).steps] == ["given_up"]
    assert [alert.severity for alert in night.alerts] == ["warning"] * 3 + ["critical"]
    for _ in range(3):
        assert not night.later(seconds=CONFIRM).steps
    assert len(night.triggers(PHASE3_TOPIC)) == 4
    assert len(night.alerts) == 4
    assert night.document("phase2").next_check_at is None


def test_inv_26_a_start_that_is_seen_is_confirmed_and_not_looked_at_again(night: Night) -> None:
    night.report("phase3", *reversed(PHASE3))
    night.later(seconds=CONFIRM)
    assert len(night.triggers(PHASE4_TOPIC)) == 10, "each table's message once more"
    night.began.add("phase4")
    assert [step.what for step in night.later(seconds=CONFIRM).steps] == ["confirmed"]
    record = night.document("phase3").hand_off
    assert record is not None
    assert record.confirmed_at == night.clock.now()
    assert not night.later(hours=9).steps
    assert len(night.triggers(PHASE4_TOPIC)) == 10


def test_a_document_that_fails_in_an_unforeseen_way_holds_up_no_other(night: Night) -> None:
    night.report("phase2", PHASE2[0])
    night.report("phase3", PHASE3[0])
    with failing("phases.swept", ZeroDivisionError("a bug")):
        swept = night.later(hours=3)
    assert [error.message for error in swept.failed.values()] == ["ZeroDivisionError: a bug"]
    assert [alert.severity for alert in night.alerts] == ["critical"]


def test_inv_26_ten_sweeps_at_once_publish_again_once(night: Night) -> None:
    night.report("phase2", *PHASE2)
    night.clock.advance(CONFIRM)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: night.recorder.sweep(), range(10)))
    assert night.keys(PHASE3_TOPIC) == [f"phase3/{DAY}/1", f"phase3/{DAY}/1/again/1"]
    assert len(night.alerts) == 1


def test_an_alert_is_sent_by_the_next_sweep_where_the_process_died_before_it(night: Night) -> None:
    night.enforced = True
    night.report("phase2", PHASE2[0])
    night.clock.advance(1800)
    faults.arm("phases.swept", killed)
    with pytest.raises(KilledHereError):
        night.recorder.sweep()
    faults.disarm_all()
    assert not night.alerts
    night.outbox.sweep()
    night.later(seconds=PENDING)
    assert [alert.key for alert in night.alerts] == [f"handoff_fallback/phase3/{DAY}/1"]
    assert night.keys(PHASE3_TOPIC) == [f"phase3/{DAY}/1"]
    night.later(seconds=CONFIRM)
    assert len([alert for alert in night.alerts if "fallback" in alert.key]) == 1


def test_an_alert_that_was_lost_does_not_hasten_the_next_try(night: Night) -> None:
    night.report("phase2", *PHASE2)
    night.clock.advance(CONFIRM)
    faults.arm("phases.swept", killed)
    with pytest.raises(KilledHereError):
        night.recorder.sweep()
    faults.disarm_all()
    night.outbox.sweep()
    assert not night.later(seconds=PENDING).steps
    assert len(night.alerts) == 1
    assert night.keys(PHASE3_TOPIC) == [f"phase3/{DAY}/1", f"phase3/{DAY}/1/again/1"]
    assert [step.what for step in night.later(seconds=CONFIRM).steps] == ["again"]


def test_a_document_that_was_deleted_does_not_start_the_phase_twice(night: Night) -> None:
    night.report("phase2", *PHASE2)
    night.store.commit([Delete(f"phase2_completion/{DAY}")])
    assert night.report("phase2", *PHASE2[:3])[2].reason == "critical_plus_majority_60pct"
    assert night.keys(PHASE3_TOPIC) == [f"phase3/{DAY}/1"]
    assert night.document("phase2").triggered


@pytest.mark.parametrize(
    ("status", "rows", "done", "leads_on"),
    [
        ("success", 1350, 450, True),
        ("partial", 1080, 360, True),
        ("partial", 1077, 359, False),
        ("partial", 9, 3, False),
        ("success", 9, None, False),
        ("success", 10, None, True),
        ("partial", 1000, None, False),
    ],
)
def test_phase_6_needs_80_percent_of_the_batch_and_10_predictions(
    night: Night, status: str, rows: int, done: int | None, leads_on: bool
) -> None:
    expected = None if done is None else (450 if done > 3 else 3)
    players = {"players_done": done, "players_expected": expected}
    [found] = night.report("phase5", "player_prop_predictions", status=status, rows=rows, **players)
    assert (found.reason == "all_complete") is leads_on
    assert len(night.triggers(PHASE6_TOPIC)) == leads_on
    if not leads_on:
        night.later(seconds=OVERDUE)
        assert [alert.severity for alert in night.alerts] == ["critical"]
        night.report("phase5", "player_prop_predictions", rows=1350, players_done=450, players_expected=450,
                     execution_id="late")  # fmt: skip
        assert len(night.triggers(PHASE6_TOPIC)) == 1


def test_phase_6_is_recorded_and_leads_nowhere(night: Night) -> None:
    night.report("phase6", "predictions_export", "prediction_accuracy")
    document = night.document("phase6")
    assert document.done == {"predictions_export", "prediction_accuracy"}
    assert (document.triggered, document.pending, document.next_check_at) == (False, False, None)


def test_on_local_the_tasks_are_expected_and_the_optional_ones_waited_for(store: DocumentStore) -> None:
    night = Night(store, target="local")
    night.report("phase2", "p2_schedule", "p2_player_boxscores")
    night.report("phase2", "p2_injuries", status="failed", rows=None)
    assert not night.triggers(PHASE3_TOPIC)
    [last] = night.report("phase2", "p2_odds_player_props", status="no_data", rows=0)
    assert last.reason == "critical_plus_majority_75pct"
    assert night.triggers(PHASE3_TOPIC)[0]["missing"] == ["p2_injuries"]
