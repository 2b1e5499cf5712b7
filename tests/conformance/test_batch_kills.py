"""Coordinator and worker are killed with SIGKILL at each named instant; the messages that they had come again."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.conformance.batch_killed import live, night
from tests.kit.prediction_night import BATCH
from tests.kit.warm import run_module

if TYPE_CHECKING:
    from tests.kit.engines import Engine

STATS = ("assists", "points", "rebounds")
POINTS = [
    "coordinator.created",
    "coordinator.published",
    "coordinator.checkpointed",
    "worker.staged",
    "worker.announced",
    "worker.failed",
    "worker.failure_recorded",
    "completions.recorded=kill@2",
    "coordinator.read",
    "coordinator.merged",
    "coordinator.consolidated",
]


@pytest.mark.needs("processes")
class TestBatchKills:
    @pytest.mark.parametrize("point", POINTS)
    def test_inv_20_a_batch_that_was_interrupted_ends_once_with_every_player(self, engine: Engine, point: str) -> None:
        fault = point if "=" in point else f"{point}=kill"
        killed = run_module("tests.conformance.batch_killed", engine.as_text(), fault)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        next_one = night(engine.as_text())
        live(next_one)
        next_one.coordinator.sweep()
        assert next_one.merged() == [f"{name}-{stat}" for name in ("ada", "bob") for stat in STATS]
        progress = next_one.tracker.progress(BATCH)
        assert (progress.completed, progress.failed, progress.predictions) == (2, ("rookie",), 6)
        [completion] = next_one.announced()
        assert (completion["status"], completion["record_count"]) == ("partial", 6)
        assert next_one.merges() == (2 if point == "coordinator.merged" else 1)
        next_one.store.close()
