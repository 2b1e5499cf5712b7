"""The context and the deadline of a piece of work on their way to another process: over HTTP, and through Pub/Sub.

| what | HTTP header | Pub/Sub attribute |
|---|---|---|
| correlation id | `x-correlation-id` | `correlation_id` |
| trace | `traceparent` (read also: `x-cloud-trace-context`) | `traceparent` |
| run, workflow, task, game date, batch, player | `baggage` (W3C) | under their names |
| deadline | `x-deadline-ms`: milliseconds left, for clocks differ | `deadline`: the instant, since a message waits |

Values from outside are used only if they are well-formed; others are ignored.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from nbactl.core.calls.deadline import current_deadline, deadline_scope
from nbactl.core.observe.context import bound, current, trace_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nbactl.core._support.aio import App, Message, Receive, Scope, Send
    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator

_LOG = logging.getLogger(__name__)
CORRELATION, TRACEPARENT, CLOUD_TRACE = "x-correlation-id", "traceparent", "x-cloud-trace-context"
BAGGAGE, DEADLINE_MS = "baggage", "x-deadline-ms"
_HEADERS: Final = frozenset({CORRELATION, TRACEPARENT, CLOUD_TRACE, BAGGAGE, DEADLINE_MS})
_TRAVELS: Final = ("run_id", "workflow", "task", "game_date", "batch", "player")
_LONGEST_VALUE: Final = 256
_LONGEST_BAGGAGE: Final = 8_192
"""Bytes of baggage that are read (W3C Recommendation "Baggage": what all must pass on)."""
_LONGEST_MS: Final = 24 * 3_600_000
_MOST_DIGITS: Final = 12


def outgoing_headers() -> dict[str, str]:
    """Return the headers that take context and deadline along on a request."""
    context = current()
    headers: dict[str, str] = {}
    if context.correlation_id is not None:
        headers[CORRELATION] = quote(context.correlation_id, safe="/:+=@ ")
    if context.trace is not None and context.trace.traceparent is not None:
        headers[TRACEPARENT] = context.trace.traceparent
    pairs = ((name, getattr(context, name)) for name in _TRAVELS)
    if baggage := ",".join(f"{name}={quote(value, safe='')}" for name, value in pairs if value is not None):
        headers[BAGGAGE] = baggage
    deadline = current_deadline()
    if deadline is not None:
        headers[DEADLINE_MS] = str(int(deadline.remaining() * 1000))
    return headers


def outgoing_attributes(clock: Clock | None = None) -> dict[str, str]:
    """Return the attributes that take the context along on a message; with a `clock` the deadline too.

    A message may wait for hours, so a deadline is right only for work that is worthless later. What comes too late is
    refused by the receiver until the dead-letter topic takes it; it is not dropped.
    """
    context = current()
    attributes = {name: value for name in _TRAVELS if (value := getattr(context, name)) is not None}
    if context.correlation_id is not None:
        attributes["correlation_id"] = context.correlation_id
    if context.trace is not None and context.trace.traceparent is not None:
        attributes[TRACEPARENT] = context.trace.traceparent
    deadline = current_deadline()
    if clock is not None and deadline is not None:
        end = clock.now() + timedelta(seconds=deadline.remaining())
        attributes["deadline"] = end.astimezone(UTC).isoformat(timespec="milliseconds")
    return attributes


@contextmanager
def incoming_headers(headers: Mapping[str, str], clock: Clock) -> Iterator[None]:
    """Use the context and deadline of a request for the length of a `with` block. Names are in lower case."""
    given = _baggage(headers.get(BAGGAGE, ""))
    if (correlation := headers.get(CORRELATION)) is not None:
        given["correlation_id"] = unquote(correlation)
    text = headers.get(DEADLINE_MS, "")
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    seconds = int(text) / 1000 if is_number and int(text) <= _LONGEST_MS else None
    with _in_force(given, headers.get(TRACEPARENT), headers.get(CLOUD_TRACE), seconds, clock):
        yield


@contextmanager
def incoming_attributes(attributes: Mapping[str, str], clock: Clock) -> Iterator[None]:
    """Use the context and deadline of a message for the length of a `with` block."""
    given = {name: attributes[name] for name in (*_TRAVELS, "correlation_id") if name in attributes}
    seconds = None
    if (text := attributes.get("deadline")) is not None:
        try:
            seconds = max(0.0, (datetime.fromisoformat(text) - clock.now()).total_seconds())
        except (ValueError, TypeError):  # no time, or one without a zone
            _LOG.debug("a message's deadline is not a time and is ignored")
    with _in_force(given, attributes.get(TRACEPARENT), None, seconds, clock):
        yield


class Propagation:
    """ASGI middleware: each request is worked on in the context that it brought along.

    One without a correlation id gets a new one; the answer has it in its header, so that a caller can name it.
    """

    def __init__(self, app: App, clock: Clock, ids: IdGenerator) -> None:
        self._app = app
        self._clock = clock
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _wanted(scope["headers"])
        with incoming_headers(headers, self._clock), ExitStack() as more:
            correlation_id = current().correlation_id
            if correlation_id is None:
                correlation_id = self._ids.new("req")
                more.enter_context(bound(correlation_id=correlation_id))
            header = (CORRELATION.encode(), quote(correlation_id, safe="/:+=@ ").encode())

            async def answer(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message = {**message, "headers": [*message.get("headers", ()), header]}
                await send(message)

            await self._app(scope, receive, answer)


def _wanted(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers that matter here; of one that comes twice the first."""
    found: dict[str, str] = {}
    for raw, value in headers:
        name = raw.decode("latin-1").lower()
        if name in _HEADERS:
            found.setdefault(name, value.decode("latin-1"))
    return found


@contextmanager
def _in_force(
    given: Mapping[str, str], traceparent: str | None, cloud: str | None, seconds: float | None, clock: Clock
) -> Iterator[None]:
    valid: dict[str, Any] = {
        name: value for name, value in given.items() if 0 < len(value) <= _LONGEST_VALUE and value.isprintable()
    }
    for name in given.keys() - valid.keys():
        _LOG.debug("the value of %s is malformed and is ignored", name)
    trace = trace_of(traceparent, cloud)
    with ExitStack() as scopes:
        if valid or trace is not None:
            scopes.enter_context(bound(**valid, trace=trace))
        if seconds is not None:
            scopes.enter_context(deadline_scope(seconds, clock))
        yield


def _baggage(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for member in text[:_LONGEST_BAGGAGE].split(","):
        name, _, value = member.partition(";")[0].strip().partition("=")
        if name in _TRAVELS:
            found[name] = unquote(value.strip())
    return found
