"""A message as Pub/Sub pushes it: JSON with base64 in it, from outside, so nothing in it is believed."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BODY_BYTES: Final = 15 * 1024 * 1024
"""A message holds at most 10 MB; in base64, with its envelope, that is less than this."""


@dataclass(frozen=True, slots=True)
class PushMessage:
    """One delivery. `message_id` changes when a message is published again or comes from the dead-letter topic."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    ordering_key: str = ""
    subscription: str = ""
    delivery_attempt: int | None = None

    def attribute(self, name: str) -> str:
        """Return an attribute. Raises DataError if the message has none of that name, or an empty one."""
        if value := self.attributes.get(name):
            return value
        had = ", ".join(sorted(self.attributes)) or "none"
        raise DataError(f"the message {self.message_id} has no attribute '{name}'", cause=f"Its attributes: {had}.")

    def json(self) -> dict[str, Any]:
        """Return the data, which are a JSON object. Raises DataError if they are anything else."""
        try:
            content = json.loads(self.data)
        except (ValueError, RecursionError) as error:
            raise DataError(f"the data of message {self.message_id} are no JSON", cause=str(error)) from error
        if not isinstance(content, dict):
            raise DataError(f"the data of message {self.message_id} are no JSON object")
        return content


def parse_push(body: bytes) -> PushMessage:
    """Return the message in the body of a push request. Raises DataError that says what is wrong with it."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError) as error:  # bytes that are not UTF-8 are a ValueError as well
        raise _malformed("it is no JSON") from error
    message = envelope.get("message") if isinstance(envelope, dict) else None
    if not isinstance(message, dict):
        raise _malformed("it has no object 'message'")
    attributes = message.get("attributes") or {}
    if not isinstance(attributes, dict) or not all(isinstance(value, str) for value in attributes.values()):
        raise _malformed("its attributes are not all text")
    attempt = envelope.get("deliveryAttempt")
    return PushMessage(
        message_id=_text(message, "messageId") or _text(message, "message_id") or _no_id(),
        data=_data(message.get("data", "")),
        attributes=attributes,
        ordering_key=_text(message, "orderingKey"),
        subscription=_text(envelope, "subscription"),
        delivery_attempt=attempt if isinstance(attempt, int) else None,
    )


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise _malformed(f"its '{name}' is no text")
    return value


def _data(text: object) -> bytes:
    if not isinstance(text, str):
        raise _malformed("its data are no text")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed("its data are not base64") from error


def _no_id() -> str:
    raise _malformed("it has no messageId")


def _malformed(what: str) -> DataError:
    return DataError(
        "this is no message that Pub/Sub pushed",
        cause=f"Of the body: {what}.",
        next_step="See the dead-letter topic, where Pub/Sub keeps what is refused again and again.",
    )
