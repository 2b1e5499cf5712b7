"""What Pub/Sub refuses, checked before a message is sent, so that every bus refuses the same: its emulator does not.

https://cloud.google.com/pubsub/quotas#resource_limits
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.ports.bus import OutgoingMessage, PushTarget, Subscription

MOST_DATA: Final = 10_000_000
"""Bytes of a message, its attributes included."""
MOST_MESSAGES: Final = 1_000
"""Messages of one request; together they have at most MOST_DATA bytes."""
MOST_ATTRIBUTES: Final = 100
LONGEST_NAME: Final = 256
LONGEST_VALUE: Final = 1_024
LONGEST_ORDERING_KEY: Final = 1_024
_OVERHEAD: Final = 16
"""Bytes that a message, or an attribute, takes in a request beside its text: tags and lengths, rounded up."""
_RESERVED: Final = "goog"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._~+%-]{2,254}")
"""https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names."""
_ADDRESS: Final = re.compile(r"https?://[^\s/?#]+([/?][^\s#]*)?")


def check_name(kind: str, name: str) -> None:
    """Raise DataError for the name of a topic or subscription that Pub/Sub refuses."""
    if not _NAME.fullmatch(name) or name.startswith(_RESERVED):
        raise DataError(
            f"'{name}' cannot be the name of a {kind}",
            next_step="Begin with a letter, not with goog; use 3 to 255 letters, digits and -._~+%.",
        )


def check_message(data: bytes, attributes: Mapping[str, str], ordering_key: str) -> int:
    """Return the bytes of a message. Raises DataError for one that Pub/Sub refuses."""
    if not data and not attributes:
        raise DataError("a message needs data or attributes")
    if len(attributes) > MOST_ATTRIBUTES:
        raise DataError(f"a message has {len(attributes)} attributes", cause=f"The limit is {MOST_ATTRIBUTES}.")
    size = len(data)
    for name, value in attributes.items():
        size += _check_attribute(name, value)
    if size > MOST_DATA:
        raise DataError(
            f"a message has {size:,} bytes",
            cause=f"The limit is {MOST_DATA:,}.",
            next_step="Store the data, and publish where they are.",
        )
    if (key := _bytes(ordering_key)) > LONGEST_ORDERING_KEY:
        raise DataError(f"an ordering key is longer than {LONGEST_ORDERING_KEY:,} bytes")
    return size + key


def in_requests(messages: Sequence[OutgoingMessage]) -> list[list[OutgoingMessage]]:
    """Return messages in groups, each small enough for one request. Raises DataError if one of them is refused."""
    groups: list[list[OutgoingMessage]] = []
    size = MOST_DATA
    for message in messages:
        own = check_message(message.data, message.attributes, message.ordering_key) + _OVERHEAD
        own += _OVERHEAD * len(message.attributes)
        size += own
        if size > MOST_DATA or len(groups[-1]) == MOST_MESSAGES:
            groups.append([])
            size = own
        groups[-1].append(message)
    return groups


def check_pull(limit: int) -> None:
    """Raise DataError for a number of messages that cannot be pulled."""
    if limit < 1:
        raise DataError(f"{limit} messages cannot be pulled", next_step="Pull one or more.")


def check_subscription(subscription: Subscription) -> None:
    """Raise DataError for a subscription that Pub/Sub refuses.

    https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions
    """
    check_name("subscription", subscription.name)
    check_name("topic", subscription.topic)
    check_name("topic", subscription.dead_letter_topic)
    problem = None
    if not 10 <= subscription.ack_deadline <= 600:  # noqa: PLR2004 - Pub/Sub's own limits
        problem = f"its acknowledgement deadline is {subscription.ack_deadline:g} s; it can be 10 to 600 s"
    elif not 0 <= subscription.least_backoff <= subscription.most_backoff <= 600:  # noqa: PLR2004 - as above
        problem = "its backoff is not within 0 to 600 s, the least first"
    elif not 5 <= subscription.most_attempts <= 100:  # noqa: PLR2004 - as above
        problem = f"it has {subscription.most_attempts} attempts; it can have 5 to 100"
    elif subscription.push is not None:
        problem = _push_problem(subscription.push)
    if problem is not None:
        raise DataError(f"the subscription {subscription.name} cannot be created: {problem}")


def _push_problem(push: PushTarget) -> str | None:
    if not _ADDRESS.fullmatch(push.endpoint):
        return f"'{push.endpoint}' is not an address that messages can be pushed to"
    if push.audience is not None and push.account is None:
        return "its push has an audience, but no account to send a token of"
    return None


def _check_attribute(name: str, value: str) -> int:
    if not name or _bytes(name) > LONGEST_NAME:
        raise DataError(f"the name of an attribute has {_bytes(name)} bytes", cause=f"It has 1 to {LONGEST_NAME}.")
    if name.startswith(_RESERVED):
        raise DataError(f"the attribute '{name}' begins with goog", cause="Pub/Sub keeps such names for itself.")
    if _bytes(value) > LONGEST_VALUE:
        raise DataError(
            f"the attribute '{name}' has {_bytes(value):,} bytes",
            cause=f"The limit is {LONGEST_VALUE:,}.",
            next_step="Put it into the data.",
        )
    return _bytes(name) + _bytes(value)


def _bytes(text: str) -> int:
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise DataError("an attribute or ordering key is not valid Unicode") from error
