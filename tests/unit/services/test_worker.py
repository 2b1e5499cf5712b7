"""The worker: rows are staged and announced once; what cannot succeed is recorded, the rest comes again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbactl.errors import DataError, UnavailableError
from nbactl.ports.documents import Query
from nbactl.services.batch_documents import read_staged
from nbactl.testing import FakeClock, faults, memory_documents
from tests.kit.prediction_night import BATCH, TRIGGER, Night, player_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROSTER = {"ada": player_inputs("ada"), "bob": player_inputs("bob"), "rookie": player_inputs("rookie", games=0)}


@pytest.fixture
def night() -> Iterator[Night]:
    clock = FakeClock()
    store = memory_documents(clock)
    night = Night(store, clock, ROSTER)
    night.coordinator.start(TRIGGER)
    night.queries.clear()
    yield night
    store.close()


def request_of(night: Night, player: str) -> dict[str, Any]:
    return next(request for request in night.requests() if request["player_lookup"] == player)


def kinds(night: Night) -> list[str]:
    return [event.kind for event in night.events]


def failures(night: Night) -> dict[str, str]:
    found = night.store.query(Query(f"prediction_batches/{BATCH}/failures"))
    return {document.id: document.data["reason"] for document in found}


def test_a_player_is_staged_and_then_announced(night: Night) -> None:
    night.work(request_of(night, "ada"))
    [staged] = read_staged(night.store, BATCH)
    assert (staged.player, {row["stat"] for row in staged.rows}) == ("ada", {"points", "rebounds", "assists"})
    [ready] = night.ready_messages()
    assert {name: ready[name] for name in ("player_lookup", "game_date", "batch_id", "predictions_generated")} == {
        "player_lookup": "ada", "game_date": "2024-01-15", "batch_id": BATCH, "predictions_generated": 3,
    }  # fmt: skip
    assert ready["timestamp"].startswith("2024-01-15T12:00:00")
    assert night.queries == []
    assert kinds(night) == ["predictions.staged"]


def test_a_request_that_comes_again_announces_the_same_rows_again(night: Night) -> None:
    night.work(request_of(night, "ada"))
    first = list(read_staged(night.store, BATCH))
    night.players = {"ada": player_inputs("ada", games=9)}
    request = {**request_of(night, "ada"), "historical_games_batch": None}
    assert isinstance(night.clock, FakeClock)
    night.clock.advance(60.0)
    night.work(request)
    assert list(read_staged(night.store, BATCH)) == first
    once, again = night.ready_messages()
    assert once == again


def test_inv_06_a_player_who_cannot_be_announced_comes_again(night: Night) -> None:
    with faults.failing("worker.staged", UnavailableError("the bus is down")), pytest.raises(UnavailableError):
        night.work(request_of(night, "ada"))
    assert night.ready_messages() == []
    night.work(request_of(night, "ada"))
    assert len(night.ready_messages()) == 1


def test_incident_06_a_player_without_history_is_recorded_with_the_reason_and_does_not_come_again(
    night: Night,
) -> None:
    night.work(request_of(night, "rookie"))
    assert failures(night) == {"rookie": "rookie has no game before 2024-01-15"}
    assert night.batch()["failed_players"] == ["rookie"]
    assert night.ready_messages() == []
    assert kinds(night) == ["predictions.failed"]


def test_the_last_player_who_fails_has_the_clock_finish_the_batch(night: Night) -> None:
    night.work(request_of(night, "ada"), request_of(night, "bob"))
    night.hear()
    assert night.coordinator.sweep() == []
    night.work(request_of(night, "rookie"))
    assert [checked.action for checked in night.coordinator.sweep()] == ["merged"]
    [completion] = night.announced()
    assert (completion["status"], completion["record_count"]) == ("partial", 6)
    assert night.alerts == []


def test_a_worker_that_is_killed_before_it_wakes_the_clock_does_so_when_the_request_comes_again(night: Night) -> None:
    night.work(request_of(night, "ada"), request_of(night, "bob"))
    night.hear()
    with faults.failing("worker.failure_recorded", UnavailableError("gone")), pytest.raises(UnavailableError):
        night.work(request_of(night, "rookie"))
    assert night.coordinator.sweep() == []
    night.work(request_of(night, "rookie"))
    assert [checked.action for checked in night.coordinator.sweep()] == ["merged"]


@pytest.mark.parametrize(
    "inputs",
    [
        {"historical_games_batch": None},
        {"historical_games_batch": {"player_lookup": "ada"}},
        {"historical_games_batch": None, "inputs_ref": f"prediction_batches/{BATCH}/inputs/nobody"},
        {"historical_games_batch": None, "inputs_ref": f"prediction_batches/{BATCH}/players/0000"},
    ],
    ids=["none", "damaged", "a reference to nothing", "a reference to something else"],
)
def test_without_usable_inputs_the_worker_asks_itself_and_says_so(
    night: Night, inputs: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    night.work({**request_of(night, "ada"), **inputs})
    assert night.queries == [("ada",)]
    assert kinds(night) == ["predictions.own_query", "predictions.staged"]
    assert "ada on 2024-01-15 is predicted from a query of its own" in caplog.text
    assert len(list(read_staged(night.store, BATCH))) == 1


def test_inputs_of_another_player_are_not_used(night: Night) -> None:
    night.work({**request_of(night, "ada"), "player_lookup": "bob"})
    assert night.queries == [("bob",)]
    [staged] = read_staged(night.store, BATCH)
    assert {row["player_lookup"] for row in staged.rows} == {"bob"}


def test_a_player_whom_the_feature_store_does_not_have_fails_for_good(night: Night) -> None:
    night.work({**request_of(night, "ada"), "player_lookup": "stranger", "historical_games_batch": None})
    assert failures(night) == {"stranger": "stranger is not expected to play on 2024-01-15"}


@pytest.mark.parametrize("day", [None, 5, "tonight", "1900-01-01"])
def test_a_request_for_no_date_of_a_game_fails_for_good(night: Night, day: object) -> None:
    night.work({**request_of(night, "ada"), "game_date": day})
    assert list(failures(night)) == ["ada"]


@pytest.mark.parametrize("missing", ["batch_id", "player_lookup"])
def test_a_request_without_batch_or_player_is_refused(night: Night, missing: str) -> None:
    request = request_of(night, "ada")
    del request[missing]
    with pytest.raises(DataError, match=f"the message has no {missing}"):
        night.work(request)


def test_a_failure_in_an_unknown_batch_is_kept(night: Night) -> None:
    night.work({**request_of(night, "rookie"), "batch_id": "batch_of_nobody"})
    [kept] = night.store.query(Query("rejected_messages"))
    assert kept.data["reason"] == "there is no batch 'batch_of_nobody'"


def test_inv_06_a_query_without_an_answer_is_raised(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> dict[str, Any]:
        raise UnavailableError("the warehouse does not answer")

    monkeypatch.setattr(night.worker, "_load_inputs", down)
    with pytest.raises(UnavailableError):
        night.work({**request_of(night, "ada"), "historical_games_batch": None})
    assert failures(night) == {}
