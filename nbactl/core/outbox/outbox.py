"""Outbox: a message is committed together with the change it announces, and published afterwards (invariants 7, 8).

Chris Richardson, "Microservices Patterns", 2018: Transactional outbox. Documents `outbox/{key}`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core._support.ids import decode_id, encode_id
from nbactl.core.calls.deadline import beyond_deadline
from nbactl.core.calls.in_thread import in_thread
from nbactl.core.observe.events import Event, noop_hook
from nbactl.core.service.propagation import outgoing_attributes
from nbactl.errors import DataError, NbactlError, NotFoundError, PreconditionError
from nbactl.frozen import frozen
from nbactl.ports.documents import DELETE_FIELD, Create, Filter, Increment, Order, Query, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.events import Hook
    from nbactl.ports.bus import Publisher
    from nbactl.ports.documents import Document, DocumentStore, FieldPath

COLLECTION: Final = "outbox"
_MOST_DOUBLINGS: Final = 8
"""How often the wait before the next try doubles: with two minutes it grows to some eight hours."""
_FIELDS: Final = {
    "state": str, "topic": str, "data": str, "attributes": Mapping, "created_at": datetime, "due_at": datetime,
    "attempts": int,
}  # fmt: skip
"""What every message that waits has."""
_LONGEST_KEY: Final = 1024
"""Bytes of an attribute's value in Pub/Sub ("Quotas and limits", resource limits); the key travels in one."""
KEY_ATTRIBUTE: Final = "outbox_key"
"""The attribute by which consumers recognise a duplicate; the message id differs then."""


@frozen
class Pending:
    """A message that waits to be published, tried `attempts` times so far."""

    key: str
    topic: str
    created_at: datetime
    due_at: datetime
    attempts: int
    last_error: str | None


@frozen
class Swept:
    """What a sweep came to: keys that were published, and the errors of those that were not."""

    published: tuple[str, ...]
    failed: Mapping[str, NbactlError]


def pending_messages(store: DocumentStore) -> Iterator[Pending]:
    """Yield what is not published yet, the longest due first; this needs no bus.

    What is not a message is shown, because it stays until an operator removes it: that which no sweep finds, too.
    """
    due = store.query(Query(COLLECTION, order=(Order("due_at"),)))
    for document in chain(due, filter(_is_stuck, store.lacking(COLLECTION, "due_at"))):
        try:
            key, data = key_of(document), document.data
        except DataError as error:
            yield Pending(document.id, "?", document.create_time, document.create_time, 0, f"{error.code}: {error}")
        else:
            yield Pending(
                key, data["topic"], data["created_at"], data["due_at"], data["attempts"], data.get("last_error")
            )


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
    document = store.get(_path(key))
    if document is None:
        raise unknown_message(key)
    moment: datetime | None = document.data.get("published_at")
    return moment


def unknown_message(key: str) -> NotFoundError:
    """Return the error for a key that is not there."""
    return NotFoundError(f"there is no message {key} in the outbox")


def _everywhere(_: str) -> bool:
    return True


