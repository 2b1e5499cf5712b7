"""ASGI middleware for a Pub/Sub push endpoint: the app behind it does each message's work once.

| what happened | answer | what Pub/Sub does |
|---|---|---|
| done now, or done before (the app is not called) | 204 | acknowledges |
| in progress elsewhere, or lost to another delivery | 409 | delivers again |
| the app failed or answered 3xx, 5xx | 500, or the app's 5xx | delivers again |
| the app answered 4xx | the app's | delivers again, then dead-letter topic |
| the app raised DataError: no retry will mend it | 400 | delivers again, then dead-letter topic |
| it took too long, a backend or the store is down | 503 | delivers again |
| malformed message | 400, too large 413, not complete in time 408 | delivers again, then dead-letter topic |
| the key came with another payload | 422 | delivers again, then dead-letter topic |

Nothing but 204 acknowledges. What can never succeed is refused until the subscription's dead-letter policy takes it
aside, where an operator finds it: answering 2xx would lose it silently. So the subscription needs such a policy.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.aio import CutOff
from nbactl.core.calls.deadline import Deadline, deadline_scope
from nbactl.core.observe.failures import LOGGED
from nbactl.core.once.claim import Done, working_under
from nbactl.core.service.propagation import incoming_attributes
from nbactl.errors import DataError, InProgressError, NbactlError, PayloadMismatchError, TimedOutError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.core._support.aio import App, Message, Receive, Scope, Send
    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.failures import Failures
    from nbactl.core.once.claim import Claim
    from nbactl.core.once.idempotency import Idempotency

PROBE: Final = "nbactl.probe"
"""In the scope of a request that a service makes to itself, to find out whether a route works. It is no message."""
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
            raise DataError(f"the data of message {self.message_id} are not JSON", cause=str(error)) from error
        if not isinstance(content, dict):
            raise DataError(f"the data of message {self.message_id} are not a JSON object")
        return content


def parse_push(body: bytes) -> PushMessage:
    """Return the message in the body of a push request. Raises DataError that says what is wrong with it."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError) as error:  # bytes that are not UTF-8 are a ValueError as well
        raise _malformed("it is not JSON") from error
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
        raise _malformed(f"its '{name}' is not text")
    return value


def _data(text: object) -> bytes:
    if not isinstance(text, str):
        raise _malformed("its data are not text")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed("its data are not base64") from error


def _no_id() -> str:
    raise _malformed("it has no messageId")


def _malformed(what: str) -> DataError:
    return DataError(
        "this is not a push message of Pub/Sub",
        cause=f"Of the body: {what}.",
        next_step="See the dead-letter topic, where Pub/Sub keeps what is refused again and again.",
    )


_LOG = logging.getLogger("nbactl.push")
_DONE, _OK, _REDIRECTS, _REFUSALS, _CONFLICT, _BROKEN = 204, 200, 300, 400, 409, 500
_STATUS: Mapping[type[Exception], int] = {InProgressError: _CONFLICT, PayloadMismatchError: 422}


