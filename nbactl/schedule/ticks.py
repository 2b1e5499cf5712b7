"""When the last tick ended: one document, so that a watcher notices that none come any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.ports.documents import Set

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.ports.documents import DocumentStore, Reader

TICKS: Final = "schedule_ticks"
_LAST: Final = f"{TICKS}/last"


def record_tick(store: DocumentStore, now: datetime) -> None:
    """Keep that a tick has ended."""
    store.commit([Set(_LAST, {"ended_at": now})])


def last_tick(store: Reader) -> datetime | None:
    """Return when the last tick ended, None if there was none."""
    found = store.get(_LAST)
    ended: datetime | None = None if found is None else found.data.get("ended_at")
    return ended
