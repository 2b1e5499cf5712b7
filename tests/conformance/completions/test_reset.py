"""Conformance: taking back what was recorded, and bringing it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import NotFoundError, PreconditionError, UnavailableError
from nbactl.ports.documents import Create, Query, Update
from nbactl.testing import faults

if TYPE_CHECKING:
    from tests.conformance.completions.lab import Lab

STAGES = [CompletionStage.LEGACY, CompletionStage.DUAL_WRITE, CompletionStage.CLEANED]
POINTS = ["reset_begun", "reset_saved", "reset_removed", "reset_ended"]


def used(lab: Lab, stage: CompletionStage, *, players: int = 4, shards: int = 0) -> str:
    """Return a complete batch in which one player failed."""
    batch, tracker = lab.batch(stage, players + 1, shards=shards), lab.tracker(stage)
    tracker.record_failure(batch, "f")
    for number in range(players):
        tracker.record_completion(batch, f"p/{number}", number + 1)
    assert lab.raw(batch)["is_complete"]
    return batch


def everything(lab: Lab, batch: str) -> dict[str, Any]:
    """Return all that is stored of a batch but the time of its last change, arrays as sets."""
    path = f"prediction_batches/{batch}"
    data = {"": {field: value for field, value in lab.raw(batch).items() if field != "updated_at"}}
    for collection in (f"{path}/completions", f"{path}/counters"):
        data |= {document.path: document.data for document in lab.store.query(Query(collection))}
    for field in ("completed_players", "failed_players"):
        if field in data[""]:
            data[""] = {**data[""], field: set(data[""][field])}
    return data


class TestReset:
    """What a reset removes, it can bring back."""

    @pytest.mark.parametrize("stage", STAGES)
    @pytest.mark.parametrize("shards", [0, 3])
    def test_inv_19_a_reset_leaves_an_empty_batch_and_is_undone_to_the_letter(
        self, lab: Lab, stage: CompletionStage, shards: int
    ) -> None:
        batch = used(lab, stage, shards=shards)
        before = everything(lab, batch)
        reset = lab.resets(stage).remove(batch, "somebody")
        assert reset is not None
        assert (reset.state, reset.players, reset.by) == ("removed", 4, "somebody")
        progress = lab.progress(batch, stage)
        assert (progress.completed, progress.failed, progress.predictions, progress.is_complete) == (0, (), 0, False)
        assert (lab.completions(batch), lab.counted(batch)) == ([], (0, 0))
        assert lab.raw(batch).get("completed_players", []) == []
        back = lab.resets(stage).restore(batch)
        assert (back.reset_id, back.state, back.players) == (reset.reset_id, "restored", 0)
        assert everything(lab, batch) == before

    @pytest.mark.parametrize("stage", STAGES)
    def test_a_batch_that_was_reset_can_be_run_again(self, lab: Lab, stage: CompletionStage) -> None:
        batch = used(lab, stage)
        lab.resets(stage).remove(batch, "somebody")
        tracker = lab.tracker(stage)
        assert tracker.record_completion(batch, "p/0", 9).new
        assert lab.counted(batch) == (1, 9)
        lab.resets(stage).restore(batch)
        progress = tracker.progress(batch)
        assert (progress.completed, progress.predictions, progress.failed, progress.is_complete) == (
            4,
            18,
            ("f",),
            True,
        )

    @pytest.mark.parametrize("point", POINTS)
    @pytest.mark.parametrize("stage", STAGES)
    def test_inv_20_a_reset_that_broke_off_is_carried_on(self, lab: Lab, stage: CompletionStage, point: str) -> None:
        batch = used(lab, stage)
        before = everything(lab, batch)
        with faults.calling(f"completions.{point}", broken_off), pytest.raises(ZeroDivisionError):
            lab.resets(stage).remove(batch, "somebody")
        carried_on = lab.resets(stage).remove(batch, "somebody")
        assert (carried_on is None) == (point == "reset_ended")
        assert (lab.completions(batch), lab.counted(batch)) == ([], (0, 0))
        assert lab.store.count(Query("batch_resets")) == 1
        lab.resets(stage).restore(batch)
        assert everything(lab, batch) == before

    @pytest.mark.parametrize("point", POINTS)
    @pytest.mark.parametrize("stage", STAGES)
    def test_inv_19_a_reset_that_broke_off_is_undone(self, lab: Lab, stage: CompletionStage, point: str) -> None:
        batch = used(lab, stage)
        before = everything(lab, batch)
        with faults.calling(f"completions.{point}", broken_off), pytest.raises(ZeroDivisionError):
            lab.resets(stage).remove(batch, "somebody")
        lab.resets(stage).restore(batch)
        assert everything(lab, batch) == before

    @pytest.mark.parametrize("stage", STAGES)
    def test_inv_20_an_undo_that_broke_off_is_carried_on(self, lab: Lab, stage: CompletionStage) -> None:
        batch = used(lab, stage)
        before = everything(lab, batch)
        lab.resets(stage).remove(batch, "somebody")
        with faults.calling("completions.reset_restored", broken_off), pytest.raises(ZeroDivisionError):
            lab.resets(stage).restore(batch)
        with pytest.raises(PreconditionError, match="was interrupted"):
            lab.resets(stage).remove(batch, "somebody")
        lab.resets(stage).restore(batch)
        assert everything(lab, batch) == before

    def test_a_large_batch_goes_and_returns_in_chunks(self, lab: Lab) -> None:
        batch = used(lab, CompletionStage.DUAL_WRITE, players=120)
        before = everything(lab, batch)
        reset = lab.resets(CompletionStage.DUAL_WRITE).remove(batch, "somebody")
        assert reset is not None
        assert reset.players == 120
        assert lab.counted(batch) == (0, 0)
        lab.resets(CompletionStage.DUAL_WRITE).restore(batch)
        assert everything(lab, batch) == before

    def test_counters_that_were_off_are_right_after_a_reset_and_off_after_its_undo(self, lab: Lab) -> None:
        batch = used(lab, CompletionStage.DUAL_WRITE)
        lab.store.commit([Update(f"prediction_batches/{batch}", {"completed_count": 7, "total_predictions": 2})])
        before = everything(lab, batch)
        lab.resets(CompletionStage.DUAL_WRITE).remove(batch, "somebody")
        assert lab.counted(batch) == (0, 0)
        lab.resets(CompletionStage.DUAL_WRITE).restore(batch)
        assert everything(lab, batch) == before

    def test_resets_are_undone_last_first(self, lab: Lab) -> None:
        batch, resets = used(lab, CompletionStage.CLEANED), lab.resets(CompletionStage.CLEANED)
        first = resets.remove(batch, "somebody")
        lab.tracker(CompletionStage.CLEANED).record_completion(batch, "late", 1)
        second = resets.remove(batch, "somebody")
        assert first is not None
        assert second is not None
        assert [resets.restore(batch).reset_id for _ in range(2)] == [second.reset_id, first.reset_id]
        assert lab.progress(batch, CompletionStage.CLEANED).completed == 5
        with pytest.raises(NotFoundError, match="was not reset"):
            resets.restore(batch)

    @pytest.mark.parametrize("stage", STAGES)
    @pytest.mark.parametrize("shards", [0, 3])
    def test_inv_19_a_reset_that_removes_nothing_leaves_no_record(
        self, lab: Lab, stage: CompletionStage, shards: int
    ) -> None:
        batch, resets = used(lab, stage, shards=shards), lab.resets(stage)
        before = everything(lab, batch)
        reset = resets.remove(batch, "somebody")
        assert reset is not None
        for _ in range(2):
            assert resets.is_empty(batch)
            assert resets.remove(batch, "somebody") is None
        assert resets.restore(batch).reset_id == reset.reset_id
        assert everything(lab, batch) == before
        assert resets.remove(lab.batch(stage, 2), "somebody") is None
        assert resets.remove(lab.batch(stage, 0), "somebody") is None

    @pytest.mark.parametrize("stage", STAGES)
    def test_inv_19_empty_resets_of_an_earlier_version_are_passed_over_by_an_undo(
        self, lab: Lab, stage: CompletionStage
    ) -> None:
        batch, resets = used(lab, stage), lab.resets(stage)
        before = everything(lab, batch)
        reset = resets.remove(batch, "somebody")
        assert reset is not None
        kept = lab.store.get(f"batch_resets/{reset.reset_id}")
        assert kept is not None
        nothing = {"failed_players": [], "was_complete": False, "completion_time": None}
        later = f"{reset.reset_id}-later"
        lab.store.commit([Create(f"batch_resets/{later}", {**kept.data, **nothing})])
        assert resets.restore(batch).reset_id == reset.reset_id
        assert everything(lab, batch) == before

    @pytest.mark.parametrize("only", ["failed", "complete", "counter"])
    def test_what_is_no_player_is_removed_and_brought_back_too(self, lab: Lab, only: str) -> None:
        stage = CompletionStage.DUAL_WRITE
        batch, resets = lab.batch(stage, 3), lab.resets(stage)
        if only == "failed":
            lab.tracker(stage).record_failure(batch, "f")
        elif only == "complete":
            lab.tracker(stage).complete(batch)
        else:
            lab.store.commit([Update(f"prediction_batches/{batch}", {"completed_count": 2})])
        before = everything(lab, batch)
        assert resets.remove(batch, "somebody") is not None
        assert resets.is_empty(batch)
        resets.restore(batch)
        assert everything(lab, batch) == before

    @pytest.mark.parametrize("beside", [4, 10])
    def test_predictions_of_subcollection_only_writers_are_removed_and_brought_back(
        self, lab: Lab, beside: int
    ) -> None:
        stage = CompletionStage.CLEANED
        batch, resets = used(lab, stage), lab.resets(stage)
        fields: dict[Any, Any] = {"total_predictions": 10 - beside, "total_predictions_subcoll": beside}
        lab.store.commit([Update(f"prediction_batches/{batch}", fields)])
        before = everything(lab, batch)
        seen = []
        with faults.calling("completions.reset_removed", lambda: seen.append(lab.progress(batch, stage).predictions)):
            resets.remove(batch, "somebody")
        assert seen == [0]
        assert lab.progress(batch, stage).predictions == 0
        resets.restore(batch)
        assert everything(lab, batch) == before

    def test_nothing_is_brought_back_to_where_completions_no_longer_go(self, lab: Lab) -> None:
        batch = used(lab, CompletionStage.DUAL_WRITE)
        lab.resets(CompletionStage.DUAL_WRITE).remove(batch, "somebody")
        with pytest.raises(PreconditionError, match="does not fit the stage"):
            lab.resets(CompletionStage.CLEANED).restore(batch)
        assert lab.resets(CompletionStage.BACKFILLED).restore(batch).state == "restored"

    def test_inv_06_a_reset_whose_store_is_down_raises(self, lab: Lab) -> None:
        batch = used(lab, CompletionStage.CLEANED)
        with (
            faults.failing("documents.before_commit", UnavailableError("down"), times=1000),
            pytest.raises(UnavailableError),
        ):
            lab.resets(CompletionStage.CLEANED).remove(batch, "somebody")


def broken_off() -> None:
    raise ZeroDivisionError
