"""A bus whose messages are documents, so that whatever stops, reorders or breaks a store does so to publishing too."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.core._support.ids import encode_id
from nbactl.ports.bus import OutgoingMessage
from nbactl.ports.documents import Create, Order, Query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.ports.documents import DocumentStore

_TOPICS: Final = "bus"


@dataclass(frozen=True, slots=True)
class Published:
    """A message as it was published."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    ordering_key: str


class StoredBus:
    """Keeps messages under `bus/{topic}/messages`; a topic is there as soon as something is published to it."""

    def __init__(self, store: DocumentStore, clock: Clock, ids: IdGenerator) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    def publish(
        self, topic: str, data: bytes, attributes: Mapping[str, str] | None = None, *, ordering_key: str = ""
    ) -> str:
        return self.publish_many(topic, [OutgoingMessage(data, attributes or {}, ordering_key)])[0]

    def publish_many(self, topic: str, messages: Sequence[OutgoingMessage]) -> list[str]:
        found = {self._ids.new("msg"): message for message in messages}
        writes = [
            Create(
                f"{_messages(topic)}/{message_id}",
                {
                    "data": base64.b64encode(message.data).decode(),
                    "attributes": dict(message.attributes),
                    "ordering_key": message.ordering_key,
                    "published_at": self._clock.now(),
                },
            )
            for message_id, message in found.items()
        ]
        self._store.commit(writes)
        return list(found)

    def messages(self, topic: str) -> Iterator[Published]:
        """Yield what was published to `topic`, the oldest first."""
        for document in self._store.query(Query(_messages(topic), order=(Order("published_at"),))):
            data = document.data
            content = base64.b64decode(data["data"])
            yield Published(document.id, content, data["attributes"], data["ordering_key"])


def _messages(topic: str) -> str:
    return f"{_TOPICS}/{encode_id(topic)}/messages"
