"""Conformance: old programs write only the array, count messages twice, and add fields of theirs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.completions.stages import CompletionStage
from nbactl.ports.documents import DELETE_FIELD, Update
from tests.conformance.completions.test_stored import old_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.documents import DocumentStore, Write
    from tests.conformance.completions.lab import Lab

ALL = list(CompletionStage)
SUBCOLLECTION = [stage for stage in ALL if stage is not CompletionStage.LEGACY]
READS_IT = [CompletionStage.READS_SWITCHED, CompletionStage.DUAL_WRITE_STOPPED]
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


class Overtaken:
    """A store in which `first` happens before each commit, `times` times."""

    def __init__(self, store: DocumentStore, first: Any, times: int = 1) -> None:
        self._store = store
        self._first = first
        self._left = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, writes: list[Write]) -> Any:
        if self._left:
            self._left -= 1
            self._first()
        return self._store.commit(writes)


class TestArrayOnlyWriters:
    """A writer that was held up over a step, or that knows of no migration at all."""

    @pytest.mark.parametrize("stage", SUBCOLLECTION)
    def test_inv_01_whom_an_array_only_writer_counted_is_not_counted_again(
        self, lab: Lab, stage: CompletionStage
    ) -> None:
        batch = lab.batch(CompletionStage.LEGACY, 2)
        old_code(lab, batch, "a", 3)
        again = lab.tracker(stage).record_completion(batch, "a", 3)
        assert (again.new, again.became_complete, again.progress.completed) == (False, False, 1)
        assert (lab.counted(batch), lab.completions(batch)) == ((1, 3), ["a"])

    @pytest.mark.parametrize("stage", [*SUBCOLLECTION[:4], *READS_IT])
    def test_inv_01_an_array_only_write_between_look_and_commit_counts_once(
        self, lab: Lab, stage: CompletionStage
    ) -> None:
        batch = lab.batch(CompletionStage.LEGACY, 2)
        between: Any = Overtaken(lab.store, lambda: old_code(lab, batch, "a", 3))
        recorded = lab.tracker(stage, between).record_completion(batch, "a", 3)
        assert (recorded.new, recorded.progress.completed, lab.counted(batch)) == (False, 1, (1, 3))

    @pytest.mark.parametrize("stage", READS_IT)
    def test_inv_01_messages_that_old_code_counts_twice_do_not_complete_a_batch(
        self, lab: Lab, stage: CompletionStage
    ) -> None:
        batch, tracker = lab.batch(CompletionStage.DUAL_WRITE, 3), lab.tracker(stage)
        tracker.record_completion(batch, "a", 1)
        for _ in range(3):
            old_code(lab, batch, "b", 1)
        again = tracker.record_completion(batch, "a", 1)
        assert (again.became_complete, again.progress.completed, again.progress.missing) == (False, 2, 1)
        last = tracker.record_completion(batch, "c", 1)
        assert (last.became_complete, last.progress.missing) == (True, 0)

    @pytest.mark.parametrize("stage", READS_IT)
    def test_who_failed_and_was_completed_by_old_code_is_no_failure(self, lab: Lab, stage: CompletionStage) -> None:
        batch, tracker = lab.batch(CompletionStage.DUAL_WRITE, 2), lab.tracker(stage)
        tracker.record_failure(batch, "a")
        old_code(lab, batch, "a", 1)
        progress = tracker.progress(batch)
        assert (progress.completed, progress.failed, progress.missing) == (1, (), 1)

    @pytest.mark.parametrize("key", ["o'neal.jr", "a/b", "100%"])
    @pytest.mark.parametrize("stage", SUBCOLLECTION)
    def test_a_second_completion_leaves_the_payload_of_the_first_on_both_sides(
        self, lab: Lab, stage: CompletionStage, key: str
    ) -> None:
        by_tracker, by_old_code = (lab.batch(CompletionStage.LEGACY, 2) for _ in range(2))
        lab.tracker(CompletionStage.LEGACY).record_completion(by_tracker, key, 3)
        old_code(lab, by_old_code, key, 3)
        path = f"prediction_batches/{by_old_code}"
        lab.store.commit([Update(path, {("predictions_by_player", key): 3})])
        for batch in (by_tracker, by_old_code):
            noted = lab.raw(batch)["predictions_by_player"]
            assert not lab.tracker(stage).record_completion(batch, key, 9).new
            (name,) = lab.completions(batch)
            document = lab.store.get(f"prediction_batches/{batch}/completions/{name}")
            assert document is not None
            assert (document.data["predictions_count"], document.data["player_lookup"]) == (3, key)
            assert lab.raw(batch)["predictions_by_player"] == noted
            assert lab.counted(batch) == (1, 3)

    def test_a_payload_that_nobody_noted_stays_unknown(self, lab: Lab) -> None:
        batch = lab.batch(CompletionStage.LEGACY, 2)
        old_code(lab, batch, "a", 3)
        lab.tracker(CompletionStage.DUAL_WRITE).record_completion(batch, "a", 9)
        document = lab.store.get(f"prediction_batches/{batch}/completions/a")
        assert document is not None
        assert document.data["predictions_count"] is None


class TestTheirFields:
    """What old programs write beside ours, leave out, and read of ours."""

    @pytest.mark.parametrize("stage", ALL)
    @pytest.mark.parametrize("shards", [0, 3])
    def test_every_change_of_a_batch_is_dated(self, lab: Lab, stage: CompletionStage, shards: int) -> None:
        batch, tracker = lab.batch(stage, 4, shards=shards), lab.tracker(stage)
        changes: list[Callable[[], object]] = [
            lambda: tracker.record_completion(batch, "a", 1),
            lambda: tracker.record_failure(batch, "b"),
            lambda: tracker.record_completion(batch, "b", 1),
            lambda: tracker.complete(batch),
        ]
        assert lab.raw(batch)["updated_at"] == lab.raw(batch)["start_time"]
        for change in changes:
            lab.store.commit([Update(f"prediction_batches/{batch}", {"updated_at": LONG_AGO})])
            change()
            assert datetime.now(UTC) - lab.raw(batch)["updated_at"] < timedelta(minutes=5)

    def test_a_sharded_batch_is_dated_now_and_then(self, lab: Lab) -> None:
        batch, tracker = lab.batch(CompletionStage.CLEANED, 9, shards=3), lab.tracker(CompletionStage.CLEANED)
        before = lab.raw(batch)["updated_at"]
        tracker.record_completion(batch, "a", 1)
        assert lab.raw(batch)["updated_at"] == before

    @pytest.mark.parametrize("stage", ALL)
    def test_predictions_that_subcollection_only_writers_counted_count(self, lab: Lab, stage: CompletionStage) -> None:
        batch, tracker = lab.batch(stage, 2), lab.tracker(stage)
        tracker.record_completion(batch, "a", 3)
        lab.store.commit([Update(f"prediction_batches/{batch}", {"total_predictions_subcoll": 4})])
        assert tracker.progress(batch).predictions == 7
        assert lab.batches(stage).entry(batch).progress == tracker.progress(batch)
        assert tracker.record_completion(batch, "b", 2).progress.predictions == 9

    @pytest.mark.parametrize("stage", ALL)
    def test_a_batch_without_counters_is_counted_from_what_it_holds(self, lab: Lab, stage: CompletionStage) -> None:
        first = CompletionStage.LEGACY if stage in {CompletionStage.LEGACY, CompletionStage.DUAL_WRITE} else stage
        batch, tracker = lab.batch(first, 3), lab.tracker(stage)
        lab.tracker(first).record_completion(batch, "a", 3)
        lacking: dict[Any, Any] = dict.fromkeys(("completed_count", "total_predictions"), DELETE_FIELD)
        lab.store.commit([Update(f"prediction_batches/{batch}", lacking)])
        known = 3 if "predictions_by_player" in lab.raw(batch) else 0
        assert (tracker.progress(batch).completed, tracker.progress(batch).predictions) == (1, known)
        second = tracker.record_completion(batch, "b", 2)
        assert (second.new, second.progress.completed, second.progress.predictions) == (True, 2, known + 2)
        assert lab.counted(batch) == (2, known + 2)
