"""Prediction batches by the clock, in one process and without faults."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.completions.stages import CompletionStage
from nbactl.core.phases.messages import parse_completion
from nbactl.errors import DataError, NotFoundError, UnavailableError
from nbactl.ports.documents import Query, Set, Update
from nbactl.testing import FakeClock, faults
from tests.kit.prediction_night import BATCH, DAY, TRIGGER, Night, actions, player_inputs, roster, stall

if TYPE_CHECKING:
    from nbactl.core.completions.batches import Progress
    from nbactl.ports.documents import DocumentStore

MINUTE = 60.0


def test_a_batch_goes_from_one_query_to_one_merge_and_one_completion(night: Night, clock: FakeClock) -> None:
    started = night.coordinator.start(TRIGGER)
    assert (started.batch_id, started.outcome, started.players) == (BATCH, "started", 10)
    assert night.queries == [None]
    assert [request["player_lookup"] for request in night.requests()] == sorted(night.players)
    night.work()
    night.hear()
    assert (night.merges(), len(night.merged())) == (1, 30)
    [announced] = night.announced()
    completion = parse_completion(announced)
    assert (completion.processor, completion.status, completion.rows) == ("player_prop_predictions", "success", 30)
    assert (completion.execution_id, completion.correlation_id) == (BATCH, "corr-1")
    metadata = announced["metadata"]
    assert (metadata["players_done"], metadata["players_expected"], metadata["batch_id"]) == (10, 10, BATCH)
    clock.advance(2 * MINUTE)
    assert actions(night) == ["finished"]
    clock.advance(60 * MINUTE)
    assert actions(night) == []
    assert not night.alerts


def test_an_earlier_attempt_is_never_merged_over_a_later_one(night: Night, clock: FakeClock) -> None:
    stall(night, clock, 9)
    first = night.requests()
    second = night.coordinator.start_date(DAY, force=True).batch_id
    for request in night.requests():
        if request["batch_id"] == second:
            night.work(request)
    night.hear()
    assert (night.merges(second), night.merges(BATCH)) == (1, 0)
    night.work(first[9])
    night.hear(next(message for message in night.ready_messages() if message["player_lookup"] == "player00009"))
    clock.advance(31 * MINUTE)
    night.coordinator.sweep()
    assert night.merges(BATCH) == 0
    assert night.batch()["superseded_by"] == second
    assert [completion["execution_id"] for completion in night.announced()] == [second]
    assert night.alerts == []
    clock.advance(31 * MINUTE)
    assert actions(night) == []


@pytest.mark.parametrize(
    ("stage", "shards"),
    [(CompletionStage.LEGACY, 0), (CompletionStage.DUAL_WRITE, 0), (CompletionStage.CLEANED, 4)],
)
def test_a_batch_ends_at_every_stage_of_the_migration_and_with_counter_shards(
    store: DocumentStore, clock: FakeClock, stage: CompletionStage, shards: int
) -> None:
    night = Night(store, clock, roster(9) | {"rookie": player_inputs("rookie", games=0)}, stage=stage, shards=shards)
    night.coordinator.start(TRIGGER)
    for _ in range(2):
        night.work()
        night.hear()
    night.coordinator.sweep()
    clock.advance(61.0)
    night.coordinator.sweep()
    assert (night.merges(), len(night.merged()), len(night.announced())) == (1, 27, 1)
    assert "_next_check_at" not in night.batch()


@pytest.mark.parametrize("shards", [0, 4])
def test_rows_after_the_merge_are_found_with_counter_shards_too(
    store: DocumentStore, clock: FakeClock, shards: int
) -> None:
    night = Night(store, clock, roster(10), shards=shards)
    stall(night, clock, 9)
    clock.advance(31 * MINUTE)
    assert actions(night) == ["merged"]
    clock.advance(61.0)
    assert actions(night) == ["finished"]
    night.work(night.requests()[9])
    night.hear()
    clock.advance(61.0)
    assert actions(night) == ["merged late"]


def test_a_batch_at_95_percent_is_closed_after_ten_minutes_without_an_update(
    store: DocumentStore, clock: FakeClock
) -> None:
    night = Night(store, clock, roster(20))
    stall(night, clock, 19)
    clock.advance(9 * MINUTE)
    assert actions(night) == []
    clock.advance(2 * MINUTE)
    assert actions(night) == ["merged"]
    batch = night.batch()
    assert (batch["is_complete"], batch["stall_completed"]) == (True, True)
    assert batch["stall_reason"] == "19 of 20 players (95%), 10m00s without an update"
    [completion] = night.announced()
    assert (completion["status"], completion["record_count"]) == ("partial", 57)
    [alert] = night.alerts
    assert (alert.severity, alert.fields["missing"]) == ("warning", "player00019")


def test_an_update_keeps_a_batch_at_95_percent_open(store: DocumentStore, clock: FakeClock) -> None:
    night = Night(store, clock, roster(40))
    stall(night, clock, 38)
    clock.advance(9 * MINUTE)
    night.work(night.requests()[38])
    night.hear()
    clock.advance(5 * MINUTE)
    assert actions(night) == ["waits"]
    clock.advance(6 * MINUTE)
    assert actions(night) == ["merged"]


def test_incident_05_a_batch_at_70_percent_is_closed_thirty_minutes_after_its_start_with_an_alert(
    store: DocumentStore, clock: FakeClock
) -> None:
    night = Night(store, clock, roster(100))
    stall(night, clock, 70)
    clock.advance(11 * MINUTE)
    assert actions(night) == ["waits"]
    clock.advance(18 * MINUTE)
    assert actions(night) in (["waits"], [])
    assert not night.announced()
    clock.advance(1 * MINUTE)
    assert actions(night) == ["merged"]
    [alert] = night.alerts
    assert alert.severity == "critical"
    assert alert.title == f"the batch {BATCH} was closed with 70 of 100 players (70%), 30m00s after its start"
    assert alert.fields["missing"].startswith("player00070, player00071")
    assert alert.fields["missing"].endswith("player00089 and 10 more")
    [completion] = night.announced()
    assert (completion["status"], completion["record_count"]) == ("partial", 210)
    assert completion["metadata"]["players_done"] == 70


def test_a_batch_without_any_prediction_has_failed(night: Night, clock: FakeClock) -> None:
    stall(night, clock, 0)
    clock.advance(31 * MINUTE)
    assert actions(night) == ["merged"]
    assert [completion["status"] for completion in night.announced()] == ["failed"]
    assert [alert.severity for alert in night.alerts] == ["critical", "critical"]
    assert night.merges() == 0


def test_rows_that_come_after_the_merge_are_merged_within_the_declared_time(night: Night, clock: FakeClock) -> None:
    stall(night, clock, 7)
    clock.advance(31 * MINUTE)
    assert actions(night) == ["merged"]
    for request in night.requests()[7:9]:
        night.work(request)
        night.hear(night.ready_messages()[-1])
        clock.advance(40.0)  # one after the other: each must not put off the check of those before
    assert actions(night) == ["merged late"]
    assert (night.merges(), len(night.merged())) == (2, 27)
    assert len(night.announced()) == 1
    assert "2 late players" in night.alerts[-1].title
    clock.advance(2 * MINUTE)
    assert actions(night) == ["finished"]
    night.work(night.requests()[9])
    night.hear(night.ready_messages()[-1])
    clock.advance(61.0)
    assert actions(night) == ["merged late"]


def test_rows_whose_announcement_never_came_are_merged_too(night: Night, clock: FakeClock) -> None:
    stall(night, clock, 7)
    clock.advance(31 * MINUTE)
    actions(night)
    night.work(*night.requests()[7:])
    clock.advance(61.0)
    assert actions(night) == ["merged late"]
    assert len(night.merged()) == 30


def test_a_player_staged_while_the_batch_is_merged_is_not_lost(night: Night, clock: FakeClock) -> None:
    stall(night, clock, 9)

    def meanwhile() -> None:
        faults.disarm("coordinator.read")
        night.work(night.requests()[9])
        night.hear(night.ready_messages()[-1])

    clock.advance(31 * MINUTE)
    with faults.calling("coordinator.read", meanwhile):
        assert actions(night) == ["merged"]
    clock.advance(61.0)
    assert actions(night) == ["merged late"]
    assert len(night.merged()) == 30


def test_a_completion_during_the_last_check_is_not_lost(night: Night, clock: FakeClock) -> None:
    stall(night, clock, 9)
    clock.advance(31 * MINUTE)
    assert actions(night) == ["merged"]
    clock.advance(61.0)
    count = night.store.count

    def late(query: Any) -> int:
        found = count(query)
        if query.collection.endswith("/staged") and found == 9:
            night.work(night.requests()[9])
            night.hear(night.ready_messages()[-1])
        return found

    night.store.count = late  # type: ignore[method-assign]
    assert actions(night) == ["finished"]
    clock.advance(61.0)
    assert actions(night) == ["merged late"]


def test_what_was_staged_is_deleted_a_week_later_and_a_player_after_that_is_merged(
    store: DocumentStore, clock: FakeClock
) -> None:
    night = Night(store, clock, roster(600) | {"big": player_inputs("big", games=200)})
    stall(night, clock, 600)
    clock.advance(31 * MINUTE)
    night.coordinator.sweep()
    clock.advance(61.0)
    assert actions(night) == ["finished"]
    assert night.coordinator.clean() == 0
    clock.advance(7 * 24 * 60 * MINUTE)
    assert night.coordinator.clean() == 1
    for name in ("staged", "inputs"):
        assert not list(store.list_ids(f"prediction_batches/{BATCH}/{name}"))
    assert night.tracker.progress(BATCH).completed == 600
    assert night.coordinator.clean() == 0
    rows = len(night.merged())
    night.work(night.requests()[600])
    night.hear(night.ready_messages()[-1])
    clock.advance(61.0)
    assert actions(night) == ["merged late"]
    assert len(night.merged()) == rows + 3


def test_a_merge_that_fails_is_tried_again_with_pauses_that_double(store: DocumentStore, clock: FakeClock) -> None:
    tries: list[float] = []

    def merge(*_: object) -> int:
        tries.append(clock.monotonic())
        raise DataError("the table has no column low", next_step="Add it.")

    night = Night(store, clock, roster(3), merge=merge)
    stall(night, clock, 3)
    for _ in range(3_000):
        clock.advance(1.0)
        night.coordinator.sweep()
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses[:5] == [60.0, 120.0, 240.0, 480.0, 600.0]
    assert night.alerts[0].severity == "critical"
    assert "no column low" in night.alerts[0].title
    assert not night.announced()
    repaired = Night(store, clock, night.players)
    clock.advance(601.0)
    assert actions(repaired) == ["merged"]
    assert len(repaired.announced()) == 1


def test_a_batch_that_fails_in_an_unforeseen_way_holds_up_no_other(night: Night, clock: FakeClock) -> None:
    stall(night, clock, 9)
    night.store.commit([Set("prediction_batches/other", {**night.batch(), "batch_id": "other", "attempt": 0})])
    night.store.commit([Update("prediction_batches/other", {"start_time": clock.now() - timedelta(hours=1)})])
    clock.advance(30 * MINUTE)
    with faults.failing("coordinator.alerted", ZeroDivisionError("a bug")):
        failed, other = night.coordinator.sweep()
    assert (failed.action, other.action) == ("failed", "merged")
    assert "ZeroDivisionError: a bug" in str(failed.error)
    clock.advance(2 * MINUTE)
    night.coordinator.sweep()
    assert night.batch(failed.batch_id)["is_complete"] is True


def test_a_batch_whose_start_fails_again_and_again_is_closed_in_time(store: DocumentStore, clock: FakeClock) -> None:
    night = Night(store, clock, roster(3))
    with faults.failing("coordinator.created", UnavailableError("down")), pytest.raises(UnavailableError):
        night.coordinator.start(TRIGGER)
    with faults.failing("coordinator.published", UnavailableError("down"), times=100):
        for _ in range(31):
            clock.advance(MINUTE)
            night.coordinator.sweep()
    assert night.batch()["is_complete"] is True
    assert [completion["status"] for completion in night.announced()] == ["failed"]


def test_a_batch_that_ends_while_the_clock_looks_at_it_is_not_put_off(
    store: DocumentStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = Night(store, clock, roster(9) | {"rookie": player_inputs("rookie", games=0)})
    stall(night, clock, 9)
    clock.advance(10 * MINUTE)
    progress = night.tracker.progress

    def late(batch_id: str) -> Progress:
        found = progress(batch_id)
        night.work(night.requests()[9])
        return found

    with monkeypatch.context() as patch:
        patch.setattr(night.tracker, "progress", late)
        assert actions(night) == ["waits"]
    assert actions(night) == ["merged"]


@pytest.mark.parametrize(
    "message",
    [
        {"player_lookup": "a"},
        {"batch_id": BATCH},
        {"batch_id": BATCH, "player_lookup": "a", "predictions_generated": -1},
    ],
)
def test_a_ready_message_that_says_too_little_is_refused(night: Night, message: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        night.coordinator.ready(message)


@pytest.mark.parametrize(("batch", "player"), [("batch_of_nobody", "player00001"), (BATCH, "stranger")])
def test_inv_09_a_completion_of_an_unknown_batch_or_player_is_kept_and_counts_for_nobody(
    night: Night, batch: str, player: str
) -> None:
    night.coordinator.start(TRIGGER)
    night.coordinator.ready({"batch_id": batch, "player_lookup": player, "predictions_generated": 3})
    assert night.tracker.progress(BATCH).completed == 0
    [kept] = night.store.query(Query("rejected_messages"))
    assert json.loads(kept.data["data"])["player_lookup"] == player


def test_a_batch_of_old_programs_records_whom_it_gets(night: Night) -> None:
    night.tracker.create_batch("old", DAY, 2, "corr")
    night.coordinator.ready({"batch_id": "old", "player_lookup": "anybody", "predictions_generated": 25})
    assert night.tracker.progress("old").completed == 1


def test_a_batch_of_old_programs_is_neither_merged_nor_announced_by_us(night: Night, clock: FakeClock) -> None:
    night.tracker.create_batch("old", DAY, 2, "corr")
    night.hear(*({"batch_id": "old", "player_lookup": name, "predictions_generated": 3} for name in ("a", "b")))
    clock.advance(60 * MINUTE)
    night.coordinator.sweep()
    assert night.batch("old")["is_complete"] is True
    assert "consolidated_at" not in night.batch("old")
    assert not night.announced()
    assert not night.alerts


def test_consolidating_a_batch_that_there_is_not_is_an_error(night: Night) -> None:
    with pytest.raises(NotFoundError):
        night.coordinator.consolidate("batch_of_nobody")
