"""The outbox: messages that were committed with a change and are not published yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from nbactl.cli.ask import Question, proceed
from nbactl.core._support.names import closest
from nbactl.core.outbox.messages import count_pending, pending_messages, published_at
from nbactl.errors import NbactlError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.core.outbox.messages import Pending

DEFAULT_LIMIT: Final = 50


@dataclass(frozen=True, slots=True)
class MessageList:
    """Messages that wait, those longest due first, at `now`; `total` counts those left out as well."""

    messages: tuple[Pending, ...]
    total: int
    now: datetime


@dataclass(frozen=True, slots=True)
class DriveRequest:
    """Which messages to publish: those of `keys`, or all that are due."""

    keys: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Driven:
    """What was done with the messages. Another process publishes those of `taken`; those of `later` are not due."""

    request: DriveRequest
    messages: tuple[Pending, ...]
    published_before: tuple[str, ...] = ()
    later: tuple[Pending, ...] = ()
    published: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    failed: dict[str, NbactlError] = field(default_factory=dict)


def list_messages(app: Container, limit: int = DEFAULT_LIMIT) -> MessageList:
    """Return messages that wait to be published, at most `limit`."""
    messages = tuple(islice(pending_messages(app.documents), limit))
    total = len(messages) if len(messages) < limit else max(count_pending(app.documents), limit)
    return MessageList(messages, total, app.clock.now())


def drive_messages(app: Container, request: DriveRequest, *, confirm: Confirm = proceed) -> Driven:
    """Publish messages now. One that fails does not hold up the others. Raises NotFoundError for an unknown key."""
    driven = _choose(app, request)
    if not driven.messages or request.dry_run:
        return driven
    lines = tuple(f"  {message.key} to {message.topic}" for message in driven.messages)
    confirm(Question(f"Publish {count(len(driven.messages))}?", lines))
    if not app.alert_channels:
        _ = app.bus  # raises if it cannot be opened, before a message is taken
    for message in driven.messages:
        try:
            (driven.published if app.outbox.drive(message.key) else driven.taken).append(message.key)
        except NbactlError as error:
            driven.failed[message.key] = error
    return driven


def count(number: int) -> str:
    """Return `1 message`, `2 messages`."""
    return f"{number} message{'s' if number != 1 else ''}"


def _choose(app: Container, request: DriveRequest) -> Driven:
    pending = {message.key: message for message in pending_messages(app.documents)}
    if not request.keys:
        now = app.clock.now()
        due = tuple(message for message in pending.values() if message.due_at <= now)
        return Driven(request, due, later=tuple(message for message in pending.values() if message.due_at > now))
    keys = list(dict.fromkeys(request.keys))
    before = [key for key in keys if key not in pending]
    for key in before:
        _require_published(app, key, list(pending))
    return Driven(request, tuple(pending[key] for key in keys if key in pending), tuple(before))


def _require_published(app: Container, key: str, pending: Sequence[str]) -> None:
    try:
        published_at(app.documents, key)
    except NotFoundError as error:
        match = closest(key, pending)
        error.next_step = f"Did you mean '{match}'?" if match else "List the messages: nbactl outbox list"
        raise
