"""Conformance: one writer after the other, at every stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import AlreadyExistsError, DataError, NotFoundError

if TYPE_CHECKING:
    from tests.conformance.completions.lab import Lab

ALL = list(CompletionStage)
ARRAY = [
    CompletionStage.LEGACY,
    CompletionStage.DUAL_WRITE,
    CompletionStage.BACKFILLED,
    CompletionStage.VALIDATED,
    CompletionStage.READS_SWITCHED,
]
DOCUMENTS = [stage for stage in ALL if stage is not CompletionStage.LEGACY]
STRANGE = ["a-b.c", "a/b", "%", "%2F", "é", "東", "🏀", "__x__", "____", ".", "..", " ", "\n", "x" * 1450, "'\"`\\"]


class TestRecording:
    """What one call does."""

    @pytest.mark.parametrize("stage", ALL)
    def test_inv_01_a_completion_counts_once_however_often_it_is_delivered(
        self, lab: Lab, stage: CompletionStage
    ) -> None:
        batch, tracker = lab.batch(stage, 3), lab.tracker(stage)
        first = tracker.record_completion(batch, "lukadoncic", 5)
        assert (first.new, first.became_complete, first.progress.completed) == (True, False, 1)
        for _ in range(3):
            again = tracker.record_completion(batch, "lukadoncic", 5)
            assert (again.new, again.progress) == (False, first.progress)
        assert lab.counted(batch) == (1, 5)

    @pytest.mark.parametrize("stage", ALL)
    def test_a_batch_becomes_complete_once(self, lab: Lab, stage: CompletionStage) -> None:
        batch, tracker = lab.batch(stage, 2), lab.tracker(stage)
        assert not tracker.record_completion(batch, "a", 1).became_complete
        last = tracker.record_completion(batch, "b", 2)
        assert (last.became_complete, last.progress.is_complete, last.progress.predictions) == (True, True, 3)
        assert last.progress.completion_time == lab.raw(batch)["completion_time"]
        for player in "ab":
            again = tracker.record_completion(batch, player, 9)
            assert (again.new, again.became_complete, again.progress) == (False, False, last.progress)

    @pytest.mark.parametrize("stage", ALL)
    def test_a_batch_that_expects_nobody_is_complete_from_the_beginning(self, lab: Lab, stage: CompletionStage) -> None:
        progress = lab.progress(lab.batch(stage, 0), stage)
        assert (progress.is_complete, progress.completed, progress.percent) == (True, 0, 100.0)
        assert progress.completion_time == progress.start_time

    @pytest.mark.parametrize("stage", ARRAY)
    def test_the_array_has_the_player_where_it_is_written(self, lab: Lab, stage: CompletionStage) -> None:
        batch = lab.batch(stage, 2)
        lab.tracker(stage).record_completion(batch, "a", 1)
        assert lab.raw(batch)["completed_players"] == ["a"]

    @pytest.mark.parametrize("stage", DOCUMENTS)
    def test_a_completion_is_a_document_with_its_payload(self, lab: Lab, stage: CompletionStage) -> None:
        batch = lab.batch(stage, 2)
        lab.tracker(stage).record_completion(batch, "a", 4)
        document = lab.store.get(f"prediction_batches/{batch}/completions/a")
        assert document is not None
        assert set(document.data) == {"player_lookup", "completed_at", "predictions_count"}
        assert (document.data["player_lookup"], document.data["predictions_count"]) == ("a", 4)
        assert abs((document.data["completed_at"] - document.update_time).total_seconds()) < 1

    def test_nothing_is_written_where_the_stage_has_no_place_for_it(self, lab: Lab) -> None:
        batch = lab.batch(CompletionStage.LEGACY, 2)
        lab.tracker(CompletionStage.LEGACY).record_completion(batch, "a", 4)
        assert lab.completions(batch) == []
        assert lab.raw(batch)["predictions_by_player"] == {"a": 4}
        late = lab.batch(CompletionStage.CLEANED, 2)
        lab.tracker(CompletionStage.CLEANED).record_completion(late, "a", 4)
        assert "completed_players" not in lab.raw(late)

    @pytest.mark.parametrize("stage", ALL)
    def test_inv_06_a_completion_of_a_batch_that_is_not_there_raises_and_leaves_nothing(
        self, lab: Lab, stage: CompletionStage
    ) -> None:
        tracker = lab.tracker(stage)
        for call in (
            lambda: tracker.record_completion("no-such-batch", "a", 1),
            lambda: tracker.record_failure("no-such-batch", "a"),
            lambda: tracker.progress("no-such-batch"),
            lambda: tracker.complete("no-such-batch"),
        ):
            with pytest.raises(NotFoundError, match="no-such-batch"):
                call()
        assert lab.completions("no-such-batch") == []
        assert lab.store.get("prediction_batches/no-such-batch") is None

    @pytest.mark.parametrize("stage", ALL)
    @pytest.mark.parametrize("shards", [0, 3])
    def test_who_failed_and_completes_later_counts_as_completed_alone(
        self, lab: Lab, stage: CompletionStage, shards: int
    ) -> None:
        batch, tracker = lab.batch(stage, 3, shards=shards), lab.tracker(stage)
        failed = tracker.record_failure(batch, "a")
        assert (failed.new, failed.progress.failed, failed.progress.missing) == (True, ("a",), 2)
        assert not tracker.record_failure(batch, "a").new
        done = tracker.record_completion(batch, "a", 2)
        assert (done.new, done.progress.failed, done.progress.completed) == (True, (), 1)
        assert lab.raw(batch)["failed_players"] == []
        late = tracker.record_failure(batch, "a")
        assert (late.new, late.progress) == (False, done.progress)
        tracker.record_failure(batch, "b")
        assert tracker.record_failure(batch, "c").became_complete
        after = tracker.record_completion(batch, "c", 1)
        assert (after.became_complete, after.progress.completed, after.progress.failed) == (False, 2, ("b",))
        assert lab.counted(batch) == (2, 3)

    @pytest.mark.parametrize("stage", ALL)
    def test_a_batch_is_completed_by_hand_once_and_goes_on_counting(self, lab: Lab, stage: CompletionStage) -> None:
        batch, tracker = lab.batch(stage, 3), lab.tracker(stage)
        tracker.record_completion(batch, "a", 1)
        assert tracker.complete(batch).became_complete
        assert not tracker.complete(batch).became_complete
        late = tracker.record_completion(batch, "b", 1)
        assert (late.new, late.became_complete, late.progress.completed, late.progress.missing) == (True, False, 2, 1)

    @pytest.mark.parametrize("stage", ALL)
    def test_one_more_than_expected_is_counted_and_shown(self, lab: Lab, stage: CompletionStage) -> None:
        batch, tracker = lab.batch(stage, 1), lab.tracker(stage)
        tracker.record_completion(batch, "a", 1)
        more = tracker.record_completion(batch, "b", 1)
        assert (more.new, more.became_complete, more.progress.completed, more.progress.percent) == (True, False, 2, 100)

    @pytest.mark.parametrize("player", STRANGE)
    def test_any_player_id_is_recorded_and_found_again(self, lab: Lab, player: str) -> None:
        for stage in (CompletionStage.LEGACY, CompletionStage.DUAL_WRITE, CompletionStage.CLEANED):
            batch, tracker = lab.batch(stage, 2), lab.tracker(stage)
            tracker.record_failure(batch, player)
            assert tracker.record_completion(batch, player, 1).new
            assert not tracker.record_completion(batch, player, 1).new
            assert lab.progress(batch, stage).completed == 1

    def test_an_id_may_be_as_long_as_a_name(self, lab: Lab) -> None:
        batch, tracker = lab.batch(CompletionStage.DUAL_WRITE, 2), lab.tracker(CompletionStage.DUAL_WRITE)
        assert tracker.record_completion(batch, "x" * 1500, 1).progress.completed == 1
        assert lab.completions(batch) == ["x" * 1500]

    @pytest.mark.parametrize("player", ["", "x" * 1501, "/" * 501, "\ud800"])
    def test_what_cannot_be_an_id_is_refused_and_nothing_recorded(self, lab: Lab, player: str) -> None:
        for stage in (CompletionStage.LEGACY, CompletionStage.DUAL_WRITE, CompletionStage.CLEANED):
            batch, tracker = lab.batch(stage, 2), lab.tracker(stage)
            with pytest.raises(DataError, match="id"):
                tracker.record_completion(batch, player, 1)
            with pytest.raises(DataError, match="id"):
                tracker.record_failure(batch, player)
            assert (lab.completions(batch), lab.counted(batch)) == ([], (0, 0))

    @pytest.mark.parametrize("count", [-1, 1.0, True, None, "1"])
    def test_a_count_that_is_none_is_refused(self, lab: Lab, count: object) -> None:
        batch = lab.batch(CompletionStage.DUAL_WRITE, 2)
        with pytest.raises(DataError, match="predictions_count"):
            lab.tracker(CompletionStage.DUAL_WRITE).record_completion(batch, "a", count)  # type: ignore[arg-type]
        assert lab.completions(batch) == []

    @pytest.mark.parametrize("stage", ALL)
    def test_a_batch_is_begun_twice_only_with_the_same_facts(self, lab: Lab, stage: CompletionStage) -> None:
        from tests.conformance.completions.lab import DAY  # noqa: PLC0415 - the suite imports its parts

        tracker, batch = lab.tracker(stage), lab.batch(stage, 3, shards=2)
        tracker.record_completion(batch, "a", 1)
        again = tracker.create_batch(batch, DAY, 3, f"corr-{batch}", counter_shards=2)
        assert (again.completed, again.expected, again.correlation_id) == (1, 3, f"corr-{batch}")
        for expected, correlation, shards in ((4, f"corr-{batch}", 2), (3, "other", 2), (3, f"corr-{batch}", 0)):
            with pytest.raises(AlreadyExistsError, match=batch):
                tracker.create_batch(batch, DAY, expected, correlation, counter_shards=shards)
        assert lab.counted(batch) == (1, 1)
