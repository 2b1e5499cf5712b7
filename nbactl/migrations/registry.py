"""The migrations that there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nbactl.core.completions.stages import CompletionStage


@dataclass(frozen=True, slots=True)
class Entry:
    """A migration: its name, what it moves, and its stages in their order."""

    name: str
    summary: str
    stages: tuple[str, ...]


MIGRATIONS: Final = (
    Entry(
        "completions",
        "Completions of prediction batches, from the array in the batch to documents of their own.",
        tuple(stage.value for stage in CompletionStage),
    ),
)
