"""The message bus port: topics that messages are published to, and subscriptions that they are pulled from."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

DEAD_LETTER_PREFIX: Final = "CloudPubSubDeadLetterSource"
"""What the attributes begin with that a message has in a dead-letter topic.

https://cloud.google.com/pubsub/docs/handling-failures#dead_letter_topic
"""
SOURCE_SUBSCRIPTION: Final = f"{DEAD_LETTER_PREFIX}Subscription"
SOURCE_PROJECT: Final = f"{DEAD_LETTER_PREFIX}SubscriptionProject"
SOURCE_ATTEMPTS: Final = f"{DEAD_LETTER_PREFIX}DeliveryCount"
SOURCE_PUBLISHED: Final = f"{DEAD_LETTER_PREFIX}TopicPublishTime"
SOURCE_REASON: Final = f"{DEAD_LETTER_PREFIX}Reason"
"""Why the last push failed. The embedded bus says it; Pub/Sub does not, there the log of the endpoint does."""
LOCAL_PROJECT: Final = "local"
"""The project that the embedded bus names where Pub/Sub names one."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to be published, with the limits of `Publisher.publish`."""

    data: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    ordering_key: str = ""


class Publisher(Protocol):
    """Publishing one message: all that the outbox needs."""

    def publish(
        self, topic: str, data: bytes, attributes: Mapping[str, str] | None = None, *, ordering_key: str = ""
    ) -> str:
        """Publish a message and return its id once the bus keeps it.

        Messages with the same `ordering_key` are delivered in their order. Raises UnavailableError when the bus does
        not answer (the message may then have been published all the same), NotFoundError for an unknown topic, and
        DataError for a message beyond the limits of Pub/Sub (bus_rules.py).
        """
        ...


class MessageBus(Publisher, Protocol):
    """Publishing. What a bus can do beyond that is a protocol of its own, which not every bus has."""

    def publish_many(self, topic: str, messages: Sequence[OutgoingMessage]) -> list[str]:
        """Publish messages and return their ids, in the same order, once the bus keeps them all.

        This is the choice between throughput and latency. Google's client makes it by a timer, `max_latency`, that
        delays every message of the process. Here nothing waits: `publish` sends one message at once, and a caller
        that has many hands them over together, to be sent in few requests.

        Raises what `publish` raises. A DataError means that nothing was published; after any other error some or all
        of the messages may have been. Publish all of them again, under keys by which consumers find duplicates.
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


@dataclass(frozen=True, slots=True)
class PushTarget:
    """Where the messages of a subscription are pushed to, and as whom.

    With an `account` each request carries an OIDC identity token of that service account for `audience` (by default
    the endpoint).
    """

    endpoint: str
    account: str | None = None
    audience: str | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a subscription is. Times are in seconds.

    A delivery has `ack_deadline` to be acknowledged. It comes again after a pause that doubles from `least_backoff` to
    `most_backoff`; after `most_attempts` the message goes to `dead_letter_topic`. With `ordered`, messages of one
    ordering key come one after the other. All messages are delivered: filters are not part of the port, because the
    Pub/Sub emulator stores a filter and ignores it.

    With `push`, each message is sent to an endpoint as a POST request, in Pub/Sub's envelope. An answer of 102, 200,
    201, 202 or 204 within `ack_deadline` acknowledges it, any other gives it back.
    https://cloud.google.com/pubsub/docs/push#receive_push
    """

    name: str
    topic: str
    dead_letter_topic: str
    most_attempts: int = 5
    ack_deadline: float = 60.0
    least_backoff: float = 10.0
    most_backoff: float = 600.0
    ordered: bool = False
    push: PushTarget | None = None
    """Without it messages are pulled."""

    def differing(self, other: Subscription) -> list[str]:
        """Return the names of the fields in which two subscriptions differ."""
        return [one.name for one in fields(self) if getattr(self, one.name) != getattr(other, one.name)]

    def moved_from(self, other: Subscription) -> bool:
        """Say whether another endpoint of the push is all that `other` differs in."""
        if self.push is None or other.push is None or self.push.endpoint == other.push.endpoint:
            return False
        return self == replace(other, push=replace(other.push, endpoint=self.push.endpoint))


@dataclass(frozen=True, slots=True)
class FoundSubscription:
    """A subscription as it exists in the project. Times are in seconds.

    `dead_letter_topic`, `most_attempts`, `backoff` and `push` are None where it has no dead-letter topic, no retry
    policy (a message that is refused comes again at once), and where messages are pulled.
    """

    name: str
    topic: str
    """The topic; `_deleted-topic_` is one that was deleted."""
    ack_deadline: float
    dead_letter_topic: str | None = None
    most_attempts: int | None = None
    backoff: tuple[float, float] | None = None
    ordered: bool = False
    push: PushTarget | None = None
    expires_after: float | None = None
    """Without a delivery for so long it is deleted; None: never, or not known."""
    problem: str | None = None
    """Why it delivers nothing, as Pub/Sub names it."""


class BusTopology(Protocol):
    """The topics and subscriptions of a bus."""

    def create_topic(self, topic: str) -> None:
        """Create a topic unless it is there. Raises DataError for a name that Pub/Sub refuses."""
        ...

    def create_subscription(self, subscription: Subscription) -> None:
        """Create a subscription unless it is there; it gets what is published from then on.

        One that is there and differs in the endpoint of its push alone is moved to the new endpoint, with what it has
        to deliver. Raises NotFoundError for a missing topic, AlreadyExistsError if a subscription of that name differs,
        and DataError for values that Pub/Sub refuses.
        """
        ...

    def topics(self) -> Sequence[str]:
        """Return the names of all topics, sorted."""
        ...

    def subscriptions(self) -> Sequence[Subscription]:
        """Return all subscriptions, sorted by name."""
        ...
