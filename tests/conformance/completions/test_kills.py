"""Conformance: a recorder is killed with SIGKILL, and its message is delivered again."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from nbactl.core.completions.stages import CompletionStage
from tests.kit.warm import run_module

if TYPE_CHECKING:
    from tests.conformance.completions.lab import Lab
    from tests.kit.engines import Engine

# In the order in which a recorder that completes a batch passes them.
POINTS = [
    "documents.before_commit",
    "documents.after_commit",
    "completions.recorded",
    "completions.before_finish",
    "documents.before_commit=kill@2",
    "documents.after_commit=kill@2",
]


@pytest.mark.needs("processes")
class TestKills:
    """What is left of a recorder that dies, and what the next one makes of it."""

    @pytest.mark.parametrize("point", POINTS)
    @pytest.mark.parametrize(
        "stage", [CompletionStage.DUAL_WRITE, CompletionStage.READS_SWITCHED, CompletionStage.CLEANED]
    )
    def test_inv_02_a_killed_recorder_leaves_both_or_neither_and_the_next_delivery_counts_once(
        self, lab: Lab, engine: Engine, stage: CompletionStage, point: str
    ) -> None:
        batch = lab.batch(stage, 1)
        fault = point if "=" in point else f"{point}=kill"
        killed = run_module("tests.conformance.completions.record_killed", engine.as_text(), batch, stage.value, fault)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        done = point != POINTS[0]
        assert lab.completions(batch) == (["a"] if done else [])
        assert lab.counted(batch) == ((1, 5) if done else (0, 0))
        if stage is not CompletionStage.CLEANED:
            assert lab.raw(batch)["completed_players"] == (["a"] if done else [])
        assert lab.raw(batch)["is_complete"] == (point == POINTS[-1])
        again = lab.tracker(stage).record_completion(batch, "a", 5)
        assert (again.new, again.became_complete) == (not done, point != POINTS[-1])
        assert (again.progress.completed, again.progress.predictions, again.progress.is_complete) == (1, 5, True)
        assert lab.counted(batch) == (1, 5)
