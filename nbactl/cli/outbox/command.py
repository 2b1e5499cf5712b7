"""`nbactl outbox`: messages that were committed with a change and are not published yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.cli.app import container
from nbactl.cli.ask import Question, asking
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.core._support.durations import format_duration
from nbactl.core._support.names import closest
from nbactl.core.outbox.outbox import pending_messages, published_at
from nbactl.errors import NbactlError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.cli.show.console import Console
    from nbactl.core.outbox.outbox import Outbox, Pending

app = group()


@command(app, "list", examples=["nbactl outbox list", "nbactl outbox list -o jsonl"])
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(help="At most this many, those longest due.", min=1, metavar="N")] = 50,
) -> View:
    """List messages that wait to be published, the longest due first.

    One that was just tried is due again after outbox.redrive (timeouts.yaml): until then whoever tried it has it alone.
    """
    services = container(ctx, reads_only=True)
    now = services.clock.now()
    found = list(islice(pending_messages(services.documents), limit + 1))
    more = len(found) > limit
    found = found[:limit]

    def show(console: Console) -> None:
        if not found:
            console.note("Nothing waits: every message is published.")
            return
        console.table(
            ["message", "topic", "age", "due", "attempts", "last error"],
            [
                (
                    each.key,
                    each.topic,
                    format_duration((now - each.created_at).total_seconds()),
                    _due(each, now),
                    str(each.attempts),
                    Styled(each.last_error or "", "red"),
                )
                for each in found
            ],
            optional=["topic"],
        )
        if more:
            console.note(f"There are more than {limit}; --limit shows more.")

    return View({"messages": [_line(each) for each in found], "more": more}, show, items="messages")


@command(
    app,
    "drive",
    examples=["nbactl outbox drive --dry-run", "nbactl outbox drive phase3/2024-01-15/1"],
)
def drive(
    ctx: typer.Context,
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY]...", help="Messages; else all that are due.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
) -> View:
    """Publish messages now: those named, or all that are due.

    A message goes out at least once, under its key; consumers do the work of a key once. One that fails stays, with
    the reason, and does not hold up the others; the exit code is that of the first failure.
    """
    services = container(ctx, reads_only=dry_run)
    waiting, before = _chosen(services, keys)
    if waiting and not dry_run:
        asking(ctx)(Question(f"Publish {_count(len(waiting))}?"))
        if not services.alert_channels:
            _ = services.bus  # where there is none, no message is taken
        driven = _drive(services.outbox, waiting)
    else:
        driven = _Driven()
    failed = driven.failed
    data: dict[str, Any] = {
        "messages": [_line(each) for each in waiting],
        "published": driven.published,
        "failed": [{"key": key, "code": error.code, "message": error.message} for key, error in failed.items()],
        "taken_by_others": driven.taken,
        "published_before": before,
    }
    first = next(iter(failed.values()), None)
    if first is not None:
        first.next_step = first.next_step or "Try again: nbactl outbox drive. What is not published stays."

    def show(console: Console) -> None:
        _show_driven(console, waiting if dry_run else (), before, driven)
        if not waiting and not before:
            console.note("Nothing is due: every message is published, or somebody is at it.")

    return View(data, show, items="messages", exit_code=first.exit_code if first else 0, error=first)


@dataclass(frozen=True, slots=True)
class _Driven:
    """What became of the messages: `taken` ones are being published by another process."""

    published: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    failed: dict[str, NbactlError] = field(default_factory=dict)


def _drive(outbox: Outbox, messages: Sequence[Pending]) -> _Driven:
    driven = _Driven()
    for each in messages:
        try:
            (driven.published if outbox.drive(each.key) else driven.taken).append(each.key)
        except NbactlError as error:
            driven.failed[each.key] = error
    return driven


def _show_driven(console: Console, planned: Sequence[Pending], before: Sequence[str], driven: _Driven) -> None:
    for each in planned:
        console.note(f"Would publish {each.key} to {each.topic}.")
    for key in before:
        console.note(f"{key} was published before.")
    for key in driven.taken:
        console.note(f"{key} is being published by another process.")
    for key, error in driven.failed.items():
        console.note(f"{key}: {error.message}")
    if driven.published:
        console.note(f"Published {_count(len(driven.published))}.")


def _chosen(services: Container, keys: Sequence[str] | None) -> tuple[list[Pending], list[str]]:
    """Return what is to be published, and those of `keys` that are published already. Raises NotFoundError."""
    pending = {each.key: each for each in pending_messages(services.documents)}
    if not keys:
        now = services.clock.now()
        return [each for each in pending.values() if each.due_at <= now], []
    before = []
    for key in dict.fromkeys(keys):
        if key not in pending:
            try:
                published_at(services.documents, key)
            except NotFoundError as error:
                match = closest(key, pending)
                error.next_step = f"Did you mean '{match}'?" if match else "`nbactl outbox list` has those that wait."
                raise
            before.append(key)
    return [pending[key] for key in dict.fromkeys(keys) if key in pending], before


def _line(each: Pending) -> dict[str, Any]:
    """Return a message as `outbox list -o json` has it."""
    return {
        "key": each.key,
        "topic": each.topic,
        "created_at": each.created_at,
        "due_at": each.due_at,
        "attempts": each.attempts,
        "last_error": each.last_error,
    }


def _due(each: Pending, now: datetime) -> str:
    left = (each.due_at - now).total_seconds()
    return "now" if left <= 0 else f"in {format_duration(left)}"


def _count(number: int) -> str:
    return f"{number} message{'s' if number != 1 else ''}"
