"""`nbactl flags sync`: the environment of deployed services is brought in line with the store, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.cli.app import container
from nbactl.cli.flags.deployed import NO_SERVICES, Work, carry_out, undo_command
from nbactl.cli.flags.desk import open_desk
from nbactl.cli.flags.group import DryRunOption, ReasonOption, app
from nbactl.cli.frame import command
from nbactl.cli.show.render import View
from nbactl.config.flag_variables import variables_of
from nbactl.deployments.changes import Outcome, plan_for
from nbactl.errors import DataError, NotFoundError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.bootstrap import Container
    from nbactl.cli.flags.desk import Desk
    from nbactl.deployments.changes import Plan
    from nbactl.deployments.log import ChangeLog
    from nbactl.deployments.records import EnvChange
    from nbactl.ports.services import DeployedService


@command(
    app,
    "sync",
    examples=[
        "nbactl flags sync --dry-run",
        "nbactl flags sync query_caching --service nba-phase3-analytics-processors --reason 'left from a test'",
        "nbactl flags sync --undo last --dry-run || test $? = 4",
    ],
)
def sync(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY]...", help="Names of flags; else all of flags.yaml.", show_default=False),
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option("--service", help="Only this service, declared or not; may be repeated.", metavar="NAME"),
    ] = None,
    undo: Annotated[
        str | None, typer.Option("--undo", help="Bring back what a change of services found there.", metavar="ID|last")
    ] = None,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
) -> View:
    """Bring the variables of deployed services in line with the store and flags.yaml.

    A variable that says otherwise than the store takes the value that everybody gets; where that differs (a percentage,
    a targeting rule) it is removed, for it would decide for all. A parameter takes its value of flags.yaml. Variables
    that are not set are left so: the service reads the store. Everything else of a service stays as it is.
    """
    if undo is not None and (keys or service):
        raise UsageError("--undo does not go together with names", next_step="It takes a whole change back.")
    if not container(ctx).has_deployed_services:
        return _none(undo)
    if undo is not None:
        return _take_back(ctx, undo, reason=reason, dry_run=dry_run)
    desk = open_desk(ctx)
    for key in keys or ():
        desk.flag(key)
    services = container(ctx)
    work = _work(desk, _chosen(services, service), keys)
    log = services.env_change_log
    unfinished = _unfinished(services, work)
    result = carry_out(ctx, services, work, log, reason=reason, dry_run=dry_run)
    if not dry_run and result.error is None:
        services.env_changes.close(log, unfinished)
    return result


def _none(undo: str | None) -> View:
    if undo is not None:
        raise NotFoundError(
            f"there is no change {undo} to take back", cause=NO_SERVICES, next_step="Give --target gcp."
        )
    data = {"changes": [], "services": [], "refused": [], "applied": False, "id": None, "undo": []}
    return View(data, lambda console: console.note(NO_SERVICES), items="changes")


def _chosen(services: Container, named: Sequence[str] | None) -> list[DeployedService]:
    """Return the services named, else those of workflows.yaml that are deployed. Raises NotFoundError."""
    if named:
        return [services.deployed_services.get(name) for name in dict.fromkeys(named)]
    deployed = {each.name: each for each in services.deployed_services.list()}
    return [deployed[name] for name in services.declared_services if name in deployed]


def _work(desk: Desk, services: Sequence[DeployedService], keys: Sequence[str] | None) -> Work:
    plans: list[Plan] = []
    why: dict[tuple[str, str], str] = {}
    refused: list[dict[str, Any]] = []
    outcomes: list[Outcome] = []
    for service in services:
        if service.unreadable:
            outcomes.append(Outcome(service.name, error=DataError(service.unreadable)))
            continue
        wanted: dict[str, str | None] = {}
        for each in variables_of(service, desk.file, desk.stored):
            if keys and each.key not in keys:
                continue
            if each.standing in ("secret", "unknown"):
                refused.append({"service": service.name, "variable": each.name, "key": each.key, "why": each.why})
            elif each.contradicts:
                wanted[each.name] = each.wanted
                why[service.name, each.name] = each.why
        if (plan := plan_for(service, wanted)) is not None:
            plans.append(plan)
    return Work(plans, why, refused, outcomes)


def _unfinished(services: Container, work: Work) -> list[EnvChange]:
    """Return and tell of changes whose process was killed: this one carries on what they left, under its own id."""
    try:
        left = services.env_changes.unfinished(services.env_change_log)
    except DataError as error:
        work.warnings.append(f"earlier changes were not looked at: {error}")
        return []
    work.warnings += [
        f"the change {each.id} by {each.by} was not finished, or is under way; to take back what it did: "
        + undo_command(each.id, services.settings)
        for each in left
    ]
    return left


def _take_back(ctx: typer.Context, wanted: str, *, reason: str | None, dry_run: bool) -> View:
    services = container(ctx)
    # Files first: what was changed while the store was down can be taken back while it is down.
    logs: list[ChangeLog] = [services.env_change_files, services.env_change_log]
    try:
        log, change = services.env_changes.find(logs, wanted)
    except UnavailableError as error:
        if wanted == "last":
            error.next_step = "What was changed while the store was down is undone by its id, as it was printed."
        raise
    if change.undone_by is not None:
        again = None if change.undone_by == change.id else undo_command(change.undone_by, services.settings)
        raise UsageError(
            f"{change.id} was taken back already", next_step=f"To take that back: {again}" if again else None
        )
    plans: list[Plan] = []
    outcomes: list[Outcome] = []
    for each in services.env_changes.way_back(change):
        if isinstance(each, Outcome):
            outcomes.append(each)
        else:
            plans.append(each)
    work = Work(plans, outcomes=outcomes)
    result = carry_out(ctx, services, work, log, reason=reason, dry_run=dry_run, undoes=change.id)
    if dry_run or any(each.error for each in work.outcomes):
        return result
    try:
        # Where there was nothing left to bring back, it counts as taken back by itself.
        services.env_changes.mark_undone(log, change, result.data["id"] or change.id)
    except UnavailableError as error:
        told = f"{change.id} is taken back, and that could not be noted: {error}"
        return replace(result, warnings=(*result.warnings, told))
    return result
