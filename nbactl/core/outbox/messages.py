"""The messages of the outbox as documents `outbox/{key}`: what each must have, and which are not published yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Final

from nbactl.core._support.ids import decode_id, encode_id
from nbactl.errors import DataError, NotFoundError
from nbactl.frozen import frozen
from nbactl.ports.documents import Order, Query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.documents import Document, DocumentStore

COLLECTION: Final = "outbox"
_FIELDS: Final = {
    "state": str, "topic": str, "data": str, "attributes": Mapping, "created_at": datetime, "due_at": datetime,
    "attempts": int,
}  # fmt: skip
"""What every message that waits has."""


@frozen
class Pending:
    """A message that waits to be published, tried `attempts` times so far."""

    key: str
    topic: str
    created_at: datetime
    due_at: datetime
    attempts: int
    last_error: str | None


def pending_messages(store: DocumentStore) -> Iterator[Pending]:
    """Yield what is not published yet, the longest due first; this needs no bus.

    What is not a message is shown, because it stays until an operator removes it: that which no sweep finds, too.
    """
    due = store.query(Query(COLLECTION, order=(Order("due_at"),)))
    for document in chain(due, _stuck(store)):
        try:
            key, data = key_of(document), document.data
        except DataError as error:
            yield Pending(document.id, "?", document.create_time, document.create_time, 0, f"{error.code}: {error}")
        else:
            yield Pending(
                key, data["topic"], data["created_at"], data["due_at"], data["attempts"], data.get("last_error")
            )


def count_pending(store: DocumentStore) -> int:
    """Return how many `pending_messages` yields; nothing is read for it."""
    return store.count(Query(COLLECTION)) - store.count(Query(COLLECTION, order=(Order("expires_at"),)))


def _stuck(store: DocumentStore) -> Iterator[Document]:
    """Yield what no sweep finds and was not published; the published ones are read only where there is such a one."""
    if count_pending(store) > store.count(Query(COLLECTION, order=(Order("due_at"),))):
        yield from filter(_is_stuck, store.lacking(COLLECTION, "due_at"))


def key_of(document: Document) -> str:
    """Return the key of a message. Raises DataError for a document that is not a message."""
    key, data = decode_id(document.id), document.data
    for name, kind in _FIELDS.items():
        if not isinstance(data.get(name), kind):
            raise DataError(
                f"the document {document.path} is not a message: its {name} is {data.get(name)!r}",
                next_step="Find out who wrote it. A document that is deleted from the outbox is never published.",
            )
    return key


def _is_stuck(document: Document) -> bool:
    """Say whether a document without the time at which it is due was not published."""
    try:
        return document.data.get("state") != "published"
    except DataError:
        return True


def published_at(store: DocumentStore, key: str) -> datetime | None:
    """Return when a message was published, None if it waits. Raises NotFoundError for an unknown key."""
    document = store.get(message_path(key))
    if document is None:
        raise unknown_message(key)
    moment: datetime | None = document.data.get("published_at")
    return moment


def unknown_message(key: str) -> NotFoundError:
    """Return the error for a key that is not there."""
    return NotFoundError(f"there is no message {key} in the outbox")


def message_path(key: str) -> str:
    """Return the path of a message."""
    return f"{COLLECTION}/{encode_id(key)}"
