"""Conformance: finding, listing and looking through batches."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import NotFoundError, UsageError
from nbactl.ports.documents import DELETE_FIELD, Update

if TYPE_CHECKING:
    from tests.conformance.completions.lab import Lab

DAY, NEXT = GameDate(date(2024, 1, 15)), GameDate(date(2024, 1, 16))
QUARTER = timedelta(minutes=15)


def begin(lab: Lab, batch_id: str, day: GameDate = DAY, expected: int = 2, shards: int = 0) -> str:
    lab.tracker(CompletionStage.CLEANED).create_batch(batch_id, day, expected, "corr", counter_shards=shards)
    return batch_id


class TestListing:
    """What is said of many batches."""

    def test_batches_are_listed_last_begun_first_and_by_date_and_state(self, lab: Lab) -> None:
        for batch_id, day in (("one", DAY), ("two", NEXT), ("three", DAY)):
            begin(lab, batch_id, day)
        lab.tracker(CompletionStage.CLEANED).complete("three")
        batches = lab.batches(CompletionStage.CLEANED)
        assert [each.batch_id for each in batches.list()] == ["three", "two", "one"]
        assert [each.batch_id for each in batches.list(limit=2)] == ["three", "two"]
        assert [each.batch_id for each in batches.list(date=DAY)] == ["three", "one"]
        assert [each.batch_id for each in batches.list(incomplete=True)] == ["two", "one"]
        assert [each.batch_id for each in batches.list(date=DAY, incomplete=True, limit=1)] == ["one"]

    def test_a_batch_that_cannot_be_read_is_listed_with_its_error(self, lab: Lab) -> None:
        begin(lab, "good")
        begin(lab, "bad")
        lab.store.commit([Update("prediction_batches/bad", {"expected_players": "many"})])
        bad, good = lab.batches(CompletionStage.CLEANED).list()
        assert (good.error, good.progress and good.progress.expected) == (None, 2)
        assert (bad.batch_id, bad.progress) == ("bad", None)
        assert "prediction_batches/bad: expected_players" in str(bad.error)

    def test_batches_without_a_start_are_named_where_they_cannot_be_listed(self, lab: Lab) -> None:
        begin(lab, "good")
        begin(lab, "bad")
        lab.store.commit([Update("prediction_batches/bad", {"start_time": DELETE_FIELD})])
        batches = lab.batches(CompletionStage.CLEANED)
        assert [each.batch_id for each in batches.list()] == ["good"]
        assert [each.batch_id for each in batches.unlisted()] == ["bad"]
        assert [each.batch_id for each in batches.list(date=DAY)] == ["good", "bad"]

    def test_a_batch_is_found_by_name_by_its_beginning_and_as_last(self, lab: Lab) -> None:
        for batch_id in ("2024-01-15-a", "2024-01-15", "2024-01-16/b"):
            begin(lab, batch_id)
        batches = lab.batches(CompletionStage.CLEANED)
        assert batches.find("2024-01-15") == "2024-01-15"
        assert batches.find("2024-01-15-") == "2024-01-15-a"
        assert batches.find("2024-01-16") == batches.find("last") == "2024-01-16/b"
        with pytest.raises(UsageError, match="3 batches begin with 2024"):
            batches.find("2024")
        with pytest.raises(NotFoundError) as missed:
            batches.find("2024-01-15-b")
        assert missed.value.next_step == "Did you mean '2024-01-15-a'?"

    def test_an_empty_store_has_no_last_batch(self, lab: Lab) -> None:
        batches = lab.batches(CompletionStage.LEGACY)
        assert (batches.list(), batches.unlisted()) == ([], [])
        with pytest.raises(NotFoundError, match="there are no batches yet"):
            batches.find("last")

    @pytest.mark.parametrize("shards", [0, 2])
    def test_a_batch_stalls_when_nothing_is_recorded_for_the_time(self, lab: Lab, shards: int) -> None:
        tracker = lab.tracker(CompletionStage.CLEANED)
        begin(lab, "quiet", shards=shards)
        begin(lab, "done", shards=shards)
        tracker.complete("done")
        tracker.record_failure("quiet", "b")
        tracker.record_completion("quiet", "a", 1)
        began = datetime.now(UTC)
        assert lab.tracker(CompletionStage.CLEANED).stalled(began, QUARTER) == []
        begin(lab, "short", expected=3, shards=shards)
        tracker.record_completion("short", "a", 1)
        later = datetime.now(UTC) + QUARTER
        stalled = tracker.stalled(later, QUARTER)
        assert [each.batch_id for each in stalled] == ["short"]
        completion = lab.store.get("prediction_batches/short/completions/a")
        assert completion is not None
        assert stalled[0].last_change >= completion.data["completed_at"]
        progress = stalled[0].progress
        assert progress is not None
        assert (progress.missing, progress.failed) == (2, ())
        assert tracker.stalled(stalled[0].last_change + QUARTER - timedelta(milliseconds=5), QUARTER) == []

    def test_a_batch_that_cannot_be_read_counts_as_stalled(self, lab: Lab) -> None:
        begin(lab, "bad")
        lab.store.commit([Update("prediction_batches/bad", {"completed_count": -1})])
        (entry,) = lab.tracker(CompletionStage.CLEANED).stalled(datetime.now(UTC), QUARTER)
        assert (entry.batch_id, entry.progress) == ("bad", None)
