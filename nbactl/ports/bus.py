"""The message bus port: topics that messages are published to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class MessageBus(Protocol):
    """The verbs of a message bus."""

    def publish(
        self, topic: str, data: bytes, attributes: Mapping[str, str] | None = None, *, ordering_key: str = ""
    ) -> str:
        """Publish a message and return its id once the bus keeps it.

        Messages with the same `ordering_key` are delivered in their order. Raises UnavailableError when the bus does
        not answer (the message may then have been published all the same) and NotFoundError for an unknown topic.
        """
        ...
