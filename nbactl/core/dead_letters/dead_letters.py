"""Dead letters: messages that could not be delivered, saved before they are acknowledged (invariant 19).

A dead-letter topic is one that a subscription names as such. What waits in the pull subscriptions of these topics is
moved to the document store (documents.py), where it stays.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from nbactl.core._support.faults import reach
from nbactl.core.dead_letters.documents import (
    COLLECTION,
    OPEN_LETTERS,
    OPEN_SINCE,
    REPLAY_ATTRIBUTE,
    letter_document,
    letter_id,
    letter_path,
    parse_letter,
    read_data,
)
from nbactl.errors import AlreadyExistsError, DataError, NbactlError, NotFoundError, PreconditionError, UsageError
from nbactl.ports.bus import DEAD_LETTER_PREFIX, BusTopology, MessageBus, PullSubscriptions
from nbactl.ports.documents import DELETE_FIELD, ArrayUnion, Create, Filter, Order, Query, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.core.dead_letters.documents import DeadLetter
    from nbactl.ports.bus import PulledMessage, Subscription
    from nbactl.ports.documents import DocumentStore, FieldPath

ORIGIN_ATTRIBUTE: Final = "dead_letter_id"
"""The attribute with the id of the dead letter that was replayed."""
MOST_REPLAYS: Final = 3
"""How often a message is replayed before somebody must look at it (invariant 27)."""
_MOST: Final = 1_000
"""How many messages of a subscription are moved at a time."""
_PULL: Final = 50
_SHOWN: Final = 5
_LOG = logging.getLogger(__name__)


class Bus(MessageBus, PullSubscriptions, BusTopology, Protocol):
    """What dead letters need of a bus."""


@dataclass(slots=True)
class Collected:
    """How many messages were moved into the store, by subscription.

    `more` names subscriptions with further ones, `failed` those that could not be read or emptied, and why.
    """

    moved: dict[str, int] = field(default_factory=dict)
    more: list[str] = field(default_factory=list)
    failed: dict[str, NbactlError] = field(default_factory=dict)


class DeadLetters:
    """Moves dead letters into the store, and replays or archives them; nothing is deleted.

    `bus` is asked for when it is first needed. `wait` is how many seconds it needs to say that nothing waits; with None
    nothing can be taken from it. `notice` gets a message about each document that is left out of a list.
    """

    def __init__(
        self,
        store: DocumentStore,
        bus: Callable[[], Bus],
        clock: Clock,
        *,
        wait: float | None,
        notice: Callable[[str], None] = _LOG.warning,
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._wait = wait
        self._notice = notice

    def collect(self, limit: int = _MOST) -> Collected:
        """Move what waits in the dead-letter subscriptions, at most `limit` of each, into the store.

        Each message is acknowledged after it was saved. One that is killed in between is in both places, and saved once
        when it is moved again. A subscription that fails does not hold up the others.
        """
        collected = Collected()
        if self._wait is None:
            return collected
        try:
            subscriptions = self._bus().subscriptions()
        except NbactlError as error:
            collected.failed["all subscriptions"] = error
            return collected
        sources: dict[str, list[Subscription]] = {}
        for one in subscriptions:
            sources.setdefault(one.dead_letter_topic, []).append(one)
        queues = [one for one in subscriptions if one.topic in sources and one.push is None]
        if not queues:
            return collected
        with ThreadPoolExecutor(min(8, len(queues)), "dead-letters") as threads:
            for _ in threads.map(lambda queue: self._empty(queue, sources[queue.topic], limit, collected), queues):
                pass
        return collected

    def open(self, topic: str | None = None) -> Iterator[DeadLetter]:
        """Yield those that nobody has replayed or archived, the oldest first; `topic` is that of their source."""
        return self._of(OPEN_LETTERS, topic)

    def all(self, topic: str | None = None) -> Iterator[DeadLetter]:
        """Yield all of them, those saved last first."""
        return self._of(Query(COLLECTION, order=(Order("saved_at", descending=True),)), topic)

    def count_open(self) -> int:
        """Return how many wait for a decision."""
        return self._store.count(OPEN_LETTERS)

    def find(self, name: str) -> DeadLetter:
        """Return one by its id, its message id, or the beginning of one. Raises NotFoundError, UsageError."""
        document = self._store.get(letter_path(name)) if name else None
        if document is not None:
            return parse_letter(document)
        field_name = "id" if "/" in name else "message_id"
        prefix = (Filter(field_name, ">=", name), Filter(field_name, "<", f"{name}\U0010ffff"))
        found = list(self._store.query(Query(COLLECTION, prefix, limit=_SHOWN + 1))) if name else []
        exact = [one for one in found if one.data["message_id"] == name]
        found = exact or found
        if len(found) > 1:
            ids = ", ".join(one.data["id"] for one in found[:_SHOWN])
            raise UsageError(f"several dead letters begin with '{name}'", next_step=f"Write more of it: {ids}")
        if not found:
            raise NotFoundError(f"there is no dead letter '{name}'", next_step="List them: nbactl dlq list --all")
        return parse_letter(found[0])

    def data_of(self, letter: DeadLetter) -> bytes:
        """Return the data of a message."""
        return read_data(self._store, letter)

    def obstacle(self, letter: DeadLetter, *, force: bool = False) -> str | None:
        """Return why a message cannot be replayed; `force` passes over its budget and a permanent failure."""
        if letter.topic is None:
            return "the topic that it came from is not known"
        if letter.state == "archived":
            return "it is archived"
        if force:
            return None
        if letter.permanent:
            return f"it would fail again: {letter.reason}"
        if letter.replays >= MOST_REPLAYS and letter.state != "replaying":
            return f"it was replayed {letter.replays} times"
        return None

    def replay(self, letter: DeadLetter, *, by: str, force: bool = False) -> DeadLetter:
        """Publish a message to the topic it came from, with the attributes it had, and a count of its replays.

        It is marked as replayed after it was published. If this is killed, the next call publishes it as the same
        replay, so that it is delivered at least once. Raises PreconditionError if there is an obstacle, or if somebody
        else has changed it; when the bus fails, it stays `replaying`.
        """
        obstacle = self.obstacle(letter, force=force)
        if obstacle is not None or letter.topic is None:
            raise PreconditionError(f"{letter.id} is not replayed: {obstacle}")
        number = letter.replays if letter.state == "replaying" else letter.replays + 1
        data = self.data_of(letter)
        begun = self._change(letter, {"state": "replaying", "replays": number, OPEN_SINCE: letter.saved_at}, None)
        reach("dead_letters.replaying")
        attributes = {
            **{name: value for name, value in letter.attributes.items() if not name.startswith(DEAD_LETTER_PREFIX)},
            REPLAY_ATTRIBUTE: str(number),
            ORIGIN_ATTRIBUTE: letter.id,
        }
        message_id = self._bus().publish(letter.topic, data, attributes, ordering_key=letter.ordering_key)
        reach("dead_letters.published")
        return self._change(
            begun,
            {"state": "replayed", OPEN_SINCE: DELETE_FIELD},
            {"event": "replayed", "by": by, "message_id": message_id},
        )

    def archive(self, letter: DeadLetter, *, by: str, reason: str) -> DeadLetter:
        """Mark a message as done without a replay; `reopen` takes it back."""
        note = {"event": "archived", "by": by, "reason": reason}
        return self._change(letter, {"state": "archived", OPEN_SINCE: DELETE_FIELD}, note)

    def reopen(self, letter: DeadLetter, *, by: str) -> DeadLetter:
        """Have an archived message wait again. Raises PreconditionError for one that is not archived."""
        if letter.state != "archived":
            raise PreconditionError(f"{letter.id} is not archived", cause=f"It is {letter.state}.")
        return self._change(
            letter, {"state": "waiting", OPEN_SINCE: letter.saved_at}, {"event": "reopened", "by": by, "reason": None}
        )

    def _empty(self, queue: Subscription, sources: Sequence[Subscription], limit: int, collected: Collected) -> None:
        bus, taken = self._bus(), 0
        held: list[str] = []
        try:
            while taken < limit:
                found = bus.pull(queue.name, limit=min(_PULL, limit - taken), timeout=self._wait or 0.0)
                if not found:
                    return
                taken += len(found)
                held = [message.ack_id for message in found]
                saved, refused = self._save(queue, sources, found)
                reach("dead_letters.saved")
                bus.ack(queue.name, saved)
                reach("dead_letters.acknowledged")
                collected.moved[queue.name] = collected.moved.get(queue.name, 0) + len(saved)
                held = list(refused)
                if refused:
                    raise next(iter(refused.values()))
            collected.more.append(queue.name)
        except NbactlError as error:
            collected.failed[queue.name] = error
            with suppress(NbactlError):
                bus.nack(queue.name, held)  # for others, who need not wait for the end of the deliveries

    def _save(
        self, queue: Subscription, sources: Sequence[Subscription], messages: Sequence[PulledMessage]
    ) -> tuple[list[str], dict[str, NbactlError]]:
        """Save messages; returns the deliveries of those that are in the store now, and why others are not."""
        now = self._clock.now()
        writes = {}
        for message in messages:
            path = letter_path(letter_id(queue.topic, message.message_id))
            writes[message.ack_id] = Create(path, letter_document(self._store, queue, sources, message, now))
        by_path = {write.path: write for write in writes.values()}
        errors = {result.path: result.error for result in self._store.batch_write(list(by_path.values()))}
        refused = {
            ack_id: error
            for ack_id, write in writes.items()
            if (error := errors[write.path]) is not None and not isinstance(error, AlreadyExistsError)
        }
        return [ack_id for ack_id in writes if ack_id not in refused], refused

    def _change(
        self, letter: DeadLetter, fields: Mapping[FieldPath, Any], note: Mapping[str, Any] | None
    ) -> DeadLetter:
        document = letter.document
        update: dict[FieldPath, Any] = dict(fields)
        if note is not None:
            update["history"] = ArrayUnion(({**note, "at": self._clock.now()},))
        try:
            self._store.commit([Update(document.path, update, if_updated_at=document.update_time)])
        except PreconditionError as error:
            raise PreconditionError(
                f"{letter.id} was changed by somebody else",
                next_step=f"Look at it: nbactl dlq show {letter.message_id}",
            ) from error
        changed = self._store.get(document.path)
        if changed is None:
            raise NotFoundError(f"the dead letter {letter.id} was deleted")
        return parse_letter(changed)

    def _of(self, query: Query, topic: str | None) -> Iterator[DeadLetter]:
        for document in self._store.query(query):
            try:
                letter = parse_letter(document)
            except DataError as error:
                self._notice(f"left out: {error.message}")
                continue
            if topic is None or letter.topic == topic:
                yield letter
