"""Messages of the outbox as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.outbox.command import count
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.cli.outbox.command import Driven, MessageList
    from nbactl.cli.show.console import Console
    from nbactl.core.outbox.messages import Pending

_NAMED: Final = 5
"""So many messages are named in the last line, more are counted."""


def message_list(found: MessageList) -> View:
    """Show messages that wait."""

    def show(console: Console) -> None:
        if not found.messages:
            console.note("No message waits: all are published.")
            return
        console.table(
            ["message", "topic", "age", "due", "attempts", "last error"],
            [
                (
                    message.key,
                    message.topic,
                    format_duration((found.now - message.created_at).total_seconds()),
                    _due(message, found.now),
                    str(message.attempts),
                    Styled(message.last_error or "", "red"),
                )
                for message in found.messages
            ],
            optional=["topic"],
        )
        shown = len(found.messages)
        if found.total > shown:
            console.note(f"Showing {shown:,} of {found.total:,}; --limit shows more.")

    more = found.total > len(found.messages)
    return View({"messages": [_line(message) for message in found.messages], "more": more}, show, items="messages")


def messages_driven(driven: Driven) -> View:
    """Show what was published, and what was not; the exit code is that of the first failure."""

    def show(console: Console) -> None:
        for message in driven.messages if driven.request.dry_run else ():
            console.note(f"Would publish {message.key} to {message.topic}.")
        for key in driven.published_before:
            console.note(f"{key} is already published.")
        for key in driven.taken:
            console.note(f"{key} is being published by another process.")
        for key, error in driven.failed.items():
            console.note(f"{key}: {error.message}")
        if driven.published:
            console.note(f"Published {count(len(driven.published))}.")
        if not driven.messages and not driven.published_before:
            console.note(_nothing(driven.later))

    data: dict[str, Any] = {
        "messages": [_line(message) for message in driven.messages],
        "published": driven.published,
        "failed": [{"key": key, "code": error.code, "message": error.message} for key, error in driven.failed.items()],
        "taken_by_others": driven.taken,
        "published_before": driven.published_before,
    }
    first = next(iter(driven.failed.values()), None)
    if first is not None:
        first.next_step = first.next_step or "Messages that failed stay. Try one again: nbactl outbox drive KEY"
    return View(
        data,
        show,
        items="messages",
        exit_code=first.exit_code if first else 0,
        error=first,
        touched=_touched(driven),
    )


def _nothing(later: Sequence[Pending]) -> str:
    if not later:
        return "Nothing to publish: all sent."
    failed = sum(message.last_error is not None for message in later)
    why = f"{failed:,} failed before" if failed else "another process sends them or was stopped"
    return f"Nothing is due: {count(len(later))} not published, {why}. List them: nbactl outbox list"


def _touched(driven: Driven) -> str | None:
    keys = [message.key for message in driven.messages]
    if len(keys) > _NAMED:
        return f"{count(len(keys))} of the outbox"
    return f"outbox messages {', '.join(keys)}" if keys else None


def _line(message: Pending) -> dict[str, Any]:
    return {
        "key": message.key,
        "topic": message.topic,
        "created_at": message.created_at,
        "due_at": message.due_at,
        "attempts": message.attempts,
        "last_error": message.last_error,
    }


def _due(message: Pending, now: datetime) -> str:
    left = (message.due_at - now).total_seconds()
    return "now" if left <= 0 else f"in {format_duration(left)}"
