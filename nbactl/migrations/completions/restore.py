"""The undo of a clean-up: the arrays that it saved, put back as they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.completions.documents import BATCHES, COMPLETED_PLAYERS, batch_path
from nbactl.errors import ContentionError, DataError, NotFoundError, PreconditionError
from nbactl.migrations.completions.export import read_export
from nbactl.migrations.progress import Meter
from nbactl.ports.documents import Update

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbactl.migrations.completions.selection import Selection
    from nbactl.migrations.work import Work
    from nbactl.ports.documents import DocumentStore

_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Restored:
    """How many arrays were put back, of how many in the file; `there` have one, `gone` are batches (ids) that are not.

    With `dry_run` nothing was: `restored` is how many would be.
    """

    file: str
    saved: int
    restored: int
    there: int
    gone: tuple[str, ...]
    dry_run: bool = False


def saved_arrays(file: Path, selection: Selection) -> dict[str, list[Any]]:
    """Return the arrays that a clean-up saved, by the path of their batch, each as it was saved last.

    Raises NotFoundError if there is no such file, or a batch that is named is not in it; DataError if it is no export.
    """
    wanted = {batch_path(batch) for batch in selection.batches}
    arrays: dict[str, list[Any]] = {}
    for path, fields in read_export(file):
        array = fields.get(COMPLETED_PLAYERS)
        if not isinstance(array, list) or not path.startswith(f"{BATCHES}/"):
            raise DataError(
                f"{file} holds no arrays of a clean-up",
                cause=f"{path} is in it without {COMPLETED_PLAYERS}.",
                next_step="The history names the file: nbactl migrate completions --status",
            )
        if not wanted or path in wanted:
            arrays[path] = array
    if missing := sorted(wanted - arrays.keys()):
        raise NotFoundError(f"the batch '{missing[0].rpartition('/')[2]}' is not in {file}")
    return arrays


def look_at_arrays(store: DocumentStore, file: Path, arrays: Mapping[str, list[Any]]) -> Restored:
    """Return what `put_arrays_back` would do."""
    found = dict(zip(arrays, store.get_all(list(arrays)), strict=True))
    gone = tuple(path.rpartition("/")[2] for path, document in found.items() if document is None)
    there = sum(document is not None and COMPLETED_PLAYERS in document.data for document in found.values())
    return Restored(str(file), len(arrays), len(arrays) - there - len(gone), there, gone, dry_run=True)


def put_arrays_back(store: DocumentStore, work: Work, file: Path, arrays: Mapping[str, list[Any]]) -> Restored:
    """Give each batch without an array the one that was saved; what has one stays, so it may be done twice."""
    restored, there, gone = 0, 0, list[str]()
    meter = Meter(work.clock, "cleanup", "putting back", done=0, total=len(arrays))
    for number, (path, array) in enumerate(sorted(arrays.items())):
        work.may_go_on(meter)
        done = _put_back(store, path, array)
        restored, there = restored + (done is True), there + (done is False)
        if done is None:
            gone.append(path.rpartition("/")[2])
        work.observe(meter.at(number + 1, {"put back": restored}))
    return Restored(str(file), len(arrays), restored, there, tuple(gone))


def _put_back(store: DocumentStore, path: str, array: list[Any]) -> bool | None:
    """Return whether the batch got its array, False if it has one, None if it is gone."""
    for _ in range(_TRIES):
        document = store.get(path)
        if document is None:
            return None
        if COMPLETED_PLAYERS in document.data:
            return False
        try:
            store.commit([Update(path, {COMPLETED_PLAYERS: array}, if_updated_at=document.update_time)])
        except (PreconditionError, NotFoundError):
            continue  # a writer came between: look again
        return True
    raise ContentionError(
        f"the array of {path} could not be put back: somebody changed the batch each time",
        cause="Writers are at work on it.",
        next_step="Give the same command again: it goes on from here.",
    )
