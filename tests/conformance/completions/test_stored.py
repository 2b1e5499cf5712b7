"""Conformance: documents that others have written, older code and damaged ones among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import DataError
from nbactl.ports.documents import DELETE_FIELD, SERVER_TIME, ArrayUnion, Create, Increment, Update

if TYPE_CHECKING:
    from tests.conformance.completions.lab import Lab

CHECKED = [CompletionStage.LEGACY, CompletionStage.DUAL_WRITE, CompletionStage.BACKFILLED, CompletionStage.VALIDATED]


def old_code(lab: Lab, batch: str, player: str, predictions: int) -> None:
    """Record a completion as the code before this one did: no look, no document of its own."""
    fields: dict[Any, Any] = {
        "completed_players": ArrayUnion((player,)),
        "completed_count": Increment(1),
        "total_predictions": Increment(predictions),
    }
    lab.store.commit([Update(f"prediction_batches/{batch}", fields)])


class TestStored:
    """What is made of documents as they are."""

    @pytest.mark.parametrize("stage", CHECKED)
    def test_inv_01_a_completion_from_before_dual_write_is_not_counted_when_it_is_delivered_again(
        self, lab: Lab, stage: CompletionStage
    ) -> None:
        batch = lab.batch(CompletionStage.LEGACY, 2)
        old_code(lab, batch, "a", 3)
        again = lab.tracker(stage).record_completion(batch, "a", 3)
        assert (again.new, again.progress.completed, lab.counted(batch)) == (False, 1, (1, 3))
        assert lab.completions(batch) == ([] if stage is CompletionStage.LEGACY else ["a"])

    def test_inv_01_array_only_writers_in_between_count_once_with_the_others(self, lab: Lab) -> None:
        batch = lab.batch(CompletionStage.LEGACY, 4)
        legacy, dual = lab.tracker(CompletionStage.LEGACY), lab.tracker(CompletionStage.DUAL_WRITE)
        dual.record_completion(batch, "a", 1)
        legacy.record_completion(batch, "a", 1)
        legacy.record_completion(batch, "b", 1)
        dual.record_completion(batch, "b", 1)
        old_code(lab, batch, "c", 1)
        dual.record_completion(batch, "c", 1)
        last = legacy.record_completion(batch, "d", 1)
        assert (last.became_complete, last.progress.completed, lab.counted(batch)) == (True, 4, (4, 4))
        assert lab.completions(batch) == ["a", "b", "c"]

    def test_inv_01_a_completion_that_only_the_subcollection_has_gets_into_the_array_uncounted(self, lab: Lab) -> None:
        batch = lab.batch(CompletionStage.CLEANED, 2)
        lab.tracker(CompletionStage.CLEANED).record_completion(batch, "a", 2)
        back = lab.tracker(CompletionStage.VALIDATED).record_completion(batch, "a", 2)
        assert (back.new, back.progress.completed, lab.counted(batch)) == (False, 1, (1, 2))
        assert lab.raw(batch)["completed_players"] == ["a"]

    def test_inv_04_readers_see_the_same_before_and_after_the_switch(self, lab: Lab) -> None:
        batch = lab.batch(CompletionStage.DUAL_WRITE, 3)
        tracker = lab.tracker(CompletionStage.DUAL_WRITE)
        tracker.record_completion(batch, "a", 1)
        tracker.record_failure(batch, "b")
        assert lab.progress(batch, CompletionStage.VALIDATED) == lab.progress(batch, CompletionStage.READS_SWITCHED)
        lab.store.commit([Update(f"prediction_batches/{batch}", {"completed_players": DELETE_FIELD})])
        assert lab.progress(batch, CompletionStage.CLEANED).completed == 1

    def test_the_array_counts_each_player_once(self, lab: Lab) -> None:
        batch = lab.batch(CompletionStage.LEGACY, 3)
        lab.store.commit([Update(f"prediction_batches/{batch}", {"completed_players": ["a", "a", "b"]})])
        assert lab.progress(batch, CompletionStage.LEGACY).completed == 2

    def test_arrays_that_are_missing_are_empty(self, lab: Lab) -> None:
        batch = lab.batch(CompletionStage.LEGACY, 2)
        fields: dict[Any, Any] = {"completed_players": DELETE_FIELD, "failed_players": DELETE_FIELD}
        lab.store.commit([Update(f"prediction_batches/{batch}", fields)])
        assert lab.progress(batch, CompletionStage.LEGACY).completed == 0
        assert lab.tracker(CompletionStage.LEGACY).record_completion(batch, "a", 1).progress.completed == 1

    @pytest.mark.parametrize("stage", [CompletionStage.DUAL_WRITE, CompletionStage.CLEANED])
    def test_a_batch_whose_last_recorder_died_becomes_complete_with_the_next_delivery(
        self, lab: Lab, stage: CompletionStage
    ) -> None:
        batch, tracker = lab.batch(stage, 1), lab.tracker(stage)
        tracker.record_completion(batch, "a", 1)
        lab.store.commit([Update(f"prediction_batches/{batch}", {"is_complete": False, "completion_time": None})])
        assert not lab.progress(batch, stage).is_complete
        again = tracker.record_completion(batch, "a", 1)
        assert (again.new, again.became_complete) == (False, True)

    @pytest.mark.parametrize(
        ("field", "value", "stage"),
        [
            *[("completed_count", value, CompletionStage.CLEANED) for value in (None, 1.0, -1, "1", True)],
            *[("total_predictions", value, CompletionStage.LEGACY) for value in (None, 1.5, -1, "1")],
            *[("total_predictions_subcoll", value, CompletionStage.LEGACY) for value in (None, 1.5, -1, "1")],
            *[("expected_players", value, CompletionStage.LEGACY) for value in (DELETE_FIELD, None, 2.0, -2)],
            *[
                ("completed_players", value, CompletionStage.LEGACY)
                for value in (None, "a", ["a", 1], [""], [None], [{"a": 1}])
            ],
            *[("failed_players", value, CompletionStage.CLEANED) for value in ("a", [2])],
            *[("game_date", value, CompletionStage.CLEANED) for value in (DELETE_FIELD, "soon", 5)],
            *[("is_complete", value, CompletionStage.CLEANED) for value in (DELETE_FIELD, "yes")],
            *[("start_time", value, CompletionStage.CLEANED) for value in ("2024-01-15T12:00:00Z",)],
            *[("counter_shards", value, CompletionStage.CLEANED) for value in (-1, 101, 2)],
            ("correlation_id", 5, CompletionStage.CLEANED),
            ("batch_id", "another", CompletionStage.CLEANED),
        ],
    )
    def test_a_bad_field_is_named_and_nothing_guessed(
        self, lab: Lab, field: str, value: object, stage: CompletionStage
    ) -> None:
        batch = lab.batch(stage, 2)
        lab.store.commit([Update(f"prediction_batches/{batch}", {field: value})])
        with pytest.raises(DataError, match=f"prediction_batches/{batch}: {field}") as raised:
            lab.progress(batch, stage)
        assert raised.value.details == {"path": f"prediction_batches/{batch}", "field": field}

    @pytest.mark.parametrize("stage", [CompletionStage.LEGACY, CompletionStage.DUAL_WRITE, CompletionStage.CLEANED])
    def test_a_counter_that_counting_would_replace_is_refused_before(self, lab: Lab, stage: CompletionStage) -> None:
        batch = lab.batch(stage, 2)
        lab.store.commit([Update(f"prediction_batches/{batch}", {"completed_count": "7"})])
        with pytest.raises(DataError, match="completed_count"):
            lab.tracker(stage).record_completion(batch, "a", 1)
        assert (lab.raw(batch)["completed_count"], lab.completions(batch)) == ("7", [])

    def test_what_the_stage_does_not_read_is_not_looked_at(self, lab: Lab) -> None:
        batch = lab.batch(CompletionStage.LEGACY, 2)
        lab.store.commit([Update(f"prediction_batches/{batch}", {"completed_count": DELETE_FIELD})])
        assert lab.tracker(CompletionStage.LEGACY).record_completion(batch, "a", 1).progress.completed == 1
        lab.store.commit([Update(f"prediction_batches/{batch}", {"completed_players": [None]})])
        assert lab.progress(batch, CompletionStage.CLEANED).completed == 1

    def test_a_document_that_somebody_made_without_counting_it_is_on_record_and_stays_uncounted(self, lab: Lab) -> None:
        batch = lab.batch(CompletionStage.CLEANED, 2)
        path = f"prediction_batches/{batch}/completions/a"
        lab.store.commit([Create(path, {"player_lookup": "a", "completed_at": SERVER_TIME, "predictions_count": 1})])
        assert not lab.tracker(CompletionStage.CLEANED).record_completion(batch, "a", 1).new
        assert lab.counted(batch) == (0, 0)
