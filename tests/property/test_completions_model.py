"""The tracker against a plain set: through the stages, forward and back, with writers one stage behind."""

from __future__ import annotations

import random
from datetime import date
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.retry import NO_RETRY
from nbactl.core.completions.documents import completion_document, completion_path
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.completions.tracker import CompletionTracker, Recorded
from nbactl.errors import AlreadyExistsError
from nbactl.ports.documents import ArrayUnion, Create, Increment, Query, Update
from nbactl.testing import FakeClock, memory_documents
from tests.kit.budget import budget

if TYPE_CHECKING:
    from nbactl.ports.documents import FieldPath

BATCH = "prediction_batches/b"
EXPECTED = 5
PLAYERS = st.sampled_from(["a", "b-c", "d/e", "f.g", "__h__", "é", ".", "%2F"])
LAGGING = st.booleans()
STAGES = list(CompletionStage)


class Completions(RuleBasedStateMachine):
    """`completed` and `failed` are what was recorded, `predictions` what each player came with first."""

    @initialize(shards=st.sampled_from([0, 0, 3]))
    def begin(self, shards: int) -> None:
        self.clock = FakeClock()
        self.store = memory_documents(self.clock)
        self.stage = self.before = CompletionStage.LEGACY
        self.completed: dict[str, int] = {}
        self.failed: set[str] = set()
        self.became_complete = 0
        self.unsettled = False
        self.tracker(CompletionStage.LEGACY).create_batch(
            "b", GameDate(date(2024, 1, 15)), EXPECTED, "corr", counter_shards=shards
        )

    def tracker(self, stage: CompletionStage) -> CompletionTracker:
        return CompletionTracker(
            self.store, self.clock, mode=lambda _: mode_of(stage, {}), acting=30.0, retry=NO_RETRY, rng=random.Random(1)
        )

    def writer(self, *, lagging: bool) -> CompletionTracker:
        return self.tracker(self.before if lagging else self.stage)

    def seen(self, recorded: Recorded) -> None:
        self.became_complete += recorded.became_complete
        self.unsettled = False

    @rule(player=PLAYERS, predictions=st.integers(0, 9), lagging=LAGGING)
    def complete(self, player: str, predictions: int, *, lagging: bool) -> None:
        recorded = self.writer(lagging=lagging).record_completion("b", player, predictions)
        assert recorded.new == (player not in self.completed)
        self.completed.setdefault(player, predictions)
        self.failed.discard(player)
        self.seen(recorded)

    @rule(player=PLAYERS, lagging=LAGGING)
    def fail(self, player: str, *, lagging: bool) -> None:
        recorded = self.writer(lagging=lagging).record_failure("b", player)
        assert recorded.new == (player not in self.completed and player not in self.failed)
        if player not in self.completed:
            self.failed.add(player)
        self.seen(recorded)

    @precondition(lambda self: CompletionStage.LEGACY in (self.stage, self.before))
    @rule(player=PLAYERS, predictions=st.integers(0, 9))
    def complete_by_old_code(self, player: str, predictions: int) -> None:
        """Old code neither looks nor settles; what it counts twice is put right by the backfill."""
        if player in self.completed:
            return
        counted: dict[FieldPath, Any] = {
            "completed_players": ArrayUnion((player,)),
            "completed_count": Increment(1),
            "total_predictions": Increment(predictions),
        }
        self.store.commit([Update(BATCH, counted)])
        self.completed[player] = predictions
        self.failed.discard(player)
        self.unsettled = True

    @rule()
    def forward(self) -> None:
        at = STAGES.index(self.stage)
        if at + 1 < len(STAGES):
            if STAGES[at + 1] is CompletionStage.BACKFILLED:
                self.before = self.stage  # every writer has learnt of dual-write before the backfill ends
                self.backfill()
            self.before, self.stage = self.stage, STAGES[at + 1]

    @precondition(lambda self: self.stage not in (CompletionStage.LEGACY, CompletionStage.CLEANED))
    @rule()
    def back(self) -> None:
        at = STAGES.index(self.stage)
        if STAGES[at - 1] in (CompletionStage.VALIDATED, CompletionStage.READS_SWITCHED):
            ids = [document.data["player_lookup"] for document in self.store.query(Query(f"{BATCH}/completions"))]
            self.store.commit([Update(BATCH, {"completed_players": ArrayUnion(tuple(ids))})])
        self.before, self.stage = self.stage, STAGES[at - 1]
        if self.stage is CompletionStage.READS_SWITCHED:
            self.before = self.stage  # whoever still wrote the subcollection alone was waited for, then filled in

    def backfill(self) -> None:
        for player, predictions in self.completed.items():
            try:
                self.store.commit([Create(completion_path("b", player), completion_document(player, predictions))])
            except AlreadyExistsError:
                continue

    @invariant()
    def both_say_the_same(self) -> None:
        progress = self.tracker(self.stage).progress("b")
        assert progress.completed == len(self.completed)
        assert set(progress.failed) == self.failed
        assert progress.predictions == sum(self.completed.values())
        assert self.became_complete == progress.is_complete
        if not self.unsettled:
            assert progress.is_complete or not progress.is_due


Completions.TestCase.settings = budget(120, steps=30)
TestCompletions = Completions.TestCase
