"""The message bus port: topics that messages are published to, and subscriptions that they are pulled from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class MessageBus(Protocol):
    """Publishing. What a bus can do beyond that is a protocol of its own, which not every bus has."""

    def publish(
        self, topic: str, data: bytes, attributes: Mapping[str, str] | None = None, *, ordering_key: str = ""
    ) -> str:
        """Publish a message and return its id once the bus keeps it.

        Messages with the same `ordering_key` are delivered in their order. Raises UnavailableError when the bus does
        not answer (the message may then have been published all the same) and NotFoundError for an unknown topic.
        """
        ...


@dataclass(frozen=True, slots=True)
class PulledMessage:
    """One delivery of a message. It comes again unless it is acknowledged by `ack_id` before its time is over.

    `delivery_attempt` counts from 1. `ordering_key` is empty for a message that may come in any order.
    """

    ack_id: str
    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    ordering_key: str
    published_at: datetime
    delivery_attempt: int


class PullSubscriptions(Protocol):
    """Pulling. All methods raise NotFoundError for an unknown subscription, UnavailableError without an answer.

    How often and after which pauses a message comes again, and when it goes to the dead-letter topic, is a property of
    the subscription.
    """

    def pull(self, subscription: str, *, limit: int, timeout: float) -> Sequence[PulledMessage]:
        """Return at most `limit` messages, none if none comes within `timeout` seconds.

        A message with an ordering key comes only after those before it with the same key are acknowledged.
        """
        ...

    def ack(self, subscription: str, ack_ids: Sequence[str]) -> None:
        """Mark deliveries as done; one whose time is over may come again all the same."""
        ...

    def nack(self, subscription: str, ack_ids: Sequence[str]) -> None:
        """Give deliveries back, to come again after the subscription's backoff."""
        ...

    def extend(self, subscription: str, ack_ids: Sequence[str], seconds: float) -> None:
        """Give deliveries `seconds` from now to be acknowledged."""
        ...
