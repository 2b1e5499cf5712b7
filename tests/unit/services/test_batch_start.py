"""The start of prediction batches, in one process and without faults."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.calls.retry import NO_RETRY
from nbactl.core.completions.reset import Resets
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.phases.messages import PhaseTrigger
from nbactl.errors import InProgressError, UnavailableError
from nbactl.services.batch_documents import read_staged
from nbactl.services.batch_start import start_batch
from nbactl.services.batches import BatchCoordinator
from nbactl.testing import FakeClock, faults
from tests.kit.prediction_night import BATCH, DAY, TRIGGER, Night, actions, player_inputs, roster, stall

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore

MINUTE = 60.0


def test_a_batch_has_productions_fields(night: Night) -> None:
    night.coordinator.start(TRIGGER)
    batch = night.batch()
    assert {"created_at", "updated_at", "created_by_instance", "dataset_prefix", "start_time"} <= batch.keys()
    assert (batch["batch_id"], batch["game_date"], batch["expected_players"]) == (BATCH, "2024-01-15", 10)
    assert (batch["is_complete"], batch["correlation_id"], batch["failed_players"]) == (False, "corr-1", [])


def test_a_request_has_productions_fields_and_the_inputs(night: Night) -> None:
    night.coordinator.start(PhaseTrigger("phase5", DAY, mode="overnight", partial=True, correlation_id="corr-1"))
    request = night.requests()[0]
    assert {name: request[name] for name in ("player_lookup", "game_date", "batch_id", "correlation_id")} == {
        "player_lookup": "player00000", "game_date": "2024-01-15", "batch_id": BATCH, "correlation_id": "corr-1",
    }  # fmt: skip
    assert (request["prediction_run_mode"], request["partial"]) == ("overnight", True)
    assert request["historical_games_batch"]["player_lookup"] == "player00000"
    night.work(request)
    assert [row["is_partial"] for row in staged(night, "player00000")] == [True] * 3


def staged(night: Night, player: str) -> list[dict[str, Any]]:
    return next(found.rows for found in read_staged(night.store, BATCH) if found.player == player)


def test_a_trigger_that_does_not_say_partial_is_so_if_the_phase_before_was(night: Night) -> None:
    BatchCoordinator(replace(night.parts, is_partial=lambda _: True)).start(TRIGGER)
    assert {request["partial"] for request in night.requests()} == {True}


def test_inputs_that_are_too_large_go_by_reference(store: DocumentStore, clock: FakeClock) -> None:
    night = Night(store, clock, {"big": player_inputs("big", games=200), "small": player_inputs("small")})
    night.coordinator.start(TRIGGER)
    big, small = night.requests()
    assert "historical_games_batch" in small
    assert big["inputs_ref"] == f"prediction_batches/{BATCH}/inputs/big"
    assert "historical_games_batch" not in big
    night.work()
    assert night.queries == [None]
    assert len(staged(night, "big")) == 3


def test_a_trigger_that_comes_again_starts_nothing(night: Night) -> None:
    night.coordinator.start(TRIGGER)
    assert night.coordinator.start(TRIGGER).outcome == "running"
    night.work()
    night.hear()
    assert night.coordinator.start(TRIGGER).outcome == "finished"
    assert (len(night.requests()), night.queries, night.merges()) == (10, [None], 1)


def test_a_start_beside_another_one_is_refused_and_comes_again(night: Night, store: DocumentStore) -> None:
    other = Night(store, night.clock, roster(10))
    refused: list[InProgressError] = []

    def meanwhile() -> None:
        with pytest.raises(InProgressError) as caught:
            other.coordinator.start(TRIGGER)
        refused.append(caught.value)

    with faults.calling("coordinator.created", meanwhile):
        night.coordinator.start(TRIGGER)
    assert [error.retryable for error in refused] == [True]
    assert len(night.requests()) == 10


def test_a_start_that_was_interrupted_goes_on_from_its_checkpoint(store: DocumentStore, clock: FakeClock) -> None:
    night = Night(store, clock, roster(600))
    with faults.failing("coordinator.checkpointed", UnavailableError("down")), pytest.raises(UnavailableError):
        night.coordinator.start(TRIGGER)
    assert len(night.requests()) == 250
    late = dict(night.players) | {"newcomer": player_inputs("newcomer")}
    again = Night(store, clock, late)
    assert again.coordinator.start(TRIGGER).outcome == "resumed"
    [asked] = again.queries
    assert asked is not None
    assert len(asked) == 350
    assert [request["player_lookup"] for request in again.requests()] == sorted(night.players)


def test_a_start_that_nobody_resumes_is_found_by_the_clock(store: DocumentStore, clock: FakeClock) -> None:
    night = Night(store, clock, roster(600))
    with faults.failing("coordinator.published", UnavailableError("down")), pytest.raises(UnavailableError):
        night.coordinator.start(TRIGGER)
    clock.advance(11 * MINUTE)
    assert actions(night) == ["resumed"]
    assert {request["player_lookup"] for request in night.requests()} == set(night.players)
    assert night.batch()["published_at"] is not None


def test_a_date_with_games_and_no_players_is_an_alert_and_a_failed_completion(
    store: DocumentStore, clock: FakeClock
) -> None:
    night = Night(store, clock, {})
    assert night.coordinator.start(TRIGGER).outcome == "no_players"
    [alert] = night.alerts
    assert (alert.severity, alert.title) == (
        "critical",
        "no predictions for 2024-01-15: there are games, but no players",
    )
    [completion] = night.announced()
    assert (completion["status"], completion["record_count"]) == ("failed", 0)
    night.coordinator.start(TRIGGER)
    assert len(night.announced()) == 1
    later = Night(store, clock, roster(2))
    assert later.coordinator.start(TRIGGER).outcome == "started"


def test_a_date_without_games_is_no_data_and_no_batch(store: DocumentStore, clock: FakeClock) -> None:
    night = Night(store, clock, {}, games=False)
    assert night.coordinator.start(TRIGGER).outcome == "no_games"
    assert [completion["status"] for completion in night.announced()] == ["no_data"]
    assert not night.alerts
    assert not list(store.list_ids("prediction_batches"))


def test_a_start_by_http_is_the_last_attempt_and_with_force_a_new_one(night: Night) -> None:
    ids = [night.coordinator.start_date(DAY, force=force).batch_id for force in (False, False, True, False, True)]
    assert [name.rpartition("_")[2] for name in ids] == ["1", "1", "2", "2", "3"]


def test_a_hand_off_whose_number_a_start_by_hand_has_taken_gets_the_next_one(night: Night) -> None:
    night.coordinator.start(TRIGGER)
    night.coordinator.start_date(DAY, force=True)
    morning = replace(TRIGGER, attempt=2, mode="overnight")
    for _ in range(2):
        assert night.coordinator.start(morning).batch_id.endswith("_3")
    assert len(night.requests()) == 30
    assert night.coordinator.start(TRIGGER).batch_id == BATCH
    with pytest.raises(InProgressError, match="started for something else"):
        start_batch(night.parts, morning, morning.key)


def test_a_batch_that_was_reset_is_started_again_as_a_new_attempt(night: Night, clock: FakeClock) -> None:
    stall(night, clock, 7)
    resets(night).remove(BATCH, "operator")
    started = night.coordinator.start_date(DAY, force=False)
    assert (started.batch_id, started.outcome) == (f"batch_{DAY}_2", "started")
    assert night.coordinator.start_date(DAY, force=False).batch_id == started.batch_id
    clock.advance(60 * MINUTE)
    night.work(*(request for request in night.requests() if request["batch_id"] == started.batch_id))
    night.hear(*(message for message in night.ready_messages() if message["batch_id"] == started.batch_id))
    night.coordinator.sweep()
    assert [completion["execution_id"] for completion in night.announced()] == [started.batch_id]
    assert not night.merges(BATCH)


def test_a_batch_whose_reset_was_undone_is_not_started_again(night: Night, clock: FakeClock) -> None:
    stall(night, clock, 10)
    resets(night).remove(BATCH, "operator")
    resets(night).restore(BATCH)
    assert night.coordinator.start_date(DAY, force=False).outcome == "finished"


def resets(night: Night) -> Resets:
    mode = mode_of(CompletionStage.CLEANED, {})
    ids, rng = TimeSortedIds(night.clock, random.Random(1)), random.Random(1)
    return Resets(night.store, night.clock, mode=lambda _: mode, ids=ids, retry=NO_RETRY, rng=rng)
