"""The stage of the migration from the array to the subcollection, as every writer and reader sees it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from nbactl.core._support.names import did_you_mean
from nbactl.errors import DataError

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import Document, DocumentStore

STAGE_DOCUMENT: Final = "migrations/completions"


class CompletionStage(StrEnum):
    """How far completions have moved, in the order of the steps."""

    LEGACY = "legacy"
    DUAL_WRITE = "dual_write"
    BACKFILLED = "backfilled"
    VALIDATED = "validated"
    READS_SWITCHED = "reads_switched"
    DUAL_WRITE_STOPPED = "dual_write_stopped"
    CLEANED = "cleaned"


class StageReader:
    """Reads the stage, and believes it for `ttl` seconds (`completions.stage_ttl` in timeouts.yaml).

    No writer is further behind than that, which is why a step waits so long before the next one may follow.
    """

    def __init__(self, store: DocumentStore, clock: Clock, *, ttl: float) -> None:
        self._store = store
        self._clock = clock
        self._ttl = ttl
        self._known: tuple[CompletionStage | None, float] | None = None

    def current(self) -> CompletionStage | None:
        """Return the stage, None where no migration was ever begun. Raises DataError for one that is none."""
        known, now = self._known, self._clock.monotonic()
        if known is None or now >= known[1]:
            # What is read counts from before it was asked for: the answer may have been on its way for a while.
            known = self._known = (stage_of(self._store.get(STAGE_DOCUMENT)), now + self._ttl)
        return known[0]


def stage_of(document: Document | None) -> CompletionStage | None:
    """Return the stage that the migration's document holds. Raises DataError for one that is none."""
    if document is None:
        return None
    found = document.data.get("stage")
    try:
        return CompletionStage(str(found))
    except ValueError as error:
        raise DataError(
            f"{document.path} has the stage {found!r}, which is none",
            cause="Whether completions are in the array, in the subcollection or in both cannot be known.",
            next_step=did_you_mean(str(found), [stage.value for stage in CompletionStage]),
            details={"path": document.path, "field": "stage"},
        ) from error
