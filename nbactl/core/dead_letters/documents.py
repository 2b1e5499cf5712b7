"""Dead letters as documents: `dead_letters/{topic/message_id}`.

Large data are in documents `parts` below it: a document may have 1 MiB, and a request with many of them 10 MiB.
https://firebase.google.com/docs/firestore/quotas#limits
"""

from __future__ import annotations

import base64
import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core._support.ids import encode_id
from nbactl.errors import DataError
from nbactl.frozen import frozen
from nbactl.ports.bus import SOURCE_ATTEMPTS, SOURCE_REASON, SOURCE_SUBSCRIPTION
from nbactl.ports.documents import Order, Query, Set

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from nbactl.ports.bus import PulledMessage, Subscription
    from nbactl.ports.documents import Document, DocumentStore

COLLECTION: Final = "dead_letters"
REPLAY_ATTRIBUTE: Final = "dead_letter_replay"
"""The attribute that says the how many-th replay a message is; one that fails again keeps the count."""
OPEN_SINCE: Final = "open_since"
"""The field that only those have that nobody has decided on; lists look for it."""
OPEN_LETTERS: Final = Query(COLLECTION, order=(Order(OPEN_SINCE),))
"""Those that nobody has decided on, the oldest first."""
_INLINE: Final = 50_000
_PART: Final = 600_000
"""Bytes of data in the document itself, and in a part."""
_DIGITS: Final = 10
_OTHERWISE: Final = ("attributes", "history", "document")

State = Literal["waiting", "replaying", "replayed", "archived"]


@frozen
class DeadLetter:
    """A saved message. `topic` is where it was published first, None if that is not known.

    `replaying` means that a replay was begun and not recorded as done: the message may have been published.
    `permanent` means that delivering it again cannot succeed, `reason` why it was given up, if that is known.
    `replays` counts those of earlier dead letters of the same message. `size` is in bytes.
    """

    id: str
    message_id: str
    dead_letter_topic: str
    topic: str | None
    subscription: str | None
    attempts: int | None
    state: State
    reason: str | None
    permanent: bool
    replays: int
    attributes: Mapping[str, str]
    ordering_key: str
    size: int
    published_at: datetime
    saved_at: datetime
    history: tuple[Mapping[str, Any], ...]
    document: Document

    @property
    def is_open(self) -> bool:
        """Whether nobody has replayed or archived it."""
        return self.state in ("waiting", "replaying")


def letter_document(
    store: DocumentStore,
    queue: Subscription,
    sources: Sequence[Subscription],
    message: PulledMessage,
    now: datetime,
) -> dict[str, Any]:
    """Return the document of a message of `queue`, whose topic takes the dead letters of `sources`.

    Data that are too large for one document are written to `store` at once.
    """
    identifier = letter_id(queue.topic, message.message_id)
    attributes = message.attributes
    name = attributes.get(SOURCE_SUBSCRIPTION)
    # A dead-letter subscription that gives a message up publishes it to its own topic, under its own name.
    topics = {one.name: one.topic for one in sources if one.topic != queue.topic}
    origin = {topics[name]} if name in topics else set(topics.values())
    permanent = not _is_object(message.data)
    return {
        "id": identifier,
        "message_id": message.message_id,
        "dead_letter_topic": queue.topic,
        "topic": origin.pop() if len(origin) == 1 else None,
        "subscription": name,
        "attempts": _number(attributes.get(SOURCE_ATTEMPTS)),
        "state": "waiting",
        "reason": "the data are not a JSON object" if permanent else attributes.get(SOURCE_REASON),
        "permanent": permanent,
        "replays": _number(attributes.get(REPLAY_ATTRIBUTE)) or 0,
        # As text: not every name of an attribute can be the name of a field.
        "attributes": json.dumps(dict(attributes)),
        "ordering_key": message.ordering_key,
        "size": len(message.data),
        "published_at": message.published_at,
        "saved_at": now,
        OPEN_SINCE: now,
        "history": [],
        **_stored(store, identifier, message.data),
    }


def read_data(store: DocumentStore, letter: DeadLetter) -> bytes:
    """Return the data of a message."""
    stored = letter.document.data
    number = stored["parts"]
    if not number:
        text: str = stored["data"]
        return text.encode() if stored["encoding"] == "utf-8" else base64.b64decode(text)
    parts = store.get_all([_part_path(letter.id, part) for part in range(number)])
    if None in parts:
        raise DataError(f"a part of the data of {letter.id} is missing", next_step="Restore the store from a copy.")
    return b"".join(base64.b64decode(part.data["data"]) for part in parts if part is not None)


def parse_letter(document: Document) -> DeadLetter:
    """Return the dead letter of a document. Raises DataError for a document that is none of ours."""
    data = document.data
    try:
        return DeadLetter(
            **{item.name: data[item.name] for item in fields(DeadLetter) if item.name not in _OTHERWISE},
            attributes=json.loads(data["attributes"]),
            history=tuple(data["history"]),
            document=document,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{document.path} is not a dead letter", cause=f"{type(error).__name__}: {error}") from error


def letter_id(topic: str, message_id: str) -> str:
    """Return the id of a dead letter: the ids of messages are unique within a topic."""
    return f"{topic}/{message_id}"


def letter_path(identifier: str) -> str:
    """Return the path of a dead letter."""
    return f"{COLLECTION}/{encode_id(identifier)}"


def _stored(store: DocumentStore, identifier: str, data: bytes) -> dict[str, Any]:
    """Return the fields of the data; what is too large for one document is written before the document is."""
    if len(data) > _INLINE:
        parts = [data[start : start + _PART] for start in range(0, len(data), _PART)]
        for number, part in enumerate(parts):
            store.commit([Set(_part_path(identifier, number), {"data": base64.b64encode(part).decode("ascii")})])
        return {"parts": len(parts), "encoding": "base64", "data": ""}
    try:
        return {"parts": 0, "encoding": "utf-8", "data": data.decode()}
    except UnicodeDecodeError:
        return {"parts": 0, "encoding": "base64", "data": base64.b64encode(data).decode("ascii")}


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        return False


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < _DIGITS else None


def _part_path(identifier: str, number: int) -> str:
    return f"{letter_path(identifier)}/parts/{number}"
