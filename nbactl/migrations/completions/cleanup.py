"""Clean-up: take the array out of every batch, each one saved before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core.completions.documents import COMPLETED_COUNT, COMPLETED_PLAYERS, PREDICTIONS_BY_PLAYER
from nbactl.errors import ContentionError, PreconditionError
from nbactl.migrations.completions.export import Export
from nbactl.migrations.completions.selection import Selection, next_chunk, number_of_batches
from nbactl.migrations.progress import Meter
from nbactl.ports.documents import DELETE_FIELD, Update

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.migrations.model import Checkpoint
    from nbactl.migrations.work import Work
    from nbactl.ports.documents import Document, DocumentStore

SAVED: Final = (COMPLETED_PLAYERS, PREDICTIONS_BY_PLAYER, COMPLETED_COUNT, "batch_id", "game_date")
_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was removed, and where it is saved."""

    batches: int
    export: str
    exported: int
    sha256: str


class CleanUp:
    """Saves all arrays to `path`, then removes them chunk by chunk.

    A chunk has far fewer batches than the 500 writes that one call may have. Each write holds only while the batch is
    as it was read: one that a live writer touched is read and, if its array changed, saved again before the array goes.
    """

    def __init__(self, store: DocumentStore, work: Work, path: Path) -> None:
        self._store = store
        self._work = work
        self._export = Export(path)

    def save_all(self) -> None:
        """Save every array that is there."""
        selection, after, more, seen = Selection(), None, True, 0
        meter = Meter(self._work.clock, "cleanup", "saving", done=0, total=number_of_batches(self._store, selection))
        while more:
            self._work.may_go_on(meter)
            with self._store.snapshot() as snapshot:
                chunk = next_chunk(snapshot, selection, after, snapshot.read_time)
            self._export.save((each for each in chunk.documents if COMPLETED_PLAYERS in each.data), SAVED)
            after, more, seen = chunk.after, chunk.more, seen + len(chunk.documents)
            self._work.observe(meter.at(seen, {"saved": self._export.documents}))
        reach("migration.exported")

    def remove_all(self, checkpoint: Checkpoint) -> Cleaned:
        """Remove every array, from `checkpoint` on."""
        work, selection = self._work, Selection()
        cursor: dict[str, Any] = dict(checkpoint.cursor)
        meter = Meter(
            work.clock, "cleanup", "removing", done=cursor["seen"], total=number_of_batches(self._store, selection)
        )
        while cursor["more"]:
            work.may_go_on(meter)
            reach("migration.before_chunk")
            with self._store.snapshot() as snapshot:
                chunk = next_chunk(snapshot, selection, cursor["after"], snapshot.read_time)
            removed = self._remove([each.path for each in chunk.documents])
            reach("migration.removed")
            cursor |= {
                "after": chunk.after,
                "more": chunk.more,
                "seen": cursor["seen"] + len(chunk.documents),
                "removed": cursor["removed"] + removed,
            }
            checkpoint = work.save(checkpoint, cursor, {"after": chunk.after, "removed": removed})
            work.observe(meter.at(cursor["seen"], {"removed": cursor["removed"]}))
        return Cleaned(cursor["removed"], str(self._export.path), self._export.documents, self._export.digest())

    def _remove(self, paths: list[str]) -> int:
        removed = 0
        for _ in range(_TRIES):
            found = self._store.get_all(paths)
            there = [each for each in found if each is not None and COMPLETED_PLAYERS in each.data]
            if not there:
                return removed
            self._export.save(there, SAVED)
            removed += self._commit(there)
        raise ContentionError(
            f"the arrays of {len(paths)} batches could not be removed: somebody changed them each time",
            cause="Writers are at work on these batches.",
            next_step="Give the same command again: it goes on from here.",
        )

    def _commit(self, documents: list[Document]) -> int:
        """Remove the arrays of documents that are still as they were saved; returns of how many."""
        writes = [
            Update(each.path, {COMPLETED_PLAYERS: DELETE_FIELD}, if_updated_at=each.update_time) for each in documents
        ]
        results = self._store.batch_write(writes)
        for result in results:
            if result.error is not None and not isinstance(result.error, PreconditionError):
                raise result.error
        return sum(result.error is None for result in results)
