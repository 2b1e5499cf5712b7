"""Clean-up: remove the array and its predictions by player from every batch, both saved first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core.completions.documents import (
    BATCHES,
    COMPLETED_COUNT,
    COMPLETED_PLAYERS,
    PREDICTIONS_BY_PLAYER,
    batch_path,
)
from nbactl.errors import ContentionError, DataError, NotFoundError, PreconditionError
from nbactl.migrations.completions.export import Export, read_export
from nbactl.migrations.completions.selection import Selection, next_chunk, number_of_batches
from nbactl.migrations.work import Meter
from nbactl.ports.documents import DELETE_FIELD, Update

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbactl.migrations.model import Checkpoint
    from nbactl.migrations.work import MigrationWork
    from nbactl.ports.documents import Document, DocumentStore, FieldPath

_RESTORE_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Restored:
    """How many arrays of the file were restored. `there`: batches that have one; `gone`: ids of deleted batches.

    With `dry_run` nothing was changed: `restored` is how many would be.
    """

    file: str
    saved: int
    restored: int
    there: int
    gone: tuple[str, ...]
    dry_run: bool = False


REMOVED: Final = (COMPLETED_PLAYERS, PREDICTIONS_BY_PLAYER)
"""The fields that go: the array, and the predictions of its players."""


def saved_arrays(file: Path, selection: Selection) -> dict[str, dict[str, Any]]:
    """Return the fields that a clean-up removed, by the path of their batch, each as it was last saved.

    Raises NotFoundError if the file or a selected batch is missing, DataError if the file is not an export.
    """
    wanted = {batch_path(batch) for batch in selection.batches}
    arrays: dict[str, dict[str, Any]] = {}
    for path, fields in read_export(file):
        saved: dict[str, Any] = {field: fields[field] for field in REMOVED if field in fields}
        if not saved or not path.startswith(f"{BATCHES}/"):
            raise DataError(
                f"{file} has no arrays of a clean-up",
                cause=f"Its entry for {path} has no {COMPLETED_PLAYERS}.",
                next_step="The history names the file: nbactl migrate completions --status",
            )
        if not wanted or path in wanted:
            # A clean-up that was killed may have saved a batch again, with what its first round had left.
            arrays[path] = {**arrays.get(path, {}), **saved}
    if missing := sorted(wanted - arrays.keys()):
        raise NotFoundError(f"the batch '{missing[0].rpartition('/')[2]}' is not in {file}")
    return arrays


def preview_restore(store: DocumentStore, file: Path, arrays: Mapping[str, Mapping[str, Any]]) -> Restored:
    """Return what `restore_arrays` would do."""
    found = dict(zip(arrays, store.get_all(list(arrays)), strict=True))
    gone = tuple(path.rpartition("/")[2] for path, document in found.items() if document is None)
    there = sum(document is not None and not _lacking(document, arrays[path]) for path, document in found.items())
    return Restored(str(file), len(arrays), len(arrays) - there - len(gone), there, gone, dry_run=True)


def restore_arrays(
    store: DocumentStore, work: MigrationWork, file: Path, arrays: Mapping[str, Mapping[str, Any]]
) -> Restored:
    """Give each batch without an array the saved one. A batch that has one keeps it, so this may be repeated."""
    restored, there, gone = 0, 0, list[str]()
    meter = Meter(work.clock, "cleanup", "restoring", done=0, total=len(arrays))
    for number, (path, array) in enumerate(sorted(arrays.items())):
        work.wait_if_paused(meter)
        done = _restore(store, path, array)
        restored, there = restored + (done is True), there + (done is False)
        if done is None:
            gone.append(path.rpartition("/")[2])
        work.observe(meter.at(number + 1, {"put back": restored}))
    return Restored(str(file), len(arrays), restored, there, tuple(gone))


def _lacking(document: Document, saved: Mapping[str, Any]) -> dict[FieldPath, Any]:
    """Return the saved fields that a batch does not have."""
    return {field: value for field, value in saved.items() if field not in document.data}


def _restore(store: DocumentStore, path: str, saved: Mapping[str, Any]) -> bool | None:
    """Return True if the batch got back what it lacked, False if it has everything, None if it is gone."""
    for _ in range(_RESTORE_TRIES):
        document = store.get(path)
        if document is None:
            return None
        lacking = _lacking(document, saved)
        if not lacking:
            return False
        try:
            store.commit([Update(path, lacking, if_updated_at=document.update_time)])
        except (PreconditionError, NotFoundError):
            continue  # a writer changed it meanwhile: read it again
        return True
    raise ContentionError(
        f"the array of {path} could not be restored: its batch changed on every try",
        cause="Writers are active on it.",
        next_step="Run the same command again; it resumes.",
    )


SAVED: Final = (*REMOVED, COMPLETED_COUNT, "batch_id", "game_date")
_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Cleaned:
    """How many arrays were removed, and where they are saved."""

    batches: int
    export: str
    exported: int
    sha256: str


class CleanUp:
    """Saves all arrays to `path`, then removes them chunk by chunk.

    A chunk has far fewer batches than the 500 writes of one call. Each write requires that the batch is as it was
    read. A batch that a live writer changed is read again, and its array is saved again if that changed.
    """

    def __init__(self, store: DocumentStore, work: MigrationWork, path: Path) -> None:
        self._store = store
        self._work = work
        self._export = Export(path)

    def save_all(self) -> None:
        """Save every array."""
        selection, after, more, seen = Selection(), None, True, 0
        meter = Meter(self._work.clock, "cleanup", "saving", done=0, total=number_of_batches(self._store, selection))
        while more:
            self._work.wait_if_paused(meter)
            with self._store.snapshot() as snapshot:
                chunk = next_chunk(snapshot, selection, after, snapshot.read_time)
            self._export.save(filter(_has_any, chunk.documents), SAVED)
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
            work.wait_if_paused(meter)
            reach("migration.before_chunk")
            with self._store.snapshot() as snapshot:
                chunk = next_chunk(snapshot, selection, cursor["after"], snapshot.read_time)
            removed = self._remove([document.path for document in chunk.documents])
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
            present = [document for document in found if document is not None and _has_any(document)]
            if not present:
                return removed
            self._export.save(present, SAVED)
            removed += self._commit(present)
        raise ContentionError(
            f"the arrays of {len(paths)} batches could not be removed: they changed on every try",
            cause="Writers are active on these batches.",
            next_step="Run the same command again; it resumes.",
        )

    def _commit(self, documents: list[Document]) -> int:
        """Remove the arrays of documents that have not changed since they were saved; returns how many."""
        gone: dict[FieldPath, Any] = dict.fromkeys(REMOVED, DELETE_FIELD)
        writes = [Update(document.path, gone, if_updated_at=document.update_time) for document in documents]
        results = self._store.batch_write(writes)
        for result in results:
            if result.error is not None and not isinstance(result.error, PreconditionError):
                raise result.error
        return sum(result.error is None for result in results)


def _has_any(document: Document) -> bool:
    return any(field in document.data for field in REMOVED)
