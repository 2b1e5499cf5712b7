"""Batches of every size that production could have, and those that it would refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.core.completions.stages import CompletionStage
from nbactl.ports.document_rules import MAX_DOCUMENT_BYTES, document_bytes
from nbactl.ports.documents import Set
from tests.acceptance.completions_story import ALL
from tests.kit.budget import THOROUGH
from tests.proof.old_code import BATCHES, old_batch

if TYPE_CHECKING:
    from tests.acceptance.completions_story import Story

SIZES = [0, 1, 258, 1_000, *([10_000, 40_000] if THOROUGH else [])]
"""The batch near the limit of a document has more than 10,000 in every run."""


def leave(story: Story, batch: str, players: list[str]) -> None:
    """Leave a batch as the code before wrote it, all at once."""
    document = old_batch(batch, "2024-01-15", len(players) + 1)
    document |= {"completed_players": players, "completed_count": len(players), "total_predictions": 0}
    story.service.documents.commit([Set(f"{BATCHES}/{batch}", document)])


def go_to(story: Story, stage: CompletionStage) -> None:
    """Take the operator's steps, each on its day."""
    story.start_dual_write()
    story.backfill()
    story.validate()
    story.day(8)
    story.switch_reads()
    if stage is CompletionStage.CLEANED:
        story.day(15)
        story.stop_dual_write()
        story.day(30)
        story.clean_up()


@pytest.mark.timeout(600)
def test_batches_of_every_size_move_and_go_on(story: Story) -> None:
    for size in SIZES:
        leave(story, f"batch-{size}", [f"p{number}" for number in range(size)])
    go_to(story, CompletionStage.CLEANED)
    tracker, store = story.service.completions, story.service.documents
    for size in SIZES:
        assert tracker.progress(f"batch-{size}").completed == size
        assert sum(1 for _ in store.list_ids(f"{BATCHES}/batch-{size}/completions")) == size
        last = tracker.record_completion(f"batch-{size}", "the last one", 3)
        assert (last.new, last.became_complete, last.progress.completed) == (True, True, size + 1)
    assert story.migration.compare(ALL, story.caller).consistent


def test_a_document_near_the_limit_moves_and_its_batch_can_grow_again(story: Story) -> None:
    players = [f"{number:06d}-{'x' * 91}" for number in range(10_580)]
    leave(story, "near", players)
    stored = story.service.documents.get(f"{BATCHES}/near")
    assert stored is not None
    assert 0.98 * MAX_DOCUMENT_BYTES < document_bytes(stored.path, stored.data) < MAX_DOCUMENT_BYTES
    risks = {(risk.kind, risk.severity) for risk in story.migration.plan(ALL, 500.0, story.caller).risks}
    assert ("document_size", "warning") in risks
    go_to(story, CompletionStage.CLEANED)
    tracker, store = story.service.completions, story.service.documents
    assert sum(1 for _ in store.list_ids(f"{BATCHES}/near/completions")) == len(players)
    late = [tracker.record_completion("near", f"late-{number}-{'y' * 90}", 1) for number in range(300)]
    assert [did.became_complete for did in late] == [True, *[False] * 299]
    assert tracker.progress("near").completed == len(players) + 300
    assert story.migration.compare(ALL, story.caller).consistent


def test_an_array_that_production_refuses_is_found_before_anything_moves(story: Story) -> None:
    leave(story, "refused", [f"p{number}" for number in range(40_001)])
    leave(story, "fine", ["p1"])
    story.catch_up()
    plan = story.migration.plan(ALL, 500.0, story.caller)
    critical = {(risk.batch, risk.kind) for risk in plan.risks if risk.severity == "critical"}
    assert critical == {("refused", "index_entries")}
    assert story.stage is CompletionStage.LEGACY
