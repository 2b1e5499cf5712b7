"""Conformance: a recorder is killed with SIGKILL, and its message is delivered again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from abc import abstractmethod
from typing import TYPE_CHECKING

import pytest

from nbactl.core.completions.stages import CompletionStage
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.completions import Lab

# In the order in which a recorder that completes a batch passes them.
POINTS = [
    "documents.before_commit",
    "documents.after_commit",
    "completions.recorded",
    "completions.before_finish",
    "documents.before_commit=kill@2",
    "documents.after_commit=kill@2",
]
RECORD = """
import random, sys
from pathlib import Path
from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.core.completions.stages import mode_of
from nbactl.core.completions.stages import CompletionStage
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.core.calls.retry import NO_RETRY

batch, stage, fault = sys.argv[1:]
faults.arm_from_environment(fault)
{store}
tracker = CompletionTracker(
    store, SystemClock(), mode=lambda _: mode_of(CompletionStage(stage), {{}}), acting=30.0, retry=NO_RETRY,
    rng=random.Random(1),
)
tracker.record_completion(batch, "a", 5)
"""


class Kills:
    """What is left of a recorder that dies, and what the next one makes of it."""

    @abstractmethod
    def store_code(self, place: Path) -> str:
        """Return Python that makes `store`, a client of `place`."""

    @pytest.mark.parametrize("point", POINTS)
    @pytest.mark.parametrize(
        "stage", [CompletionStage.DUAL_WRITE, CompletionStage.READS_SWITCHED, CompletionStage.CLEANED]
    )
    def test_inv_02_a_killed_recorder_leaves_both_or_neither_and_the_next_delivery_counts_once(
        self, lab: Lab, tmp_path: Path, stage: CompletionStage, point: str
    ) -> None:
        batch = lab.batch(stage, 1)
        fault = point if "=" in point else f"{point}=kill"
        killed = subprocess.run(
            [sys.executable, "-c", RECORD.format(store=self.store_code(tmp_path)), batch, stage, fault],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            timeout=60,
            check=False,
        )
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