class Outbox:
    """Publishes at least once; no order is promised. Consumers are idempotent on the attribute `outbox_key`.

    A driver takes a message for `redrive_after` seconds, so that others leave it alone; if it is not published by
    then, the next sweep publishes it. `keep` is how many seconds a published one is kept. A sweep leaves
    the messages of topics that `reaches` denies to processes that can publish them.
    """

    def __init__(
        self,
        store: DocumentStore,
        bus: Publisher,
        clock: Clock,
        *,
        redrive_after: float,
        keep: float,
        reaches: Callable[[str], bool] = _everywhere,
        hook: Hook = noop_hook,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._redrive_after = timedelta(seconds=redrive_after)
        self._keep = timedelta(seconds=keep)
        self._reaches = reaches
        self._hook = hook

    def message(
        self, key: str, topic: str, data: Mapping[str, Any], attributes: Mapping[str, str] | None = None
    ) -> Create:
        """Return the write that announces a change; commit it together with the change.

        `key` names the decision, such as `phase3/2024-01-15/1`: of two that announce the same one, the second commit
        fails with AlreadyExistsError. `data` becomes JSON; DataError if it cannot. The context at this moment goes
        along in the attributes.
        """
        now = self._clock.now()
        if len(key.encode(errors="replace")) > _LONGEST_KEY:
            raise DataError(f"the key {key[:40]!r}… is too long", cause=f"The limit is {_LONGEST_KEY} bytes.")
        return Create(
            _path(key),
            {
                "state": "pending",
                "topic": topic,
                "data": _json(key, data),
                "attributes": {**outgoing_attributes(), **(attributes or {}), KEY_ATTRIBUTE: key},
                "created_at": now,
                "due_at": now,
                "attempts": 0,
            },
        )

    def drive(self, key: str) -> bool:
        """Publish the message now; returns False if it was published before or another driver has it.

        Raises NotFoundError for an unknown key, and what the bus raises; the message stays pending then.
        """
        document = self._store.get(_path(key))
        if document is None:
            raise unknown_message(key)
        return self._drive(document)

    async def drive_async(self, key: str) -> bool:
        """Do as `drive` in a thread."""
        return await in_thread(lambda: self.drive(key))

    def sweep(self, limit: int = 100) -> Swept:
        """Publish what is due, the oldest first. One that fails does not hold up the others."""
        published: list[str] = []
        failed: dict[str, NbactlError] = {}
        pending = self._count_pending()
        due = Filter("due_at", "<=", self._clock.now())
        found = self._store.query(Query(COLLECTION, (due,), (Order("due_at"),)))
        for document in list(islice((document for document in found if self._is_for_us(document, failed)), limit)):
            key = key_of(document)
            try:
                if self._drive(document):
                    published.append(key)
            except NbactlError as error:
                failed[key] = error
        counts = {"published": len(published), "failed": len(failed), "pending": max(0, pending - len(published))}
        self._hook(Event("outbox.swept", COLLECTION, counts))
        return Swept(tuple(published), failed)

    async def sweep_async(self, limit: int = 100) -> Swept:
        """Do as `sweep` in a thread."""
        return await in_thread(lambda: self.sweep(limit))

    def pending(self) -> Iterator[Pending]:
        """Yield what is not published yet, the longest due first."""
        return pending_messages(self._store)

    def _is_for_us(self, document: Document, failed: dict[str, NbactlError]) -> bool:
        try:
            key_of(document)
        except DataError as error:
            failed[document.id] = error  # it must not keep the others from being published
            return False
        return self._reaches(document.data["topic"])

    def _count_pending(self) -> int:
        """Return how many messages wait, those included that a driver has taken; only a hook needs it."""
        return 0 if self._hook is noop_hook else self._store.count(Query(COLLECTION, order=(Order("due_at"),)))

    def _drive(self, document: Document) -> bool:
        data = document.data
        if data.get("state") == "published":
            return False
        key = key_of(document)
        # What fails again and again is tried less and less often (invariant 16).
        wait = self._redrive_after * 2 ** min(max(data["attempts"] - 1, 0), _MOST_DOUBLINGS)
        take: dict[FieldPath, Any] = {"due_at": self._clock.now() + wait, "attempts": Increment(1)}
        try:
            taken = self._store.commit([Update(document.path, take, if_updated_at=document.update_time)])
        except (PreconditionError, NotFoundError):
            return False  # another driver was faster
        reach("outbox.taken")
        try:
            message_id = self._bus.publish(data["topic"], data["data"].encode(), data["attributes"])
        except Exception as raised:
            error = raised if isinstance(raised, NbactlError) else NbactlError(f"{type(raised).__name__}: {raised}")
            self._note(document.path, taken, error)
            self._hook(Event("outbox.failed", key, {"error": error.code, "attempts": data["attempts"] + 1}))
            raise error from raised
        reach("outbox.published")
        now = self._clock.now()
        done: dict[FieldPath, Any] = {
            "state": "published",
            "published_at": now,
            "message_id": message_id,
            "expires_at": now + self._keep,
            "due_at": DELETE_FIELD,  # sweeps look for what has it
        }
        # Refused if it took so long that another driver published it too: that one says so.
        with beyond_deadline(), contextlib.suppress(PreconditionError, NotFoundError):
            self._store.commit([Update(document.path, done, if_updated_at=taken)])
        self._hook(Event("outbox.published", key, {"waited": (now - data["created_at"]).total_seconds()}))
        return True

    def _note(self, path: str, taken: datetime, error: NbactlError) -> None:
        """Keep the reason for the operator; the error itself is raised in any case."""
        try:
            with beyond_deadline():
                self._store.commit([Update(path, {"last_error": f"{error.code}: {error}"}, if_updated_at=taken)])
        except NbactlError as failed:
            error.add_note(f"the reason could not be kept in the outbox: {failed}")


def _path(key: str) -> str:
    return f"{COLLECTION}/{encode_id(key)}"


def _json(key: str, data: Mapping[str, Any]) -> str:
    try:
        return json.dumps(data, sort_keys=True, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"the message {key} cannot be written as JSON", cause=str(error)) from error
