from __future__ import annotations

import random
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.completions.documents import completion_path
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.errors import TimedOutError
from nbactl.testing import FakeClock, memory_documents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.core.completions.stages import CompletionMode

ACTING = 10.0


def tracker(clock: FakeClock, stages: Sequence[CompletionStage], held_up: float) -> CompletionTracker:
    """A tracker that is held up for so many seconds after it learned of each stage but the last."""
    left = list(stages)

    def mode(_: str) -> CompletionMode:
        stage = left.pop(0) if len(left) > 1 else left[0]
        if len(left) > 1 or stage is not stages[-1]:
            clock.advance(held_up)
        return mode_of(stage, {})

    policy = RetryPolicy("test", attempts=3, base=0.1, cap=0.1)
    return CompletionTracker(
        memory_documents(clock), clock, mode=mode, acting=ACTING, retry=policy, rng=random.Random(1)
    )


@pytest.mark.parametrize(("held_up", "as_of"), [(9.0, CompletionStage.LEGACY), (11.0, CompletionStage.DUAL_WRITE)])
def test_inv_02_a_writer_that_was_held_up_looks_at_the_stage_again(held_up: float, as_of: CompletionStage) -> None:
    clock = FakeClock()
    held = tracker(clock, [CompletionStage.LEGACY, CompletionStage.DUAL_WRITE], held_up)
    store = held._store
    ready = CompletionTracker(
        store,
        clock,
        mode=lambda _: mode_of(CompletionStage.LEGACY, {}),
        acting=ACTING,
        retry=RetryPolicy("test"),
        rng=random.Random(1),
    )
    ready.create_batch("b", GameDate(date(2024, 1, 15)), 2, "corr")
    assert held.record_completion("b", "ann", 3).new
    written = store.get(completion_path("b", "ann"))
    assert (written is not None) == (as_of is CompletionStage.DUAL_WRITE)
    assert held.progress("b").completed == 1


def test_a_writer_that_is_always_held_up_says_so() -> None:
    clock = FakeClock()

    def mode(_: str) -> CompletionMode:
        clock.advance(11.0)
        return mode_of(CompletionStage.CLEANED, {})

    policy = RetryPolicy("test", attempts=3, base=0.1, cap=0.1)
    slow = CompletionTracker(
        memory_documents(clock), clock, mode=mode, acting=ACTING, retry=policy, rng=random.Random(1)
    )
    with pytest.raises(TimedOutError, match="no time is left for a commit by the stage"):
        slow.create_batch("b", GameDate(date(2024, 1, 15)), 2, "corr")
