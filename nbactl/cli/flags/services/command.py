"""Deployed services and flags: compare their variables with the store, bring them in line, and undo it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.checks.flag_services import ServiceComparison
from nbactl.checks.flags import drift
from nbactl.cli.ask import command_line, place, proceed
from nbactl.cli.flags.emergency import open_emergency
from nbactl.cli.flags.snapshot import load_flags
from nbactl.cli.services.change import command as changing
from nbactl.cli.services.change.command import ServicesChanged, UndoRequest, carry_out, undo_command
from nbactl.cli.services.change.wording import ChangeWording
from nbactl.config.flag_variables import variables_of
from nbactl.deployments.adoptions import adopted_parameters
from nbactl.deployments.changes import no_report
from nbactl.deployments.combinations import check_services, check_store
from nbactl.deployments.plan import RefusedVariable, ServiceOutcome, ServicesWork, plan_for
from nbactl.errors import (
    DataError,
    NbactlError,
    NotAuthorisedError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
    UsageError,
)
from nbactl.ports.services import ServiceEdit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.bootstrap import Container
    from nbactl.checks.flags import FlagFinding
    from nbactl.cli.ask import Confirm
    from nbactl.cli.flags.emergency import RollbackRequest
    from nbactl.cli.flags.snapshot import FlagsSnapshot
    from nbactl.config.flag_variables import FlagVariable
    from nbactl.deployments.adoptions import Adoption
    from nbactl.deployments.records import ChangeRecord
    from nbactl.ports.services import DeployedService

    Report = Callable[[ChangeRecord | ServiceOutcome], None]

FLAGS = ChangeWording(
    ("flags", "sync", "--undo"),
    "nbactl flags drift",
    lambda app, service: app.gcloud("update-traffic", service, "--to-latest"),
)
NO_SERVICES = "On target local there are no deployed services: tasks run in process, with this environment."


@dataclass(frozen=True, slots=True)
class ComparedService:
    """A deployed service with its variables that flags read."""

    service: DeployedService
    declared: bool
    variables: tuple[FlagVariable, ...]


@dataclass(frozen=True, slots=True)
class FlagsDrift:
    """Where flags differ. `services` is None if the target has none; `error` says why they could not be read."""

    findings: tuple[FlagFinding, ...]
    services: tuple[ComparedService, ...] | None
    error: NbactlError | None
    left_alone: tuple[str, ...] = ()
    """Sentences about variables of flags that were never set: no drift, because the store is not an opinion."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """Which flags to bring in line on which services; without names all flags, on all declared services."""

    keys: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    reason: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ServicesRolledBack:
    """The variables that switch flags off. `changed` is None where there are no services to set them on."""

    variables: Mapping[str, str]
    changed: ServicesChanged | None
    warnings: tuple[str, ...]


def flags_drift(app: Container) -> FlagsDrift:
    """Compare the store, flags.yaml, the environment and the deployed services. Reads only."""
    flags = load_flags(app)
    found = list(drift(flags.file, flags.stored, flags.environ))
    if not app.target.HAS_DEPLOYED_SERVICES:
        return FlagsDrift(tuple(found), None, None)
    comparison = ServiceComparison(
        flags.file,
        flags.stored,
        app.config.workflows.declared_services,
        app.gcloud,
        adopted_parameters(app.adoptions.in_force()),
    )
    try:
        deployed = app.deployed_services.list()
    except (NotAuthorisedError, UnavailableError) as error:
        return FlagsDrift(tuple(found), None, error)
    found += comparison.findings(deployed)
    compared = tuple(
        ComparedService(service, service.name in comparison.declared, tuple(comparison.variables(service)))
        for service in deployed
    )
    unset = [
        RefusedVariable(each.service.name, variable.name, variable.key, variable.why)
        for each in compared
        for variable in each.variables
        if variable.standing == "no_opinion"
    ]
    return FlagsDrift(tuple(found), compared, None, tuple(left_alone(unset)))


def sync_services(
    app: Container, request: SyncRequest, *, confirm: Confirm = proceed, report: Report = no_report
) -> ServicesChanged:
    """Bring the variables of services in line with the store and flags.yaml.

    A failure of one service is in the result, and does not stop the others. Continues what a killed process began.
    """
    if not app.target.HAS_DEPLOYED_SERVICES:
        raise NotFoundError("there is nothing to sync", cause=NO_SERVICES, next_step="Give --target gcp.")
    flags = load_flags(app)
    for key in request.keys:
        flags.flag(key)
    adoptions = app.adoptions.in_force()
    _check_adopted(app, flags, adoptions)
    check_store(flags.file, flags.stored, request.keys)
    services = chosen_services(app, request.services)
    work = _plan_sync(flags, services, request.keys, adoptions)
    check_services(services, work.plans)
    if not request.services:
        work.warnings += not_deployed(app, services)
    log, unfinished = app.service_change_log, _unfinished(app, work)
    done = carry_out(app, log, work, request, confirm=confirm, report=report, wording=FLAGS)
    if not request.dry_run and not done.result.failed:
        app.service_changes.close(log, unfinished)
    return done


def _check_adopted(app: Container, flags: FlagsSnapshot, adoptions: Sequence[Adoption]) -> None:
    """Raise PreconditionError if it is not known what of the deployed variables is meant (invariant 23)."""
    unset = [key for key in flags.file.flags if key not in flags.stored.states and key not in flags.stored.unreadable]
    if unset and not any(adoption.whole for adoption in adoptions):
        raise PreconditionError(
            f"nothing was taken over from the services of {place(app.settings)} in {app.settings.region} yet",
            cause=f"{len(unset)} of {len(flags.file.flags)} flags were never set in the store: {', '.join(unset)}.",
            next_step=f"Look at it first: {command_line(app.settings, 'flags', 'adopt', '--dry-run')}",
        )


def undo_change(
    app: Container, request: UndoRequest, *, confirm: Confirm = proceed, report: Report = no_report
) -> ServicesChanged:
    """Restore the variables from before a change. Raises NotFoundError, UsageError if it was undone already."""
    if not app.target.HAS_DEPLOYED_SERVICES:
        raise NotFoundError(
            f"there is no change {request.change} to undo", cause=NO_SERVICES, next_step="Give --target gcp."
        )
    return changing.undo_change(app, request, confirm=confirm, report=report, wording=FLAGS)


def rollback_services(
    app: Container, request: RollbackRequest, *, confirm: Confirm = proceed, report: Report = no_report
) -> ServicesRolledBack:
    """Switch flags off by the variables of every declared service, all in parallel. Needs no store.

    What was there before is saved in a file on this machine. Where the target has no services nothing is changed.
    """
    request.check()
    if request.percent is not None:
        raise UsageError(
            "--env cannot be combined with --to",
            cause="A variable switches a flag for everybody.",
            next_step="Leave one of them out.",
        )
    with ExitStack() as stack:
        emergency = open_emergency(app, stack)
        variables = emergency.variables(request)
        if not emergency.app.target.HAS_DEPLOYED_SERVICES:
            return ServicesRolledBack(variables, None, emergency.warnings)
        work = _plan_rollback(emergency.app, variables)
        work.warnings[:0] = emergency.warnings
        log = emergency.app.service_change_files
        at_once = max(1, len(work.plans))
        changed = carry_out(
            emergency.app, log, work, request, confirm=confirm, report=report, at_once=at_once, wording=FLAGS
        )
        return ServicesRolledBack(variables, changed, ())


def _plan_sync(
    flags: FlagsSnapshot, services: Sequence[DeployedService], keys: Sequence[str], adoptions: Sequence[Adoption]
) -> ServicesWork:
    work, reasons = ServicesWork(), {}
    adopted = {} if keys else adopted_parameters(adoptions)
    for service in services:
        if service.unreadable:
            work.failed.append(ServiceOutcome(service.name, error=DataError(service.unreadable)))
            continue
        wanted: dict[str, str | None] = {}
        for variable in variables_of(service, flags.file, flags.stored, adopted.get(service.name)):
            if keys and variable.key not in keys:
                continue
            if variable.standing in ("secret", "unknown"):
                work.refused.append(RefusedVariable(service.name, variable.name, variable.key, variable.why))
            elif variable.standing == "no_opinion":
                work.left_alone.append(RefusedVariable(service.name, variable.name, variable.key, variable.why))
            elif variable.contradicts:
                wanted[variable.name] = variable.wanted
                reasons[service.name, variable.name] = variable.why
        if (plan := plan_for(service, ServiceEdit(wanted))) is not None:
            work.plans.append(plan)
    work.reasons = reasons
    work.warnings += left_alone(work.left_alone)
    return work


def left_alone(variables: Sequence[RefusedVariable]) -> list[str]:
    """Return a sentence for each variable that is left alone, with its services."""
    services: dict[tuple[str, str], list[str]] = {}
    for each in variables:
        services.setdefault((each.variable, each.why), []).append(each.service)
    return [f"{name} is left alone on {', '.join(sorted(on))}: {why}" for (name, why), on in services.items()]


def not_deployed(app: Container, services: Sequence[DeployedService]) -> list[str]:
    """Return a sentence for each service that workflows.yaml names and that is not among `services`."""
    deployed = {service.name for service in services}
    missing = [name for name in app.config.workflows.declared_services if name not in deployed]
    return [f"{name} is declared in workflows.yaml, but is not deployed" for name in missing]


def _plan_rollback(app: Container, variables: Mapping[str, str]) -> ServicesWork:
    work = ServicesWork()
    deployed = {service.name: service for service in app.deployed_services.list()}
    for name in app.config.workflows.declared_services:
        if (service := deployed.get(name)) is None:
            work.warnings.append(f"{name} is declared in workflows.yaml, but is not deployed")
        elif service.unreadable:
            work.failed.append(ServiceOutcome(name, error=DataError(service.unreadable)))
        else:
            secrets = [variable for variable in variables if variable in service.secrets]
            why = "its value comes from a secret"
            work.refused += [RefusedVariable(name, variable, None, why) for variable in secrets]
            plain = {variable: value for variable, value in variables.items() if variable not in secrets}
            if (plan := plan_for(service, ServiceEdit(plain))) is not None:
                work.plans.append(plan)
    return work


def chosen_services(app: Container, names: Sequence[str]) -> list[DeployedService]:
    """Return the services named, else the deployed ones of workflows.yaml. Raises NotFoundError if there are none."""
    if names:
        return [app.deployed_services.get(name) for name in dict.fromkeys(names)]
    deployed = {service.name: service for service in app.deployed_services.list()}
    chosen = [deployed[name] for name in app.config.workflows.declared_services if name in deployed]
    if not chosen:
        raise NotFoundError(
            f"nothing was looked at: no service that workflows.yaml names is deployed on {place(app.settings)} "
            f"in {app.settings.region}",
            cause=f"It names {', '.join(app.config.workflows.declared_services)}.",
            next_step="Check --project and --region, or name a service: --service NAME",
        )
    return chosen


def _unfinished(app: Container, work: ServicesWork) -> list[ChangeRecord]:
    """Return the changes of killed processes, with a warning for each: this change continues them under its own id."""
    try:
        unfinished = app.service_changes.unfinished(app.service_change_log)
    except DataError as error:
        work.warnings.append(f"earlier changes could not be read: {error}")
        return []
    work.warnings += [
        f"the change {change.id} by {change.by} was not finished, or is still running; to undo what it did: "
        + undo_command(app, change.id, FLAGS)
        for change in unfinished
    ]
    return unfinished
