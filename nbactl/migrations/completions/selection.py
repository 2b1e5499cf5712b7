"""Which batches an action works on, and how they are read in chunks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final
from zlib import crc32

from nbactl.core._support.names import did_you_mean
from nbactl.core.completions.documents import BATCHES, COMPLETED_PLAYERS, batch_path
from nbactl.errors import DataError, NotFoundError
from nbactl.migrations.completions.batch import damage_of
from nbactl.ports.documents import Document, Query

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.core._support.gamedate import GameDate
    from nbactl.ports.documents import Reader

CHUNK_BATCHES: Final = 50
CHUNK_PLAYERS: Final = 5_000
"""Players of a chunk: the most that a kill can cost, and that one snapshot reads."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The named batches, those with game dates from `since` on, and a sample of these in percent.

    A batch whose game date cannot be read is included, so that it is reported. Which batches a sample contains depends
    only on their ids and `seed`.
    """

    batches: tuple[str, ...] = ()
    since: GameDate | None = None
    sample: float | None = None
    seed: int = 0

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return not self.batches and self.since is None and self.sample is None

    def __str__(self) -> str:
        """Return the selection as it is shown, and as a checkpoint stores it."""
        parts = [f"batches {', '.join(self.batches)}"] if self.batches else []
        parts += [f"since {self.since}"] if self.since else []
        parts += [f"a sample of {self.sample:g} %"] if self.sample is not None else []
        return ", ".join(parts) or "all batches"

    def wants(self, document: Document) -> bool:
        """Say whether a batch is included."""
        if self.since is not None:
            try:
                day = date.fromisoformat(document.data["game_date"])
            except (DataError, KeyError, TypeError, ValueError):
                return True
            if day < self.since.day:
                return False
        if self.sample is None:
            return True
        return crc32(document.id.encode(), self.seed) % 10_000 < self.sample * 100


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some batches in order.

    `after` is the name of the last one looked at, None if there was none; `more`: others follow.
    """

    documents: tuple[Document, ...]
    after: str | None
    more: bool


def next_chunk(
    reader: Reader, selection: Selection, after: str | None, epoch: datetime, *, players: int = CHUNK_PLAYERS
) -> Chunk:
    """Return the chunk after the batch named `after`; it ends with the batch that brings it to `players` players.

    Raises NotFoundError for a named batch that does not exist.
    """
    if selection.batches:
        return _named(reader, selection, after)
    start = None if after is None else Document(f"{BATCHES}/{after}", {}, epoch, epoch)
    chosen: list[Document] = []
    seen, room = 0, players
    for document in reader.query(Query(BATCHES, limit=CHUNK_BATCHES, start_after=start)):
        if room <= 0:
            return Chunk(tuple(chosen), after, more=True)
        seen += 1
        after = document.id
        if not selection.wants(document):
            continue
        chosen.append(document)
        room -= _size(document)
    return Chunk(tuple(chosen), after, more=seen == CHUNK_BATCHES)


def number_of_batches(reader: Reader, selection: Selection) -> int:
    """Return how many batches an action visits or skips."""
    return len(set(selection.batches)) or reader.count(Query(BATCHES))


def no_batches(selection: Selection) -> NotFoundError:
    """Return the error for a selection without a batch: an answer about nothing is not a success (invariant 24)."""
    if selection.is_all:
        return NotFoundError(
            "no batch was looked at: there are none",
            cause="No phase 5 has begun a batch in this store, or this is another project's store.",
            next_step="Check --project, --target and --state-dir.",
        )
    return NotFoundError(
        f"no batch was looked at: the selection ({selection}) has none",
        next_step="Choose more, such as a larger --sample or an earlier --since. List them: nbactl batches list",
        details={"scope": str(selection)},
    )


def _named(reader: Reader, selection: Selection, after: str | None) -> Chunk:
    paths = sorted({batch_path(batch) for batch in selection.batches})
    if after is not None:
        paths = [path for path in paths if path > f"{BATCHES}/{after}"]
    now, later = paths[:CHUNK_BATCHES], paths[CHUNK_BATCHES:]
    found = reader.get_all(now)
    for path, document in zip(now, found, strict=True):
        if document is None:
            name = path.rpartition("/")[2]
            raise NotFoundError(
                f"there is no batch '{name}'",
                cause="It was not created, or this is another project's store.",
                next_step=did_you_mean(name, reader.list_ids(BATCHES), otherwise="List them: nbactl batches list"),
            )
    documents = tuple(document for document in found if document is not None and selection.wants(document))
    return Chunk(documents, documents[-1].id if documents else after, more=bool(later))


def _size(document: Document) -> int:
    if damage_of(document):
        return 1
    array = document.data.get(COMPLETED_PLAYERS)
    count = document.data.get("completed_count")
    known = count if isinstance(count, int) else 0
    return max(len(array) if isinstance(array, list) else 0, known, 1)
