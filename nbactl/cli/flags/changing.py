"""`nbactl flags set`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.checks.flags import held_back
from nbactl.cli.flags.applying import carry_out
from nbactl.cli.flags.desk import open_desk
from nbactl.cli.flags.group import DryRunOption, KeysArgument, ReasonOption, app
from nbactl.cli.frame import command
from nbactl.cli.show.render import View
from nbactl.core.flags.moves import ALL, OFF, Position, parse_percent
from nbactl.errors import UsageError


@command(
    app,
    "set",
    examples=[
        "nbactl flags set query_caching --percent 50 --reason 'second stage' --dry-run",
        "nbactl flags set structured_logging --on",
        "nbactl flags set structured_logging --off --reason 'too much log'",
    ],
)
def set_(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    keys: KeysArgument = None,
    percent: Annotated[
        str | None, typer.Option(help="Give it to this part of the entities, 0 to 100.", metavar="P")
    ] = None,
    on: Annotated[bool, typer.Option("--on", help="Give it to everybody: --percent 100.")] = False,
    off: Annotated[
        bool, typer.Option("--off", help="Throw the kill switch: nobody gets it, whatever the environment says.")
    ] = False,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
) -> View:
    """Roll flags out to a part of the entities, to everybody, or to nobody.

    Who is inside at 10 % stays inside at 50 %. All flags of one call change together or not at all; a change that
    somebody else made meanwhile is never overwritten (exit 6). The command that undoes it is printed.
    """
    after = _position(percent, on=on, off=off)
    desk = open_desk(ctx)
    moves = [desk.move(key, after) for key in desk.chosen(keys)]
    then = desk.after(moves)
    warnings = [finding.message for each in moves for finding in held_back(each.key, desk.file, then)]
    return carry_out(ctx, desk.store, moves, reason=reason, dry_run=dry_run, warnings=warnings)


def _position(percent: str | None, *, on: bool, off: bool) -> Position:
    if (percent is not None) + on + off != 1:
        raise UsageError(
            "Say where the flags are to go, in one way",
            next_step="Give one of --percent P, --on and --off.",
        )
    if percent is not None:
        return Position(parse_percent(percent), enabled=True)
    return Position(ALL, enabled=True) if on else OFF
