"""The command line of `nbactl services env|scale|traffic|rollback|apply|undo|changes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nbactl.cli.app import console, container
from nbactl.cli.ask import asking
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command
from nbactl.cli.services.change import view
from nbactl.cli.services.group import app, env
from nbactl.cli.show.render import View
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

ServiceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SERVICE",
        help="A service that workflows.yaml names.",
        show_default=False,
        autocompletion=completing.services,
    ),
]
ServicesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SERVICE]...",
        help="Services; without them all that declare something.",
        show_default=False,
        autocompletion=completing.services,
    ),
]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why, for the history.", metavar="TEXT")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]


@command(env, "diff", examples=["nbactl services env diff"])
def env_diff(
    ctx: typer.Context,
    services: ServicesArgument = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 3 if a variable is not as declared.")
    ] = False,
) -> View:
    """Compare the variables of services with `services.*.env` of workflows.yaml.

    Variables that are not declared are not compared. Values that look like a secret are masked.
    """
    from nbactl.cli.services.change.values import command as values
    from nbactl.cli.services.change.values import view as values_view

    found = values.diff_variables(container(ctx, reads_only=True), services or ())
    return values_view.env_diff(found, detailed=detailed_exitcode)


@command(
    env,
    "set",
    examples=[
        "nbactl services env set prediction-worker LOG_LEVEL=debug --dry-run",
        "nbactl services env set prediction-worker LOG_LEVEL=info --remove TRACE",
    ],
)
def env_set(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    service: ServiceArgument,
    variables: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Variables to set.", show_default=False)
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", help="Remove this variable; may be repeated.", metavar="NAME")
    ] = None,
    restore: Annotated[
        str | None,
        typer.Option("--from", help="Set what this revision has and the service lacks.", metavar="REVISION"),
    ] = None,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
) -> View:
    """Set and remove variables of a service by name; all others stay as they are.

    Shows the change first, saves the old values, waits for the new revision, reads it back, and prints the command that
    undoes it. A variable that looks like a secret is refused (exit 2): it belongs in Secret Manager. Refused with 6:
    a service that workflows.yaml does not name, a variable that comes from a secret, a change that someone else made
    in between, and a combination that the readers of the completion variables refuse. Exit 3: the service is pinned,
    so that no request reaches the change, or a variable of --from comes from a secret. --from brings back what a
    deployment dropped.
    """
    from nbactl.cli.services.change.values import command as values

    request = values.EnvSetRequest(service, _variables(variables or ()), tuple(remove or ()), restore, reason, dry_run)
    here = container(ctx)
    return view.services_changed(
        values.set_variables(here, request, confirm=asking(ctx), report=view.progress(ctx)), here
    )


@command(
    app,
    "scale",
    examples=["nbactl services scale prediction-worker --max-instances 40 --dry-run"],
)
def scale(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    service: ServiceArgument,
    min_instances: Annotated[
        int | None, typer.Option(help="Instances that run without a request.", min=0, max=1000, metavar="N")
    ] = None,
    max_instances: Annotated[
        int | None, typer.Option(help="The most instances at once.", min=1, max=1000, metavar="N")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Requests that an instance takes at once.", min=1, max=1000, metavar="N")
    ] = None,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
) -> View:
    """Change how many instances a service has, and how many requests each takes.

    Before it asks, it shows what to expect: requests at once, players a minute by the measured seconds of a request,
    and what the minimum instances cost a month.
    """
    from nbactl.cli.services.change.scale import command as scaling

    request = scaling.ScaleRequest(service, min_instances, max_instances, concurrency, reason, dry_run)
    here = container(ctx)
    return view.services_changed(
        scaling.scale_service(here, request, confirm=asking(ctx), report=view.progress(ctx)), here
    )


@command(
    app,
    "traffic",
    examples=[
        "nbactl services traffic prediction-worker --to-latest --dry-run",
        "nbactl services traffic prediction-worker --to prediction-worker-00007-abc=10 --to latest",
    ],
)
def traffic(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    service: ServiceArgument,
    to_latest: Annotated[
        bool, typer.Option("--to-latest", help="All requests to the latest ready revision, and to each new one.")
    ] = False,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            help="A revision (or `latest`) and its percentage; one may leave it out and gets the rest.",
            metavar="REVISION[=PERCENT]",
        ),
    ] = None,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
) -> View:
    """Move the requests of a service between its revisions. Tags stay where they are.

    A revision that is not ready gets no requests (exit 6). A service whose requests are pinned to a revision gives a
    new one 0 %, until `--to-latest`.
    """
    from nbactl.cli.services.change.traffic import command as moving

    request = moving.TrafficRequest(service, to_latest, tuple(to or ()), reason, dry_run)
    here = container(ctx)
    return view.services_changed(
        moving.move_traffic(here, request, confirm=asking(ctx), report=view.progress(ctx)), here
    )


@command(
    app,
    "rollback",
    examples=[
        "nbactl services rollback prediction-worker --dry-run",
        "nbactl services rollback prediction-worker --gradual --reason 'slow answers'",
    ],
)
def rollback(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    service: ServiceArgument,
    revision: Annotated[str | None, typer.Option(help="Back to this one instead.", metavar="REVISION")] = None,
    gradual: Annotated[
        bool, typer.Option("--gradual", help="In steps of 10, 50 and 100 %, and back if it gets worse.")
    ] = False,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
) -> View:
    """Move the requests of a service to the previous ready revision that served.

    With --gradual each step is watched for `service.bake` of timeouts.yaml: the error rate and latency of both
    revisions are compared, and requests go back where they were if the older one is worse (exit 1). With too few
    requests to judge by it stays at the step (exit 3). After Ctrl-C requests stay where they are; the same command
    continues.
    """
    from nbactl.cli.services.change.traffic import command as moving

    request = moving.RevisionRollbackRequest(service, revision, gradual, reason, dry_run)
    here, terminal = container(ctx), console(ctx)
    done = moving.rollback_service(here, request, confirm=asking(ctx), report=view.progress(ctx), note=terminal.note)
    return view.services_changed(done, here)


@command(app, "apply", examples=["nbactl services apply --dry-run"])
def apply(
    ctx: typer.Context, services: ServicesArgument = None, reason: ReasonOption = None, dry_run: DryRunOption = False
) -> View:
    """Bring variables and settings of services to what workflows.yaml declares of them under `services:`.

    Images and traffic are compared by `nbactl services diff` and not changed here. A variable that comes from a secret
    is left alone (exit 3).
    """
    from nbactl.cli.services.change.values import command as values

    request = values.ApplyDeclaredRequest(tuple(services or ()), reason, dry_run)
    here = container(ctx)
    return view.services_changed(
        values.apply_declared(here, request, confirm=asking(ctx), report=view.progress(ctx)), here
    )


@command(app, "undo", examples=["nbactl services undo last --dry-run"])
def undo(
    ctx: typer.Context,
    change: Annotated[
        str,
        typer.Argument(metavar="ID|last", help="The change, or the newest that was not undone.", show_default=False),
    ],
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
) -> View:
    """Restore what services had before a change: variables, settings, traffic.

    What somebody changed since is not overwritten (exit 6). An undo can be undone, too.
    """
    from nbactl.cli.services.change.command import UndoRequest, undo_change

    here = container(ctx)
    request = UndoRequest(change, reason, dry_run)
    return view.services_changed(undo_change(here, request, confirm=asking(ctx), report=view.progress(ctx)), here)


@command(app, "changes", examples=["nbactl services changes", "nbactl services changes prediction-worker"])
def changes(
    ctx: typer.Context,
    service: Annotated[
        str | None, typer.Argument(metavar="[SERVICE]", help="Only changes of this one.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many, the newest.", min=1, metavar="N")] = 20,
) -> View:
    """List the changes of services that nbactl made: when, by whom, why, and whether they were undone."""
    from nbactl.cli.services.change.command import list_changes

    here = container(ctx, reads_only=True)
    return view.change_list(list_changes(here, service, limit), here)


def _variables(texts: Sequence[str]) -> dict[str, str]:
    pairs = [_variable(text) for text in texts]
    values = dict(pairs)
    if twice := sorted({name for name, value in pairs if value != values[name]}):
        raise UsageError(f"{', '.join(twice)}: given with two values", next_step="Give each variable once.")
    return values


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError("a variable is not NAME=VALUE", next_step="Write it as LOG_LEVEL=debug.")
    return name, value
