"""The production sequence: dual-write on day 1, reads on 8, stop on 15, clean-up on 30, and every way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import PreconditionError
from nbactl.migrations.completions.export import read_export
from tests.kit.budget import THOROUGH

if TYPE_CHECKING:
    from tests.acceptance.completions_story import Story

REVERSIBLE = [stage for stage in CompletionStage if stage not in {CompletionStage.LEGACY, CompletionStage.CLEANED}]


def test_the_production_sequence_loses_nobody(story: Story) -> None:
    story.night(old_code=True)
    story.all_is_right()
    story.forward_to(CompletionStage.CLEANED, from_day=0, old_code=True)
    assert story.arrays() == []
    [export] = (story.folder / "state" / "migrations").glob("*cleanup*.jsonl")
    assert len(read_export(export)) > 0
    with pytest.raises(PreconditionError, match="cannot be rolled back"):
        story.migration.roll_back(story.caller)


@pytest.mark.parametrize(
    ("story", "furthest"),
    [
        *(("sqlite", stage) for stage in REVERSIBLE),
        # The way back from the last stage leads through all others: the emulator takes that one.
        *(("firestore", stage) for stage in (REVERSIBLE if THOROUGH else REVERSIBLE[-1:])),
    ],
    indirect=["story"],
)
def test_there_is_a_way_back_at_every_point(story: Story, furthest: CompletionStage) -> None:
    story.night(old_code=True)
    story.forward_to(furthest, from_day=0, old_code=True)
    story.back_to_legacy()
    story.forward_to(CompletionStage.CLEANED, from_day=40, old_code=True)
    assert story.arrays() == []


@pytest.mark.parametrize("story", ["sqlite"], indirect=True)
@pytest.mark.parametrize("step", ["switch_reads", "stop_dual_write", "clean_up"])
def test_a_step_before_its_day_is_refused(story: Story, step: str) -> None:
    story.night(old_code=False)
    before = {"switch_reads": "BACKFILLED", "stop_dual_write": "READS_SWITCHED", "clean_up": "DUAL_WRITE_STOPPED"}
    story.forward_to(CompletionStage[before[step]], from_day=0, old_code=False)
    with pytest.raises(PreconditionError, match="refused"):
        getattr(story.migration, step)(story.caller)
