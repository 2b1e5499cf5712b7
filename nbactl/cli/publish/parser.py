"""The command line of `nbactl publish`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.cli.app import container
from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.dates import game_date
from nbactl.cli.frame import command, single
from nbactl.cli.publish import view
from nbactl.cli.publish.command import PublishRequest, publish_message
from nbactl.cli.show.render import View
from nbactl.core.observe.masking import is_secret_name, mask
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

app = single()


@command(
    app,
    "publish",
    examples=[
        "nbactl publish nba-phase3-trigger --game-date 2024-10-22 --dry-run",
        "nbactl publish nba-phase3-analytics-complete --game-date 2024-10-22 --processor player_game_summary --rows 25",
        "nbactl publish prediction-request-prod --game-date 2025-01-06 --batch 2025-01-06 --player p1 --dry-run",
    ],
)
def publish(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    topic: Annotated[
        str,
        typer.Argument(
            metavar="TOPIC", help="A topic of the phases.", show_default=False, autocompletion=completing.topics
        ),
    ],
    day: Annotated[
        str,
        typer.Option(
            "--game-date",
            help="Game date: YYYY-MM-DD, today, yesterday, tomorrow or latest.",
            metavar="DATE",
            show_default=False,
            autocompletion=completing.dates,
        ),
    ],
    processor: Annotated[
        str | None, typer.Option(help="Completions: which processor is done.", metavar="NAME", show_default=False)
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            help="Completions: how it ended.",
            metavar="success|partial|no_data|skipped|failed",
            show_default="success",
        ),
    ] = None,
    rows: Annotated[
        int | None, typer.Option(help="Completions: how many rows it wrote.", min=0, metavar="N", show_default=False)
    ] = None,
    batch: Annotated[
        str | None, typer.Option(help="Predictions: the id of the batch.", metavar="ID", show_default=False)
    ] = None,
    player: Annotated[
        str | None, typer.Option(help="Predictions: the player.", metavar="LOOKUP", show_default=False)
    ] = None,
    predictions: Annotated[
        int | None,
        typer.Option(help="Predictions that are done: how many.", min=0, metavar="N", show_default=False),
    ] = None,
    added: Annotated[
        list[str] | None,
        typer.Option(
            "--field",
            help="Add or replace a field; the value is JSON or text.",
            metavar="NAME=VALUE",
            show_default=False,
        ),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(
            help="Why; kept in the audit trail, and the reason of a start.", metavar="TEXT", show_default=False
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Publish it although the same was published before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the message, and publish nothing.")] = False,
) -> View:
    """Publish a message in the form of its topic: a completion, the start of a phase, a player to predict or done.

    The message is shown first, with what it starts and what speaks against it, such as a date without games. What its
    consumers would refuse is refused here. A start is that of the round of the date, which is worked on once; phase 4
    is started with one message for each table of phase 3. The message is kept in the outbox, then published; if this is
    killed, run it again; it finishes under the same key, by which consumers find a duplicate. What was published before
    is left alone: --again publishes it once more, and a start is then one of its own.
    """
    from nbactl.services.manual import Values, check_status

    opened = container(ctx, reads_only=dry_run)
    values = Values(
        game_date(opened, day),
        processor,
        check_status(status),
        rows,
        batch,
        player,
        predictions,
        reason,
        _parsed(added or ()) or None,
    )
    request = PublishRequest(topic, values, again, dry_run)
    return view.publication(publish_message(opened, request, confirm=asking(ctx)))


def _parsed(fields: Sequence[str]) -> dict[str, Any]:
    """Return the fields of `--field NAME=VALUE`. Raises UsageError."""
    parsed: dict[str, Any] = {}
    for text in fields:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"--field '{text}' has no value", next_step="Write NAME=VALUE, such as record_count=25.")
        if is_secret_name(name) or mask(value) != value:
            raise UsageError(
                f"--field {name} looks like a secret",
                cause="A message is kept in the outbox, and every subscription of the topic gets it.",
                next_step="Have the service read it from Secret Manager.",
            )
        try:
            parsed[name] = json.loads(value)
        except ValueError:
            parsed[name] = value
    return parsed
