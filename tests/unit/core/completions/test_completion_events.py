"""What the instrumentation hook is told of completions, after they are durable."""

from __future__ import annotations

import random

import pytest

from nbactl.core.calls.retry import NO_RETRY
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.errors import NotFoundError
from nbactl.testing import FakeClock, memory_documents
from tests.conformance.completions.lab import DAY


@pytest.mark.parametrize("stage", list(CompletionStage))
def test_each_player_is_announced_once_as_recorded_and_the_batch_once_as_complete(stage: CompletionStage) -> None:
    heard: list[str] = []
    clock = FakeClock()
    tracker = CompletionTracker(
        memory_documents(clock),
        clock,
        mode=lambda _: mode_of(stage, {}),
        acting=30.0,
        retry=NO_RETRY,
        rng=random.Random(1),
        hook=lambda event: heard.append(f"{event.kind} {event.name}"),
    )
    with pytest.raises(NotFoundError):
        tracker.record_completion("b", "lukadoncic", 5)
    assert heard == []
    tracker.create_batch("b", DAY, 2, "corr")
    for _ in range(2):
        tracker.record_completion("b", "lukadoncic", 5)
    tracker.record_failure("b", "lukadoncic")  # of one who has completed nothing is changed
    for _ in range(2):
        tracker.record_failure("b", "lebronjames")
        tracker.complete("b")
    complete = [event for event in heard if event.startswith("completions.batch_complete")]
    assert complete == ["completions.batch_complete b"]
    assert [event for event in heard if event not in complete] == [
        "completions.recorded b",
        "completions.duplicate b",
        "completions.failed b",
    ]
