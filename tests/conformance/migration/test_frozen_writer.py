"""A writer that is frozen (SIGSTOP) between its look and its commit, for longer than the settle time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.aio import Cancellation
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.bulk import BulkWriter
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.completions.stages import CompletionStage, StageReader, mode_in_force
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.core.lease.leases import Leases
from nbactl.migrations.completions.migration import Caller, CompletionsMigration
from nbactl.migrations.completions.selection import Selection
from nbactl.migrations.model import Operator
from tests.kit.migration import LIMITS
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore
    from tests.kit.engines import Engine

SETTLE = 0.3
WRITER = """
import os, random, signal, sys
from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.completions.stages import StageReader, mode_in_force
from nbactl.core.completions.tracker import CompletionTracker
from tests.kit.engines import open_engine


class Frozen:
    # Freezes the process on the way to its first commit: everything is decided, nothing is sent.
    def __init__(self, store):
        self._store, self._left = store, 1

    def __getattr__(self, name):
        return getattr(self._store, name)

    def commit(self, writes):
        if self._left:
            self._left = 0
            os.kill(os.getpid(), signal.SIGSTOP)
        return self._store.commit(writes)


store, clock = Frozen(open_engine(sys.argv[1])), SystemClock()
tracker = CompletionTracker(
    store, clock, mode=mode_in_force(StageReader(store, clock, ttl=0.05), {}), acting=100.0,  # not over while frozen
    retry=RetryPolicy("test", attempts=20, base=0.01, cap=0.1), rng=random.Random(1),
)
tracker.record_completion("b", "ann", 5)
"""


def tracker(store: DocumentStore) -> CompletionTracker:
    clock = SystemClock()
    return CompletionTracker(
        store,
        clock,
        mode=mode_in_force(StageReader(store, clock, ttl=0.0), {}),
        acting=10.0,
        retry=RetryPolicy("test", attempts=20, base=0.01, cap=0.1),
        rng=random.Random(1),
    )


class Operating:
    """The steps of an operator, with a settle time that a test can wait for."""

    def __init__(self, store: DocumentStore, folder: Path) -> None:
        clock = SystemClock()
        self.caller = Caller(Operator("ada@host"), lambda _: None, Cancellation())
        self.migration = CompletionsMigration(
            store,
            clock,
            Leases(store, clock),
            owner=lambda: "operator",
            project="local",
            limits=replace(LIMITS, settle=SETTLE, reads_bake=0.0, second_look=0.01, recheck=0.01),
            bulk_writer=lambda _: BulkWriter(
                store, retry=RetryPolicy("test", attempts=5, base=0.01), clock=clock, rng=random.Random(2)
            ),
            exports=folder,
        )

    def start_dual_write(self) -> None:
        self.migration.start_dual_write(self.caller)
        time.sleep(SETTLE + 0.05)

    def switch_reads(self) -> None:
        self.migration.backfill(Selection(), self.caller)
        self.migration.validate(Selection(), self.caller)
        self.migration.switch_reads(self.caller)
        time.sleep(SETTLE + 0.05)

    def stop_dual_write(self) -> None:
        self.migration.validate(Selection(), self.caller)
        self.migration.stop_dual_write(self.caller)
        time.sleep(SETTLE + 0.05)


def frozen_writer(engine: Engine) -> subprocess.Popen[bytes]:
    """Start the writer, and return when it is frozen."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, engine.as_text()], cwd=ROOT, env={**os.environ, **engine.environment()}
    )
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), status
    return process


@pytest.mark.needs("processes")
@pytest.mark.parametrize("frozen_over", ["the switch", "the stop as well"])
def test_inv_01_a_write_of_the_array_that_comes_after_the_switch_is_counted_once(
    engine: Engine, tmp_path: Path, frozen_over: str
) -> None:
    with closing(engine.open()) as store:
        day = GameDate.parse("2024-01-15", now=SystemClock().now())
        tracker(store).create_batch("b", day, expected_players=3, correlation_id="c")
        tracker(store).record_completion("b", "bob", 1)
        operating = Operating(store, tmp_path / "exports")
        process = frozen_writer(engine)
        try:
            operating.start_dual_write()
            operating.switch_reads()
            if frozen_over != "the switch":
                operating.stop_dual_write()
            process.send_signal(signal.SIGCONT)
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
        batch = store.get("prediction_batches/b")
        assert batch is not None
        assert batch.data["completed_players"] == ["bob", "ann"], "the late write was not what this test is about"
        assert store.get("prediction_batches/b/completions/ann") is None
        for _ in range(2):
            again = tracker(store).record_completion("b", "ann", 5)
            assert (again.new, again.became_complete, again.progress.completed) == (False, False, 2)
        last = tracker(store).record_completion("b", "cyd", 2)
        assert (last.became_complete, last.progress.completed, last.progress.predictions) == (True, 3, 8)
        document = store.get("prediction_batches/b/completions/ann")
        assert document is not None
        assert document.data["predictions_count"] == 5
        assert operating.migration.stage in {CompletionStage.READS_SWITCHED, CompletionStage.DUAL_WRITE_STOPPED}
        assert operating.migration.compare(Selection(), operating.caller).consistent
