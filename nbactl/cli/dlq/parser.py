"""The command line of `nbactl dlq`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.dlq import view
from nbactl.cli.dlq.command import (
    DEFAULT_LIMIT,
    ArchiveRequest,
    Choice,
    LetterFilter,
    ReplayRequest,
    archive_letters,
    list_letters,
    replay_letters,
    show_letter,
)
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View

app = group()

Ids = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]...",
        help="Ids of messages, or the beginning of them.",
        show_default=False,
        autocompletion=completing.dead_letters,
    ),
]
All = Annotated[bool, typer.Option("--all", help="All that nobody has replayed or archived.")]
Topic = Annotated[str | None, typer.Option(help="Only those that came from this topic.", metavar="TOPIC")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")]


@command(app, "list", examples=["nbactl dlq list", "nbactl dlq list --all --topic nba-phase4-trigger -o json"])
def list_(
    ctx: typer.Context,
    topic: Topic = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that were replayed or archived; the newest first.")
    ] = False,
    saved: Annotated[
        bool, typer.Option("--saved", help="Only what is saved already: leave what waits on the bus where it is.")
    ] = False,
    limit: Annotated[
        int, typer.Option(help="At most this many, the oldest first.", min=1, metavar="N")
    ] = DEFAULT_LIMIT,
) -> View:
    """List messages that could not be delivered, the oldest first.

    What waits in the dead-letter subscriptions is moved here first, at most 1,000 messages of each: a message is saved
    in the document store, then acknowledged. So it is not lost, it does not expire after seven days, and it is shown to
    everybody who lists, however often. It is no longer shown to other programs that pull the subscription; --saved
    changes nothing there. A message that came back for good is replayed or archived, never deleted.
    """
    request = LetterFilter(topic, everything, saved, limit)
    return view.letter_list(list_letters(container(ctx, reads_only=True), request))


@command(app, "show", examples=["nbactl dlq show msg-01kb2f7m"])
def show_(
    ctx: typer.Context,
    letter: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="The id of a message, or the beginning of it.",
            show_default=False,
            autocompletion=completing.dead_letters,
        ),
    ],
) -> View:
    """Show a message that could not be delivered: its data and attributes, why it failed, and what was done with it.

    Secrets are masked.
    """
    return view.letter_details(show_letter(container(ctx, reads_only=True), letter))


@command(
    app,
    "replay",
    examples=[
        "nbactl dlq replay msg-01kb2f7m --dry-run",
        "nbactl dlq replay --all --topic nba-phase3-trigger --rate 5",
    ],
)
def replay(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    ids: Ids = None,
    everything: All = False,
    topic: Topic = None,
    rate: Annotated[
        float | None, typer.Option(help="At most this many a second.", min=0.1, metavar="N", show_default=False)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also messages that would fail again, or were replayed three times.")
    ] = False,
    dry_run: DryRun = False,
) -> View:
    """Publish messages again to the topics that they came from, with the attributes that they had.

    A message is marked as replayed after it was published; if this is killed, the same command publishes it again.
    Consumers do the work of a key once. One that fails again comes back with its count. All subscriptions of the topic
    get the message. Exits with 1 if one of them was not replayed.
    """
    request = ReplayRequest(Choice(tuple(ids or ()), everything, topic), rate, force, dry_run)
    return view.letters_changed(replay_letters(container(ctx, reads_only=dry_run), request, confirm=asking(ctx)))


@command(
    app,
    "archive",
    examples=["nbactl dlq archive msg-01kb2f7m --reason 'sent by hand'", "nbactl dlq archive msg-01kb2f7n --undo"],
)
def archive(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    ids: Ids = None,
    everything: All = False,
    topic: Topic = None,
    reason: Annotated[
        str | None, typer.Option(help="Why the messages are not needed.", metavar="TEXT", show_default=False)
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Have archived messages wait again.")] = False,
    dry_run: DryRun = False,
) -> View:
    """Mark messages as done without publishing them.

    Nothing is deleted; --undo takes it back.
    """
    request = ArchiveRequest(Choice(tuple(ids or ()), everything, topic), reason, undo, dry_run)
    return view.letters_changed(archive_letters(container(ctx, reads_only=True), request, confirm=asking(ctx)))
