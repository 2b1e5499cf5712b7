"""Outbox: a message is committed together with the change it announces, and published afterwards (invariants 7, 8).

Chris Richardson, "Microservices Patterns", 2018: Transactional outbox. Documents `outbox/{key}`.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core.calls.deadline import beyond_deadline
from nbactl.core.calls.in_thread import in_thread
from nbactl.core.observe.events import Event, noop_hook
from nbactl.core.outbox.messages import COLLECTION, key_of, message_path, pending_messages, unknown_message
from nbactl.core.service.propagation import outgoing_attributes
from nbactl.errors import DataError, NbactlError, NotFoundError, PreconditionError
from nbactl.frozen import frozen
from nbactl.ports.bus import OutgoingMessage
from nbactl.ports.documents import DELETE_FIELD, Create, Filter, Increment, Order, Query, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.events import Hook
    from nbactl.core.outbox.messages import Pending
    from nbactl.ports.bus import MessageBus
    from nbactl.ports.documents import Document, DocumentStore, FieldPath

_PAGE: Final = 500
"""How many messages a sweep holds in memory."""
_TOGETHER: Final = 100
"""How many messages are taken, published and marked together: as many may come twice after a crash."""
_LOG: Final = logging.getLogger(__name__)
_MOST_DOUBLINGS: Final = 8
"""How often the wait before the next try doubles: with two minutes it grows to some eight hours."""
_LONGEST_KEY: Final = 1024
"""Bytes of an attribute's value in Pub/Sub ("Quotas and limits", resource limits); the key travels in one."""
KEY_ATTRIBUTE: Final = "outbox_key"
"""The attribute by which consumers recognise a duplicate; the message id differs then."""


@frozen
class Swept:
    """What a sweep came to: keys that were published, and the errors of those that were not."""

    published: tuple[str, ...]
    failed: Mapping[str, NbactlError]


def _everywhere(_: str) -> bool:
    return True


