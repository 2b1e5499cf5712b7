"""Subscriptions in Pub/Sub's form: each has a retry policy and a dead-letter topic.

https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.adapters.pubsub.channel import PushConfig, SubscriptionMessage
from nbactl.ports.bus import PushTarget, Subscription

if TYPE_CHECKING:
    from nbactl.adapters.pubsub.channel import PubSubProject


def subscription_message(wanted: Subscription, project: PubSubProject) -> Any:  # noqa: ANN401 - protobuf has no types
    """Return a subscription as it is created."""
    message = SubscriptionMessage(
        name=project.subscription(wanted.name),
        topic=project.topic(wanted.topic),
        ack_deadline_seconds=round(wanted.ack_deadline),
        enable_message_ordering=wanted.ordered,
    )
    message.dead_letter_policy.dead_letter_topic = project.topic(wanted.dead_letter_topic)
    message.dead_letter_policy.max_delivery_attempts = wanted.most_attempts
    message.retry_policy.minimum_backoff.FromMicroseconds(round(wanted.least_backoff * 1e6))
    message.retry_policy.maximum_backoff.FromMicroseconds(round(wanted.most_backoff * 1e6))
    if wanted.push is not None:
        message.push_config.CopyFrom(push_config(wanted.push))
    return message


def push_config(push: PushTarget) -> Any:  # noqa: ANN401 - protobuf has no types
    """Return where to push, and as whom."""
    config = PushConfig(push_endpoint=push.endpoint)
    if push.account is not None:
        config.oidc_token.service_account_email = push.account
        config.oidc_token.audience = push.audience or ""  # empty means the endpoint
    return config


def read_subscription(message: Any) -> Subscription:  # noqa: ANN401 - protobuf has no types
    """Return a subscription that is there; one without a dead-letter topic has an empty name of it."""
    letters, retry = message.dead_letter_policy, message.retry_policy
    return Subscription(
        _last(message.name),
        _last(message.topic),
        _last(letters.dead_letter_topic),
        letters.max_delivery_attempts,
        float(message.ack_deadline_seconds),
        retry.minimum_backoff.ToMicroseconds() / 1e6,
        retry.maximum_backoff.ToMicroseconds() / 1e6,
        ordered=message.enable_message_ordering,
        push=_push(message.push_config),
    )


def _push(config: Any) -> PushTarget | None:  # noqa: ANN401 - protobuf has no types
    if not config.push_endpoint:
        return None
    token = config.oidc_token
    return PushTarget(config.push_endpoint, token.service_account_email or None, token.audience or None)


def _last(name: str) -> str:
    return name.rpartition("/")[2]