class PubSubPush:
    """Wraps an ASGI app; only POST requests to `path` are messages, all others pass through.

    The app finds the message in `scope["nbactl.message"]` and gives what is to be written with it to
    `current_claim().write`; it runs in the context that the message brought along. Its answer is held back until the
    end of the work is durable. `key` names the work (by default the message id); a key that comes with another
    `payload` is refused, unless that is None. `timeout` is seconds for the app, less than the subscription's
    acknowledgement deadline. A message that is not acknowledged is reported to `failures`, except work that is in
    progress elsewhere.
    """

    def __init__(
        self,
        app: App,
        idempotency: Idempotency,
        *,
        path: str,
        timeout: float,
        clock: Clock,
        key: Callable[[PushMessage], str] = lambda message: message.message_id,
        payload: Callable[[PushMessage], bytes | None] = lambda message: message.data,
        failures: Failures = LOGGED,
    ) -> None:
        self._app = app
        self._idempotency = idempotency
        self._path = path
        self._timeout = timeout
        self._clock = clock
        self._key = key
        self._payload = payload
        self._failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST" or PROBE in scope:
            await self._app(scope, receive, send)
            return
        scope["nbactl.route"] = self._path
        limit = Deadline.after(self._timeout, self._clock)
        try:
            with CutOff("receiving a message", limit, self._timeout):
                body = await _body(receive)
        except TimedOutError as error:
            await self._refuse(send, 408, error)
            return
        if body is None:
            return  # the client went away before the message was complete
        if len(body) > MAX_BODY_BYTES:
            await self._refuse(send, 413, DataError(f"a body of more than {MAX_BODY_BYTES:,} bytes holds no message"))
            return
        try:
            message = parse_push(body)
        except DataError as error:
            await self._refuse(send, 400, error)
            return
        with incoming_attributes(message.attributes, self._clock):
            await self._work(message, scope, body, send)

    async def _work(self, message: PushMessage, scope: Scope, body: bytes, send: Send) -> None:
        about: dict[str, Any] = {"message_id": message.message_id, "delivery_attempt": message.delivery_attempt}
        try:
            key = about["key"] = self._key(message)
            begun = await self._idempotency.begin_async(key, self._payload(message))
        except Exception as error:  # noqa: BLE001 - a message without a usable key is a failure too
            await self._refuse(send, _STATUS.get(type(error)) or _status_of(error, _REFUSALS), error, **about)
            return
        if isinstance(begun, Done):
            await _answer(send, _DONE)
            return
        held: list[Message] = []
        try:
            status = await self._call_app(begun, {**scope, "nbactl.message": message}, body, held)
            if _OK <= status < _REDIRECTS:
                await self._idempotency.complete_async(begun)
        except BaseException as error:
            await self._idempotency.give_up_async(begun, error)
            if not isinstance(error, Exception):
                raise
            # Reported here, once: the server need not report it again.
            lost = (begun.lost and isinstance(error, NbactlError)) or isinstance(error, InProgressError)
            final = _REFUSALS if isinstance(error, DataError) else _BROKEN
            status = _CONFLICT if lost else _status_of(error, final)
            await self._refuse(send, status, error, **about)
            return
        if _OK <= status < _REDIRECTS:
            await _answer(send, _DONE)
            return
        refused = NbactlError(f"the work on {key} was answered with {status}", retryable=status >= _BROKEN)
        await self._idempotency.give_up_async(begun, refused)
        if status < _REFUSALS:
            await self._refuse(send, _BROKEN, refused, **about)
            return
        self._failures.report(refused, f"push {self._path}", status=status, **about)
        for part in held:
            await send(part)

    async def _refuse(self, send: Send, status: int, error: Exception, **about: Any) -> None:  # noqa: ANN401
        if status == _CONFLICT:
            _LOG.warning("push answered with %s: %s", status, error)
        else:
            self._failures.report(error, f"push {self._path}", status=status, **about)
        await _answer(send, status, error)

    async def _call_app(self, claim: Claim, scope: Scope, body: bytes, held: list[Message]) -> int:
        """Call the app with the body that was read, keep its answer in `held`, and return the status of it."""
        left = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if left:
                return left.pop()
            await asyncio.Event().wait()  # no disconnection is reported: the work continues without a listener
            raise AssertionError

        async def hold(message: Message) -> None:
            held.append(message)

        with (
            working_under(claim),
            deadline_scope(self._timeout, self._clock) as deadline,
            CutOff(f"the work on {claim.key}", deadline, deadline.remaining()),
        ):
            deadline.check(f"the work on {claim.key}")  # a message may come too late; a thread cannot be stopped
            await self._app(scope, receive, hold)
        return next((int(part["status"]) for part in held if part["type"] == "http.response.start"), 500)


async def _body(receive: Receive) -> bytes | None:
    """Return the body, cut once it is too long; None if the client went away."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        if size <= MAX_BODY_BYTES:
            parts.append(part)
            size += len(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _status_of(error: Exception, final: int) -> int:
    """Return what an error is answered with; `final` is for one of ours that will not pass."""
    if not isinstance(error, NbactlError):
        return _BROKEN
    return 503 if error.retryable else final


async def _answer(send: Send, status: int, error: Exception | None = None) -> None:
    body = b""
    if isinstance(error, NbactlError):
        fields = {"code": error.code, "message": error.message, "cause": error.cause, "next": error.next_step}
        body = json.dumps({"error": fields}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers if body else []})
    await send({"type": "http.response.body", "body": body})