class Outbox:
    """Publishes at least once, mostly in the order in which messages became due; none is promised.

    Consumers are idempotent on the attribute `outbox_key`. A driver takes a message for `redrive_after` seconds, so
    that others leave it alone; if it is not published by then, the next sweep publishes it. `keep` is how many seconds
    a published one is kept. A sweep begins nothing after `sweep_for` seconds. It leaves the messages of topics that
    `reaches` denies to processes that can publish them, and publishes those one by one that `together` denies: of
    several that fail together nobody knows which were published.
    """

    def __init__(
        self,
        store: DocumentStore,
        bus: MessageBus,
        clock: Clock,
        *,
        redrive_after: float,
        keep: float,
        sweep_for: float = 20.0,
        reaches: Callable[[str], bool] = _everywhere,
        together: Callable[[str], bool] = _everywhere,
        hook: Hook = noop_hook,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._redrive_after = timedelta(seconds=redrive_after)
        self._keep = timedelta(seconds=keep)
        self._sweep_for = sweep_for
        self._reaches = reaches
        self._together = together
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
            message_path(key),
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
        document = self._store.get(message_path(key))
        if document is None:
            raise unknown_message(key)
        return self._drive(document)

    async def drive_async(self, key: str) -> bool:
        """Do as `drive` in a thread."""
        return await in_thread(lambda: self.drive(key))

    def sweep(self, *, within: float | None = None) -> Swept:
        """Publish what is due, the oldest first, until nothing is left or the time is over: `within` seconds if given.

        One that fails does not hold up the others.
        """
        end = self._clock.monotonic() + (self._sweep_for if within is None else within)
        published: list[str] = []
        failed: dict[str, NbactlError] = {}
        pending = self._count_pending()
        groups = self._groups(failed)
        while self._clock.monotonic() < end and (documents := next(groups, None)):
            self._drive_together(documents, end, published, failed)
        counts = {"published": len(published), "failed": len(failed), "pending": max(0, pending - len(published))}
        self._hook(Event("outbox.swept", COLLECTION, counts))
        return Swept(tuple(published), failed)

    async def sweep_async(self, *, within: float | None = None) -> Swept:
        """Do as `sweep` in a thread."""
        return await in_thread(lambda: self.sweep(within=within))

    def pending(self) -> Iterator[Pending]:
        """Yield what is not published yet, the longest due first."""
        return pending_messages(self._store)

    def _groups(self, failed: dict[str, NbactlError]) -> Iterator[list[Document]]:
        """Yield what is due and for this process, in groups of one topic, the oldest first."""
        due = Filter("due_at", "<=", self._clock.now())
        query = Query(COLLECTION, (due,), (Order("due_at"),), limit=_PAGE)
        while page := list(self._store.query(query)):
            by_topic: dict[str, list[Document]] = {}
            for document in page:
                if self._is_for_us(document, failed):
                    by_topic.setdefault(document.data["topic"], []).append(document)
            for topic, documents in by_topic.items():
                size = _TOGETHER if self._together(topic) else 1
                yield from (documents[start : start + size] for start in range(0, len(documents), size))
            if len(page) < _PAGE:
                return
            # The filter says where the index is entered; the cursor goes past what stays and is due at the same time.
            since = Filter("due_at", ">=", page[-1].data["due_at"])
            query = replace(query, filters=(due, since), start_after=page[-1])

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

    def _drive_together(
        self, documents: Sequence[Document], end: float, published: list[str], failed: dict[str, NbactlError]
    ) -> None:
        """Publish messages of one topic in one request; one by one, until `end`, if it fails or others have one."""
        taken = None
        if len(documents) > 1:
            try:
                taken = self._store.commit([self._take(document) for document in documents])
                reach("outbox.taken")
                messages = [_outgoing(document) for document in documents]
                message_ids = self._bus.publish_many(documents[0].data["topic"], messages)
            except (PreconditionError, NotFoundError):
                pass
            except Exception as error:  # noqa: BLE001 - it is raised again for the message whose fault it is
                _LOG.info("%d messages are published one by one: %s", len(documents), error)
            else:
                reach("outbox.published")
                self._mark_published(documents, taken, message_ids)
                published += [key_of(document) for document in documents]
                return
        for document in documents:
            if self._clock.monotonic() >= end:
                return
            try:
                if self._drive(document) if taken is None else self._publish(document, taken):
                    published.append(key_of(document))
            except NbactlError as error:
                failed[key_of(document)] = error

    def _drive(self, document: Document) -> bool:
        if document.data.get("state") == "published":
            return False
        key_of(document)  # raises for what is not a message
        try:
            taken = self._store.commit([self._take(document)])
        except (PreconditionError, NotFoundError):
            return False  # another driver was faster
        reach("outbox.taken")
        return self._publish(document, taken)

    def _take(self, document: Document) -> Update:
        """Return the write that keeps other drivers away."""
        # What fails again and again is tried less and less often (invariant 16).
        wait = self._redrive_after * 2 ** min(max(document.data["attempts"] - 1, 0), _MOST_DOUBLINGS)
        take: dict[FieldPath, Any] = {"due_at": self._clock.now() + wait, "attempts": Increment(1)}
        return Update(document.path, take, if_updated_at=document.update_time)

    def _publish(self, document: Document, taken: datetime) -> bool:
        data, key = document.data, key_of(document)
        try:
            message_id = self._bus.publish(data["topic"], data["data"].encode(), data["attributes"])
        except Exception as raised:
            error = raised if isinstance(raised, NbactlError) else NbactlError(f"{type(raised).__name__}: {raised}")
            self._note(document.path, taken, error)
            self._hook(Event("outbox.failed", key, {"error": error.code, "attempts": data["attempts"] + 1}))
            raise error from raised
        reach("outbox.published")
        self._mark_published([document], taken, [message_id])
        return True

    def _mark_published(self, documents: Sequence[Document], taken: datetime, message_ids: Sequence[str]) -> None:
        now = self._clock.now()
        done: list[Update] = []
        for document, message_id in zip(documents, message_ids, strict=True):
            fields: dict[FieldPath, Any] = {
                "state": "published",
                "published_at": now,
                "message_id": message_id,
                "expires_at": now + self._keep,
                "due_at": DELETE_FIELD,  # sweeps look for what has it
            }
            done.append(Update(document.path, fields, if_updated_at=taken))
        with beyond_deadline():
            # Refused if it took so long that another driver published it too: that one says so.
            self._store.batch_write(done)
        for document in documents:
            waited = (now - document.data["created_at"]).total_seconds()
            self._hook(Event("outbox.published", key_of(document), {"waited": waited}))

    def _note(self, path: str, taken: datetime, error: NbactlError) -> None:
        """Keep the reason for the operator; the error itself is raised in any case."""
        try:
            with beyond_deadline():
                self._store.commit([Update(path, {"last_error": f"{error.code}: {error}"}, if_updated_at=taken)])
        except NbactlError as failed:
            error.add_note(f"the reason could not be kept in the outbox: {failed}")


def _outgoing(document: Document) -> OutgoingMessage:
    data = document.data
    return OutgoingMessage(data["data"].encode(), data["attributes"])


def _json(key: str, data: Mapping[str, Any]) -> str:
    try:
        return json.dumps(data, sort_keys=True, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"the message {key} cannot be written as JSON", cause=str(error)) from error
