"""`nbactl flags rollout`: the stages of a flag on its way to everybody."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.flags.group import DryRunOption, KeysArgument, ReasonOption
from nbactl.cli.flags.group import app as flags
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View

app = group()
flags.add_typer(app, name="rollout", help="Roll flags out in stages, watched by guards.")

ForceOption = Annotated[bool, typer.Option("--force", help="Go on although a rule speaks against it.")]


@command(
    app,
    "start",
    examples=[
        "nbactl flags rollout start query_caching --reason 'first rollout' --dry-run",
        "nbactl flags rollout start query_caching",
    ],
)
def start(
    ctx: typer.Context,
    keys: KeysArgument = None,
    reason: ReasonOption = None,
    force: ForceOption = False,
    dry_run: DryRunOption = False,
) -> View:
    """Begin a rollout at the first stage of the flag's plan, or go on with a paused one at its stage.

    Refused (6) while a flag that it needs is not as far, another rollout over the same entity is under way, the flag
    has expired, or a service is not well. The plan is kept as it is now; a later edit of flags.yaml does not change it.
    """
    from nbactl.cli.flags import rolling  # noqa: PLC0415 - most verbs of flags need none of it

    return rolling.start(ctx, keys, reason=reason, force=force, dry_run=dry_run)


@command(
    app,
    "advance",
    examples=["nbactl flags rollout advance query_caching --force --reason 'quiet night' --dry-run"],
)
def advance(
    ctx: typer.Context,
    keys: KeysArgument = None,
    reason: ReasonOption = None,
    force: ForceOption = False,
    dry_run: DryRunOption = False,
) -> View:
    """Go to the next stage now, if a tick would; with --force although its time is not over or too little is known.

    A guard that is breached is never overruled: roll back, or change the plan and start anew.
    """
    from nbactl.cli.flags import rolling  # noqa: PLC0415 - most verbs of flags need none of it

    return rolling.advance(ctx, keys, reason=reason, force=force, dry_run=dry_run)


@command(app, "pause", examples=["nbactl flags rollout pause query_caching --reason 'game night'"])
def pause(
    ctx: typer.Context, keys: KeysArgument = None, reason: ReasonOption = None, dry_run: DryRunOption = False
) -> View:
    """Stay at the present stage until `rollout start`; no tick moves the flag meanwhile, not even back."""
    from nbactl.cli.flags import rolling  # noqa: PLC0415 - most verbs of flags need none of it

    return rolling.pause(ctx, keys, reason=reason, dry_run=dry_run)


@command(app, "abort", examples=["nbactl flags rollout abort query_caching --reason 'stale answers'"])
def abort(
    ctx: typer.Context, keys: KeysArgument = None, reason: ReasonOption = None, dry_run: DryRunOption = False
) -> View:
    """End a rollout and take the flag back to where it stood before it. It never takes a flag up."""
    from nbactl.cli.flags import rolling  # noqa: PLC0415 - most verbs of flags need none of it

    return rolling.abort(ctx, keys, reason=reason, dry_run=dry_run)


@command(app, "status", examples=["nbactl flags rollout status", "nbactl flags rollout status query_caching -o json"])
def status(
    ctx: typer.Context,
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY]...", help="Names of flags; else all.", show_default=False)
    ] = None,
) -> View:
    """Show each rollout: its stage, what its guards say now, and what the next tick will do. Nothing is changed."""
    from nbactl.cli.flags import rolling  # noqa: PLC0415 - most verbs of flags need none of it

    return rolling.status(ctx, keys)
