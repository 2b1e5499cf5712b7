"""Conformance: many writers at once, on one player and on one batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from nbactl.core.completions.stages import CompletionStage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.core.completions.tracker import Recorded
    from tests.conformance.completions.lab import Lab

WRITERS = 16
"""Threads that work on one batch at the same time."""
STAGES = [CompletionStage.LEGACY, CompletionStage.DUAL_WRITE, CompletionStage.READS_SWITCHED, CompletionStage.CLEANED]


class TestConcurrency:
    """What holds whoever comes between."""

    def at_once(self, calls: Sequence[Callable[[], Recorded]]) -> list[Recorded]:
        with ThreadPoolExecutor(WRITERS) as pool:
            return list(pool.map(lambda call: call(), calls))

    @pytest.mark.parametrize("stage", STAGES)
    def test_inv_01_300_concurrent_duplicates_count_once(self, lab: Lab, stage: CompletionStage) -> None:
        batch, tracker = lab.batch(stage, 1), lab.tracker(stage)
        done = self.at_once([partial(tracker.record_completion, batch, "a", 7)] * 300)
        assert sum(each.new for each in done) == 1
        assert sum(each.became_complete for each in done) == 1
        assert all(each.progress.completed == 1 for each in done)
        assert lab.counted(batch) == (1, 7)

    @pytest.mark.parametrize(("stage", "shards"), [*[(stage, 0) for stage in STAGES], (CompletionStage.CLEANED, 4)])
    def test_inv_01_a_batch_becomes_complete_once_under_many_writers(
        self, lab: Lab, stage: CompletionStage, shards: int
    ) -> None:
        batch, tracker = lab.batch(stage, 40, shards=shards), lab.tracker(stage)
        players = [f"player{n}" for n in range(40)]
        failing = [partial(tracker.record_failure, batch, player) for player in players[::4]]
        completing = [partial(tracker.record_completion, batch, player, 2) for player in players * 2]
        done = self.at_once([*failing, *completing])
        assert sum(each.became_complete for each in done) == 1
        progress = lab.progress(batch, stage)
        assert (progress.completed, progress.failed, progress.predictions) == (40, (), 80)
        assert lab.counted(batch) == (40, 80)

    @pytest.mark.parametrize("newer", [CompletionStage.DUAL_WRITE, CompletionStage.LEGACY])
    def test_inv_01_writers_one_stage_apart_count_a_player_once(self, lab: Lab, newer: CompletionStage) -> None:
        older = CompletionStage.LEGACY if newer is CompletionStage.DUAL_WRITE else CompletionStage.DUAL_WRITE
        batch = lab.batch(older, 10)
        trackers = [lab.tracker(older), lab.tracker(newer)]
        players = [f"player{n}" for n in range(10)]
        done = self.at_once([partial(each.record_completion, batch, p, 1) for p in players for each in trackers])
        assert sum(each.new for each in done) == 10
        assert lab.counted(batch) == (10, 10)
