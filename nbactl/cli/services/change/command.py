"""Changes of services, for every command that makes one: asked, saved, carried out, continued after a kill, undone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from nbactl.bootstrap.deployed import declared_specs
from nbactl.cli.ask import command_line, operator, proceed
from nbactl.cli.services.change.wording import SERVICES, question_of
from nbactl.core._support.names import did_you_mean
from nbactl.deployments.changes import no_report
from nbactl.deployments.plan import ChangeResult, ServiceOutcome, plan_for
from nbactl.errors import (
    DataError,
    DeployFailedError,
    NotFoundError,
    PreconditionError,
    StillRunningError,
    UnavailableError,
    UsageError,
)
from nbactl.ports.services import ServiceEdit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.cli.services.change.wording import ChangeWording
    from nbactl.deployments.changes import Apply
    from nbactl.deployments.log import ChangeLog
    from nbactl.deployments.plan import ServicesWork
    from nbactl.deployments.records import ChangeRecord
    from nbactl.ports.services import DeployedService

    Report = Callable[[ChangeRecord | ServiceOutcome], None]


class ChangeRequest(Protocol):
    """What every request of a change has."""

    @property
    def reason(self) -> str | None:
        """Why, for the history."""

    @property
    def dry_run(self) -> bool:
        """Whether it is only shown."""


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """Which change of services to undo: its id, or `last`."""

    change: str
    reason: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ServicesChanged:
    """What was changed on services, or would be. `effects` are sentences about what it means."""

    result: ChangeResult
    by: str
    reason: str | None
    dry_run: bool
    wording: ChangeWording = SERVICES
    effects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeList:
    """The newest changes of services, and those of `service` alone where one is named."""

    changes: tuple[ChangeRecord, ...]
    service: str | None


def list_changes(app: Container, service: str | None = None, limit: int = 20) -> ChangeList:
    """Return the newest changes of services, those in files of this machine too."""
    found = [*app.service_change_log.newest(), *app.service_change_files.newest()]
    chosen = [change for change in found if service is None or change.of(service) is not None]
    return ChangeList(tuple(sorted(chosen, key=lambda change: change.created_at, reverse=True)[:limit]), service)


def undo_change(
    app: Container,
    request: UndoRequest,
    *,
    confirm: Confirm = proceed,
    report: Report = no_report,
    wording: ChangeWording = SERVICES,
) -> ServicesChanged:
    """Restore what was there before a change. Raises NotFoundError, UsageError if it was undone already."""
    log, change = _find_change(app, request.change)
    if change.undone_by is not None:
        again = None if change.undone_by == change.id else undo_command(app, change.undone_by, wording)
        raise UsageError(
            f"{change.id} was undone already", next_step=f"To undo that: {again}" if again is not None else None
        )
    work = app.service_changes.plan_undo(change)
    _refuse_before(app, work, alone=len(change.services) == 1)
    done = carry_out(app, log, work, request, confirm=confirm, report=report, undoes=change.id, wording=wording)
    if request.dry_run or done.result.failed:
        return done
    undo = done.result.change
    try:
        # Where nothing was left to restore, the change counts as undone by itself.
        app.service_changes.mark_undone(log, change, change.id if undo is None else undo.id)
    except UnavailableError as error:
        warning = f"{change.id} is undone, but this could not be saved: {error}"
        return replace(done, result=replace(done.result, warnings=(*done.result.warnings, warning)))
    return done


def change_services(
    app: Container,
    services: Sequence[DeployedService],
    work: ServicesWork,
    request: ChangeRequest,
    *,
    confirm: Confirm,
    report: Report,
    effects: Sequence[str] = (),
    apply: Apply | None = None,
) -> ServicesChanged:
    """Carry out a plan for these services. What a killed process began of it is finished under the id it had.

    While the store does not answer, the change is kept in a file of this machine.
    """
    for service in services:
        _warn_of_service(service, work)
    _refuse_before(app, work, alone=len(services) == 1)
    log, unfinished = _open_log(app, work)
    continues = app.service_changes.continued(unfinished, work.plans)
    names = {service.name for service in services}
    earlier = [one for one in unfinished if one is not continues and any(map(one.of, names))]
    now = {service.name: service for service in services}
    reached = [change for change in earlier if _is_in_force(change, now)]
    work.warnings += [
        f"the change {change.id} by {change.by} was not finished, or is still running; to undo what it did: "
        + undo_command(app, change.id)
        for change in earlier
        if change not in reached
    ]
    done = carry_out(
        app,
        log,
        work,
        request,
        confirm=confirm,
        report=report,
        continues=continues,
        effects=effects,
        apply=apply,
    )
    if request.dry_run or done.result.failed:
        return done
    now |= {one.service: one.deployed for one in done.result.outcomes if one.deployed is not None}
    app.service_changes.close(log, [change for change in earlier if _is_in_force(change, now)])
    if done.result.change is None and reached:
        return replace(done, result=replace(done.result, change=reached[0]))
    return done


def carry_out(
    app: Container,
    log: ChangeLog,
    work: ServicesWork,
    request: ChangeRequest,
    *,
    confirm: Confirm,
    report: Report,
    undoes: str | None = None,
    continues: ChangeRecord | None = None,
    at_once: int = 1,
    wording: ChangeWording = SERVICES,
    effects: Sequence[str] = (),
    apply: Apply | None = None,
) -> ServicesChanged:
    """Ask, then change; with `request.dry_run` return what would be changed."""
    by = operator()
    for outcome in work.failed:
        report(outcome)
    if request.dry_run:
        result = ChangeResult(work, None, tuple(work.failed), tuple(work.warnings))
    else:
        if work.plans:
            confirm(question_of(app, work, effects))
        result = app.service_changes.carry_out(
            log,
            work,
            by=by,
            reason=request.reason,
            undoes=undoes,
            continues=continues,
            at_once=at_once,
            report=report,
            apply=apply,
        )
    pinned = tuple(
        f"the new revision of {service.name} gets {service.latest_share} % of its requests: they are pinned to "
        f"{', '.join(service.pinned_to) or 'older ones'}. To move them: " + wording.move(app, service.name)
        for service in result.pinned
    )
    refused = tuple(f"{item.variable} of {item.service} is left alone: {item.why}" for item in work.refused)
    result = replace(result, warnings=(*result.warnings, *pinned, *refused))
    return ServicesChanged(result, by, request.reason, request.dry_run, wording, tuple(effects))


def undo_command(app: Container, change_id: str, wording: ChangeWording = SERVICES) -> str:
    """Return the command that undoes a change."""
    return command_line(app.settings, *wording.undo, change_id)


def declared_service(app: Container, name: str) -> DeployedService:
    """Return a service that workflows.yaml names, as it is deployed; target local runs services of its own.

    Raises NotFoundError for an unknown one, and PreconditionError for one that is deployed and not ours.
    """
    declared = list(declared_specs(app))
    if name in declared:
        return app.deployed_services.get(name)
    deployed = [service.name for service in app.deployed_services.list()]
    if name not in deployed:
        known = list(dict.fromkeys([*declared, *deployed]))
        start = "No service is deployed here. On local, `nbactl up` starts them."
        raise NotFoundError(
            f"there is no service {name}", next_step=did_you_mean(name, known, otherwise=None if known else start)
        )
    if not app.target.HAS_DEPLOYED_SERVICES:
        return app.deployed_services.get(name)
    raise PreconditionError(
        f"{name} is not changed: workflows.yaml does not name it",
        cause="A service that is not declared may belong to another team.",
        next_step=f"If it is yours, declare it in workflows.yaml: services: {{{name}: {{}}}}",
        details={"service": name},
    )


def unsettled(service: DeployedService) -> ServiceOutcome | None:
    """Return the failure of a service that has what is wanted, and whose revision does not serve; None if it does."""
    if service.is_reconciling:
        error: StillRunningError | DeployFailedError = StillRunningError(
            f"the new revision of {service.name} is not ready yet",
            cause="It has the values that are wanted, and its platform is still working on it.",
            next_step=f"Look again: nbactl services show {service.name}",
            details={"service": service.name},
        )
    elif service.problem is not None:
        error = DeployFailedError(
            f"{service.name} has the values that are wanted, and its new revision does not start",
            cause=service.problem,
            next_step=f"See why: nbactl services logs {service.name}",
            details={"service": service.name},
        )
    else:
        return None
    return ServiceOutcome(service.name, error=error)


def _refuse_before(app: Container, work: ServicesWork, *, alone: bool) -> None:
    """Take out of the work what its service would refuse, before anything is asked or saved.

    Raises the error of a service that is changed `alone`; of several, the others are changed.
    """
    for plan in list(work.plans):
        steps = [ServiceEdit(traffic=shares) for shares in plan.through]
        try:
            for edit in (*steps, plan.after):
                app.deployed_services.check(plan.service, edit)
        except (DataError, NotFoundError, PreconditionError) as error:
            if alone:
                raise
            work.plans.remove(plan)
            work.failed.append(ServiceOutcome(plan.service, error=error))


def _warn_of_service(service: DeployedService, work: ServicesWork) -> None:
    """Say what the operator has to know of a service before it is changed."""
    plan = next((plan for plan in work.plans if plan.service == service.name), None)
    if plan is None:
        return
    if service.function is not None:
        work.warnings.append(
            f"{service.name} is managed by the Cloud Function {service.function}: its next deployment resets this "
            f"change. Change what deploys it, too."
        )


def _open_log(app: Container, work: ServicesWork) -> tuple[ChangeLog, list[ChangeRecord]]:
    """Return where this change is kept, and the changes that were begun and not finished."""
    log: ChangeLog = app.service_change_log
    try:
        return log, app.service_changes.unfinished(log)
    except DataError as error:
        work.warnings.append(f"earlier changes could not be read: {error}")
        return log, []
    except UnavailableError as error:
        work.warnings.append(f"the store does not answer, so this change is kept in a file of this machine: {error}")
        return app.service_change_files, app.service_changes.unfinished(app.service_change_files)


def _is_in_force(change: ChangeRecord, now: dict[str, DeployedService]) -> bool:
    """Say whether the services that it names have everything that a change wanted."""
    return all(one.service in now and plan_for(now[one.service], one.after) is None for one in change.services)


def _find_change(app: Container, wanted: str) -> tuple[ChangeLog, ChangeRecord]:
    # Files first: a change made while the store was down can be undone while it is down.
    logs: list[ChangeLog] = [app.service_change_files, app.service_change_log]
    try:
        return app.service_changes.find(logs, wanted)
    except UnavailableError as error:
        if wanted == "last":
            error.next_step = "A change made while the store was down is undone by its id, as it was printed."
        raise
