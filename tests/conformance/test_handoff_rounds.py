"""Hand-offs of a date that is worked on more than once, and beside other programs (docs/handoffs.md)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.ports.documents import Set
from tests.kit.handoffs import (
    PENDING,
    PHASE3_TOPIC,
    PHASE4_TOPIC,
    Night,
)
from tests.kit.production import DAY, NIGHT, PHASE2, PHASE3, pending, phase_document, put, report

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore

MINUTE = timedelta(minutes=1)


class TestModesAndMidnight:
    TODAY = GameDate(date(2025, 1, 15))
    BEFORE_MIDNIGHT = datetime(2025, 1, 16, 4, 50, tzinfo=UTC)  # 23:50 in New York

    def test_inv_14_a_date_under_way_at_midnight_keeps_its_mode(self, store: DocumentStore) -> None:
        night = Night(store, start=self.BEFORE_MIDNIGHT, day=self.TODAY)
        night.report("phase3", "upcoming_team_game_context")
        night.clock.advance(1200)
        [last] = night.report("phase3", "upcoming_player_game_context")
        assert last.reason == "all_complete", "nobody will send what the overnight mode waits for"
        assert night.triggers(PHASE4_TOPIC)[0]["mode"] == "same_day"

    def test_inv_08_the_morning_after_is_an_attempt_of_its_own(self, store: DocumentStore) -> None:
        night = Night(store, start=self.BEFORE_MIDNIGHT, day=self.TODAY)
        contexts = ("upcoming_player_game_context", "upcoming_team_game_context")
        same_day = [night.completion("phase3", name) for name in contexts]
        for one in same_day:
            night.recorder.record(one)
        night.clock.advance(6 * 3600)
        night.report("phase3", *PHASE3, execution_id="overnight")
        for one in same_day:  # delivered again, much too late
            assert night.recorder.record(one).duplicate
        attempts = {(trigger["attempt"], trigger["mode"]) for trigger in night.triggers(PHASE4_TOPIC)}
        assert attempts == {(1, "same_day"), (2, "overnight")}
        document = night.document("phase3")
        assert (document.mode, document.triggered, document.completed_count) == ("overnight", True, 5)
        kept = night.store.get(f"phase3_completion/{self.TODAY}/rounds/1")
        assert kept is not None
        assert (kept.data["_mode"], kept.data["_triggered"]) == ("same_day", True)

    def test_a_repetition_after_midnight_belongs_to_a_round_that_is_under_way(self, store: DocumentStore) -> None:
        night = Night(store, start=self.BEFORE_MIDNIGHT, day=self.TODAY)
        night.report("phase3", "upcoming_team_game_context")
        night.clock.advance(1200)
        night.report("phase3", "upcoming_team_game_context", execution_id="repeated")
        assert night.document("phase3").mode == "same_day"
        assert night.report("phase3", "upcoming_player_game_context")[0].reason == "all_complete"

    def test_a_message_of_the_round_before_does_not_count_in_the_next(self, store: DocumentStore) -> None:
        night = Night(store, start=self.BEFORE_MIDNIGHT, day=self.TODAY)
        old = night.completion("phase3", "upcoming_player_game_context")
        night.recorder.record(old)
        night.report("phase3", "upcoming_team_game_context")
        night.clock.advance(6 * 3600)
        night.report("phase3", *PHASE3[:3])
        recording = night.recorder.record(old)
        assert (recording.duplicate, recording.counted, recording.reason) == (True, False, None)
        assert {trigger["attempt"] for trigger in night.triggers(PHASE4_TOPIC)} == {1}

    def test_a_round_that_was_never_handed_on_is_not_silent(self, store: DocumentStore) -> None:
        night = Night(store, start=self.BEFORE_MIDNIGHT, day=self.TODAY)
        night.report("phase3", "upcoming_team_game_context")
        night.clock.advance(6 * 3600)
        night.report("phase3", "player_game_summary")
        assert [alert.key for alert in night.alerts] == [f"handoff_superseded/phase3/{self.TODAY}/same_day"]
        assert night.document("phase3").mode == "overnight"

    def test_a_repeated_report_of_the_same_mode_starts_nothing_again(self, night: Night) -> None:
        night.report("phase3", *reversed(PHASE3))
        night.report("phase3", *PHASE3, execution_id="again")
        assert len(night.triggers(PHASE4_TOPIC)) == 5

    @pytest.mark.parametrize(
        ("start", "changes"),
        [
            (datetime(2025, 3, 9, 6, 45, tzinfo=UTC), "from 01:45 EST to 03:15 EDT"),
            (datetime(2025, 11, 2, 5, 45, tzinfo=UTC), "from 01:45 EDT to 01:15 EST"),
        ],
    )
    def test_inv_14_on_both_daylight_saving_nights_half_an_hour_is_half_an_hour(
        self, store: DocumentStore, start: datetime, changes: str
    ) -> None:
        night = Night(store, start=start, day=GameDate.of(start).plus(-1))
        night.enforced = True
        night.report("phase2", PHASE2[0])
        assert not night.later(minutes=29, seconds=59).steps, changes
        assert len(night.later(seconds=1).steps) == 1
        assert night.triggers(PHASE3_TOPIC)[0]["mode"] == "overnight"
        assert night.raw("phase2")["_deadline_at"] == start + 30 * MINUTE


class TestOtherPrograms:
    def test_a_hand_off_that_another_program_left_pending_is_taken_over(self, night: Night) -> None:
        put(night.store, {f"phase3_completion/{DAY}": phase_document(PHASE3, **pending())})
        night.clock.advance(300)
        [recording] = night.report("phase3", PHASE3[0], execution_id="exec-0")
        assert recording.duplicate
        assert not night.triggers(PHASE4_TOPIC), "it may be about to publish"
        night.later(seconds=PENDING)
        assert len(night.triggers(PHASE4_TOPIC)) == 5
        assert len(night.alerts) == 1
        assert night.document("phase3").triggered

    def test_the_deadline_counts_from_the_first_completion_whoever_recorded_it(self, night: Night) -> None:
        night.enforced = True
        put(night.store, {f"phase2_completion/{DAY}": {PHASE2[0]: report()}})
        night.clock.advance(29 * 60)
        night.report("phase2", PHASE2[3])
        assert night.raw("phase2")["_first_completion_at"] == NIGHT
        assert [step.what for step in night.later(minutes=1).steps] == ["deadline_with_2_of_5"]

    def test_what_another_program_triggered_is_not_triggered_again(self, night: Night) -> None:
        put(night.store, {f"phase3_completion/{DAY}": phase_document(PHASE3[1:], _triggered=True)})
        night.report("phase3", PHASE3[0])
        night.later(hours=5)
        assert not night.triggers(PHASE4_TOPIC)
        assert not night.alerts

    def test_inv_29_fields_of_other_programs_stay(self, night: Night) -> None:
        other: dict[str, Any] = {
            "Mystery": report(),
            "_owner": "old orchestrator",
            "_trigger": {"state": "idle", "token": 7},
        }
        put(night.store, {f"phase2_completion/{DAY}": phase_document(PHASE2[:2], **other)})
        [last] = night.report("phase2", PHASE2[2])
        assert last.reason == "critical_plus_majority_60pct"
        raw = night.raw("phase2")
        assert (raw["Mystery"], raw["_owner"]) == (other["Mystery"], "old orchestrator")

    def test_a_document_that_fails_does_not_hold_up_the_others(self, night: Night) -> None:
        night.enforced = True
        night.report("phase2", PHASE2[0])
        night.store.commit([Set("phase2_completion/not-a-date", {"_next_check_at": NIGHT})])
        swept = night.later(minutes=30)
        assert list(swept.failed) == ["phase2_completion/not-a-date"]
        assert [step.what for step in swept.steps] == ["deadline_with_1_of_5"]
