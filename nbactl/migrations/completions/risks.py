"""What production would refuse, or soon will: looked for before anything is moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core.completions.documents import COMPLETED_PLAYERS
from nbactl.ports.document_rules import MAX_DOCUMENT_BYTES, document_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.migrations.completions.batch import Batch

MAX_INDEX_ENTRIES: Final = 40_000
"""Index entries that one document may have (Firestore, "Usage and limits")."""
_NEAR: Final = 0.8


@dataclass(frozen=True, slots=True)
class Risk:
    """Something about a batch that an operator should know. `used` is the share of a limit, where there is one."""

    batch: str
    kind: Literal["document_size", "index_entries", "unreadable", "active"]
    severity: Literal["info", "warning", "critical"]
    message: str
    used: float | None = None


def risks_of(batch: Batch) -> Iterator[Risk]:
    """Yield the risks of a batch."""
    size = document_bytes(batch.path, batch.document.data)
    entries = index_entries(batch.document.data)
    yield from _limit(batch, "document_size", size, MAX_DOCUMENT_BYTES, f"{size:,} of {MAX_DOCUMENT_BYTES:,} bytes")
    text = f"{entries:,} of {MAX_INDEX_ENTRIES:,} index entries"
    yield from _limit(batch, "index_entries", entries, MAX_INDEX_ENTRIES, text)
    if batch.problems:
        first, more = batch.problems[0], len(batch.problems) - 1
        text = f"{first.field} {first.value} {first.reason}".replace("  ", " ") + (
            f" (and {more} more)" if more else ""
        )
        yield Risk(batch.id, "unreadable", "warning", text)
    if batch.active:
        yield Risk(batch.id, "active", "info", "is not complete: writers are at work on it")


def index_entries(data: dict[str, Any]) -> int:
    """Return how many index entries a document has with Firestore's automatic indexes alone.

    A field has two (ascending and descending), each different element of an array one, a map those of its fields.
    """
    return sum(_entries(value) for value in data.values())


def _entries(value: object) -> int:
    if isinstance(value, list):
        return len({repr(element) for element in value})
    if isinstance(value, dict):
        return sum(_entries(each) for each in value.values())
    return 2


def _limit(
    batch: Batch, kind: Literal["document_size", "index_entries"], found: int, limit: int, text: str
) -> Iterator[Risk]:
    used = found / limit
    if used < _NEAR:
        return
    array = len(batch.players)
    over = used >= 1
    tail = "Firestore refuses the next completion" if over else "the array has little room left"
    yield Risk(
        batch.id,
        kind,
        "critical" if over else "warning",
        f"{COMPLETED_PLAYERS} has {array:,} players: {text}; {tail}",
        round(used, 3),
    )
