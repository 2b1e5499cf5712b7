"""The command line of `nbactl flags rollout`."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.app import container, settings
from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View

app = group()

KeysArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY]...",
        help="Names of flags; without them those under rollout.active of flags.yaml.",
        show_default=False,
        autocompletion=completing.flags,
    ),
]
OpenKeysArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY]...",
        help="Names of flags; without them those under rollout.active of flags.yaml.",
        show_default=False,
        autocompletion=completing.rollouts,
    ),
]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why, for the history.", metavar="TEXT")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]


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
    force: Annotated[bool, typer.Option("--force", help="Start even if a rule refuses it.")] = False,
    dry_run: DryRunOption = False,
) -> View:
    """Start a rollout at the first stage of the flag's plan, or resume a paused one at its stage.

    Refused (6) while a prerequisite is not rolled out as far, another rollout over the same entity is under way, the
    flag has expired, or a service is unhealthy. The rollout keeps the plan as it is now; a later edit of flags.yaml
    does not change it.
    """
    from nbactl.cli.flags.rollout import command as rollouts
    from nbactl.cli.flags.rollout import view

    request = rollouts.RolloutRequest(tuple(keys or ()), reason, force, dry_run)
    return view.rollouts_changed(rollouts.start_rollouts(container(ctx), request, confirm=asking(ctx)), settings(ctx))


@command(
    app,
    "advance",
    examples=["nbactl flags rollout advance query_caching --force --reason 'quiet night' --dry-run"],
)
def advance(
    ctx: typer.Context,
    keys: OpenKeysArgument = None,
    reason: ReasonOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Advance before the stage has baked, or with too few events.")
    ] = False,
    dry_run: DryRunOption = False,
) -> View:
    """Go to the next stage now, if a tick would; with --force also before the stage has baked.

    --force never overrules a breached guard: roll back, or change the plan and start again.
    """
    from nbactl.cli.flags.rollout import command as rollouts
    from nbactl.cli.flags.rollout import view

    request = rollouts.RolloutRequest(tuple(keys or ()), reason, force, dry_run)
    done = rollouts.advance_rollouts(container(ctx), request, confirm=asking(ctx))
    return view.rollouts_changed(done, settings(ctx))


@command(app, "pause", examples=["nbactl flags rollout pause query_caching --reason 'game night'"])
def pause(
    ctx: typer.Context, keys: OpenKeysArgument = None, reason: ReasonOption = None, dry_run: DryRunOption = False
) -> View:
    """Stay at the present stage until `rollout start`. No tick moves the flag meanwhile, not even back."""
    from nbactl.cli.flags.rollout import command as rollouts
    from nbactl.cli.flags.rollout import view

    request = rollouts.RolloutRequest(tuple(keys or ()), reason, dry_run=dry_run)
    return view.rollouts_changed(rollouts.pause_rollouts(container(ctx), request, confirm=asking(ctx)), settings(ctx))


@command(app, "abort", examples=["nbactl flags rollout abort query_caching --reason 'stale answers'"])
def abort(
    ctx: typer.Context, keys: OpenKeysArgument = None, reason: ReasonOption = None, dry_run: DryRunOption = False
) -> View:
    """End a rollout, and take the flag back to where it was before. It never moves a flag up."""
    from nbactl.cli.flags.rollout import command as rollouts
    from nbactl.cli.flags.rollout import view

    request = rollouts.RolloutRequest(tuple(keys or ()), reason, dry_run=dry_run)
    return view.rollouts_changed(rollouts.abort_rollouts(container(ctx), request, confirm=asking(ctx)), settings(ctx))


@command(app, "status", examples=["nbactl flags rollout status", "nbactl flags rollout status query_caching -o json"])
def status(
    ctx: typer.Context,
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY]...",
            help="Names of flags; without them all rollouts.",
            show_default=False,
            autocompletion=completing.rollouts,
        ),
    ] = None,
) -> View:
    """Show each rollout: its stage, the results of its guards, and what the next tick will do. Changes nothing."""
    from nbactl.cli.flags.rollout import command as rollouts
    from nbactl.cli.flags.rollout import view

    return view.rollout_list(rollouts.rollout_status(container(ctx, reads_only=True), keys or ()))
