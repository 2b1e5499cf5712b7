"""The bus port on Google Cloud Pub/Sub."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.pubsub.channel import (
    AcknowledgeRequest,
    GetSubscriptionRequest,
    ListSubscriptionsRequest,
    ListTopicsRequest,
    Message,
    ModifyAckDeadlineRequest,
    ModifyPushConfigRequest,
    PublishRequest,
    PullRequest,
    Topic,
)
from nbactl.adapters.pubsub.subscriptions import push_config, read_subscription, subscription_message
from nbactl.errors import AlreadyExistsError, TimedOutError
from nbactl.ports.bus import OutgoingMessage, PulledMessage
from nbactl.ports.bus_rules import check_message, check_name, check_pull, check_subscription, in_requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbactl.adapters.pubsub.channel import Channel
    from nbactl.core.calls.policy import CallPolicy
    from nbactl.ports.bus import Subscription

_ACKS: Final = 1_000
"""Ids of one acknowledgement: a request may have 524,288 bytes, an id some 200."""
_PAGE: Final = 1_000
_LONGEST_PULL: Final = 20.0
"""Seconds of one request to pull; a longer wait is several of them."""


class PubSubBus:
    """Topics and subscriptions of a project. Threads may share it.

    What one call publishes is sent at once, in requests of its own: no time limit of one thread is another's. A publish
    whose answer was lost raises TimedOutError or UnavailableError and may have succeeded: publish again under the same
    key. Only the call policy retries.
    """

    def __init__(self, channel: Channel, policy: CallPolicy) -> None:
        self._channel = channel
        self._project = channel.project
        self._policy = policy

    def publish(
        self, topic: str, data: bytes, attributes: Mapping[str, str] | None = None, *, ordering_key: str = ""
    ) -> str:
        check_message(data, attributes or {}, ordering_key)
        [identifier] = self._publish(topic, [OutgoingMessage(data, attributes or {}, ordering_key)])
        return identifier

    def publish_many(self, topic: str, messages: Sequence[OutgoingMessage]) -> list[str]:
        return [identifier for group in in_requests(messages) for identifier in self._publish(topic, group)]

    def pull(self, subscription: str, *, limit: int, timeout: float) -> list[PulledMessage]:
        check_pull(limit)
        clock = self._policy.clock
        give_up = clock.monotonic() + timeout
        while True:
            left = max(0.0, give_up - clock.monotonic())
            found = self._pull(subscription, limit, min(left, _LONGEST_PULL))
            if found or clock.monotonic() >= give_up:
                return found

    def ack(self, subscription: str, ack_ids: Sequence[str]) -> None:
        for ids in _chunks(ack_ids):
            request = AcknowledgeRequest(subscription=self._project.subscription(subscription), ack_ids=ids)
            self._call("Acknowledge", request, about=f"subscription {subscription}")

    def nack(self, subscription: str, ack_ids: Sequence[str]) -> None:
        self.extend(subscription, ack_ids, 0.0)  # a deadline of 0 gives the message back

    def extend(self, subscription: str, ack_ids: Sequence[str], seconds: float) -> None:
        for ids in _chunks(ack_ids):
            request = ModifyAckDeadlineRequest(
                subscription=self._project.subscription(subscription), ack_ids=ids, ack_deadline_seconds=round(seconds)
            )
            self._call("ModifyAckDeadline", request, about=f"subscription {subscription}")

    def create_topic(self, topic: str) -> None:
        check_name("topic", topic)
        try:
            self._call("CreateTopic", Topic(name=self._project.topic(topic)), about=f"topic {topic}")
        except AlreadyExistsError:
            return

    def create_subscription(self, subscription: Subscription) -> None:
        check_subscription(subscription)
        about = f"topic {subscription.topic} or {subscription.dead_letter_topic}"
        try:
            self._call("CreateSubscription", subscription_message(subscription, self._project), about=about)
        except AlreadyExistsError as error:
            name = self._project.subscription(subscription.name)
            found = self._call("GetSubscription", GetSubscriptionRequest(subscription=name), about=subscription.name)
            there = read_subscription(found)
            if subscription.push is not None and subscription.moved_from(there):
                move = ModifyPushConfigRequest(subscription=name, push_config=push_config(subscription.push))
                self._call("ModifyPushConfig", move, about=subscription.name)
            elif unlike := subscription.differing(there):
                raise AlreadyExistsError(
                    f"the subscription {subscription.name} is there with another {', '.join(unlike)}",
                    next_step="Give the new one another name.",
                ) from error

    def topics(self) -> list[str]:
        request = ListTopicsRequest(project=self._project.resource, page_size=_PAGE)
        return sorted(_last(item.name) for answer in self._pages("ListTopics", request) for item in answer.topics)

    def subscriptions(self) -> list[Subscription]:
        """Return those that have a dead-letter topic, as the port's have, and those of dead-letter topics.

        The latter may have none: another program created them.
        """
        request = ListSubscriptionsRequest(project=self._project.resource, page_size=_PAGE)
        found = [
            read_subscription(item)
            for answer in self._pages("ListSubscriptions", request)
            for item in answer.subscriptions
        ]
        dead = {one.dead_letter_topic for one in found}
        return sorted((one for one in found if one.dead_letter_topic or one.topic in dead), key=lambda one: one.name)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def _publish(self, topic: str, messages: Sequence[OutgoingMessage]) -> list[str]:
        sent = [
            Message(data=one.data, attributes=dict(one.attributes), ordering_key=one.ordering_key) for one in messages
        ]
        request = PublishRequest(topic=self._project.topic(topic), messages=sent)
        return list(self._call("Publish", request, about=f"topic {topic}").message_ids)

    def _pull(self, subscription: str, limit: int, wait: float) -> list[PulledMessage]:
        request = PullRequest(
            subscription=self._project.subscription(subscription), max_messages=limit, return_immediately=wait <= 0
        )
        try:
            answer = self._call("Pull", request, about=f"subscription {subscription}", limit=wait or None)
        except TimedOutError:
            return []  # nothing came
        return [_pulled(one) for one in answer.received_messages]

    def _call(self, method: str, request: Any, *, about: str, limit: float | None = None) -> Any:  # noqa: ANN401 - grpc has no types
        return self._policy.call(lambda: self._channel.call(method, request, about=about, limit=limit))

    def _pages(self, method: str, request: Any) -> Iterator[Any]:  # noqa: ANN401 - grpc has no types
        while True:
            answer = self._call(method, request, about="project")
            yield answer
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token


def _pulled(received: Any) -> PulledMessage:  # noqa: ANN401 - grpc has no types
    message = received.message
    return PulledMessage(
        received.ack_id,
        message.message_id,
        message.data,
        dict(message.attributes),
        message.ordering_key,
        message.publish_time.ToDatetime(UTC),
        max(1, received.delivery_attempt),
    )


def _chunks(ack_ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ack_ids), _ACKS):
        yield list(ack_ids[start : start + _ACKS])


def _last(name: str) -> str:
    return name.rpartition("/")[2]
