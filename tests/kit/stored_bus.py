"""A bus whose messages are documents, so that whatever stops, reorders or breaks a store does so to publishing too."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.core._support.ids import encode_id
from nbactl.ports.documents import Create, Order, Query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
        message_id = self._ids.new("msg")
        fields = {
            "data": base64.b64encode(data).decode(),
            "attributes": dict(attributes or {}),
            "ordering_key": ordering_key,
            "published_at": self._clock.now(),
        }
        self._store.commit([Create(f"{_messages(topic)}/{message_id}", fields)])
        return message_id

    def messages(self, topic: str) -> Iterator[Published]:
        """Yield what was published to `topic`, the oldest first."""
        for document in self._store.query(Query(_messages(topic), order=(Order("published_at"),))):
            data = document.data
            content = base64.b64decode(data["data"])
            yield Published(document.id, content, data["attributes"], data["ordering_key"])


def _messages(topic: str) -> str:
    return f"{_TOPICS}/{encode_id(topic)}/messages"
