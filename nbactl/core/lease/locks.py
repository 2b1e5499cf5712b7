"""Locks of the programs that were there before nbactl: documents of collections that end in `_locks`.

Each has a time of acquisition, an expiry and an owner or the id of an operation, in whatever spelling. nbactl takes
none of them and has none of its own there; it shows them, and an operator may remove one that its program left behind.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.phases.fields import as_time
from nbactl.errors import DataError, NotFoundError, PreconditionError
from nbactl.frozen import frozen
from nbactl.ports.documents import Create, Delete, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import Document, DocumentStore

_LOG = logging.getLogger(__name__)
SUFFIX: Final = "_locks"
REMOVALS: Final = "lock_removals"
MOST: Final = 1_000
"""How many locks of a collection are read: old programs left them behind without end."""
_EXPIRY: Final = ("expir", "valid_until", "ttl_at")
_ACQUIRED: Final = ("acquired", "locked_at", "started", "created", "timestamp", "claimed")
_OWNER: Final = ("owner", "holder", "locked_by", "acquired_by", "claimed_by", "operation", "instance", "worker", "by")
_CAPITALS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


@frozen
class OldLock:
    """A lock of another program. Times are aware UTC, None where they are missing or cannot be read.

    `owner` is whoever it names: an instance, or an operation. `problems` say what could not be read.
    """

    collection: str
    id: str
    owner: str | None
    acquired_at: datetime | None
    expires_at: datetime | None
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its path, which names it."""
        return f"{self.collection}/{self.id}"

    def is_expired(self, now: datetime) -> bool:
        """Whether its expiry has passed; a lock without a readable one has not expired."""
        return self.expires_at is not None and self.expires_at <= now


def is_lock(name: str) -> bool:
    """Say whether a name is that of a lock of another program."""
    collection, slash, identifier = name.partition("/")
    return collection.endswith(SUFFIX) and bool(slash) and bool(identifier) and "/" not in identifier


def read_locks(store: DocumentStore, notice: Callable[[str], None] = _LOG.warning) -> list[OldLock]:
    """Return the locks of other programs, by collection those that were acquired last first.

    `notice` gets a message about a collection that has more than are read.
    """
    found: list[OldLock] = []
    for collection in store.list_collections():
        if collection.endswith(SUFFIX):
            locks = [parse_lock(document) for document in store.query(Query(collection, limit=MOST))]
            if len(locks) == MOST:
                notice(f"only {MOST:,} locks of {collection} were read")
            found += sorted(locks, key=lambda lock: lock.acquired_at or _EARLIEST, reverse=True)
    return found


def find_lock(store: DocumentStore, name: str) -> OldLock:
    """Return a lock by its path. Raises NotFoundError."""
    document = store.get(name)
    if document is None:
        raise NotFoundError(
            f"there is no lock '{name}'",
            cause="Its program released it, or it was never taken.",
            next_step="List them: nbactl leases list",
        )
    return parse_lock(document)


def remove_lock(store: DocumentStore, clock: Clock, lock: OldLock, *, by: str, reason: str | None) -> str:
    """Delete a lock if it is still as it was read, and return the path of the copy that is kept of it.

    Raises PreconditionError if it changed meanwhile; nothing is changed then.
    """
    document = store.get(lock.name)
    if document is None or parse_lock(document) != lock:
        raise PreconditionError(
            f"{lock.name} changed meanwhile; nothing was changed", next_step="Look again: nbactl leases list"
        )
    now = clock.now()
    kept = f"{REMOVALS}/{lock.collection}-{lock.id}-{now:%Y%m%dT%H%M%S%f}"
    record = {"path": lock.name, "at": now, "by": by, "reason": reason, "document": _content(document)}
    store.commit([Create(kept, record), Delete(lock.name, if_updated_at=document.update_time)])
    return kept


def parse_lock(document: Document) -> OldLock:
    """Return the lock of a document; never raises, whatever it contains."""
    collection, _, identifier = document.path.rpartition("/")
    try:
        data = document.data
    except DataError as error:
        return OldLock(collection, identifier, None, None, None, (error.message.partition(": ")[2],))
    problems: list[str] = []
    return OldLock(
        collection,
        identifier,
        owner=_owner(data),
        acquired_at=_time(data, _ACQUIRED, problems),
        expires_at=_time(data, _EXPIRY, problems),
        problems=tuple(problems),
    )


def _content(document: Document) -> Mapping[str, Any]:
    try:
        return document.data
    except DataError as error:
        return {"damaged": error.message}


def _owner(data: Mapping[str, Any]) -> str | None:
    texts = {key: value for key, value in data.items() if isinstance(value, str) and value and not as_time(value)[0]}
    key = _key(texts, _OWNER)
    return None if key is None else texts[key]


def _time(data: Mapping[str, Any], words: Sequence[str], problems: list[str]) -> datetime | None:
    key = _key(data, words)
    if key is None or data[key] is None:
        return None
    found, wrong = as_time(data[key])
    if wrong is not None:
        problems.append(f"{key} {wrong}")
    return found


def _key(data: Mapping[str, Any], words: Sequence[str]) -> str | None:
    """Return the field that has the first of these words in its name; of several the shortest."""
    names = {key: _CAPITALS.sub("_", key).lower() for key in data}
    for word in words:
        if found := [key for key, name in names.items() if word in name]:
            return min(found, key=lambda key: (len(key), key))
    return None
