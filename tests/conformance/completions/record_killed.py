"""A process that records one completion, and dies at a fault point: STORE BATCH STAGE FAULT."""

from __future__ import annotations

import random
import sys

from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.retry import NO_RETRY
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.completions.tracker import CompletionTracker
from tests.kit.engines import open_engine


def main(store: str, batch: str, stage: str, fault: str) -> None:
    """Record that player a of the batch is done."""
    faults.arm_from_environment(fault)
    tracker = CompletionTracker(
        open_engine(store),
        SystemClock(),
        mode=lambda _: mode_of(CompletionStage(stage), {}),
        acting=30.0,
        retry=NO_RETRY,
        rng=random.Random(1),
    )
    tracker.record_completion(batch, "a", 5)


if __name__ == "__main__":
    main(*sys.argv[1:])
