"""Move the requests of a service: to its latest revision, to named ones, or back to the one before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.cli.ask import command_line, proceed
from nbactl.cli.services.change.command import ServicesChanged, change_services, declared_service
from nbactl.core._support.durations import format_duration
from nbactl.deployments.changes import is_left, no_report
from nbactl.deployments.gradual import GradualMove
from nbactl.deployments.plan import ServicePlan, ServicesWork, plan_for, same_shares
from nbactl.deployments.traffic import (
    Previous,
    Wanted,
    check_ready,
    parse_shares,
    previous_ready,
    serving_revision,
    shares_of,
    steps_to,
)
from nbactl.errors import NotAuthorisedError, PreconditionError, UnavailableError, UsageError
from nbactl.ports.services import ALL_REQUESTS, ServiceEdit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.cli.services.change.command import Report
    from nbactl.deployments.records import ServiceChange, Shares
    from nbactl.ports.measurements import RequestStats
    from nbactl.ports.services import DeployedService, Revision, Traffic

    Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrafficRequest:
    """Where the requests of a service are to go: `to` are texts REVISION[=PERCENT]."""

    service: str
    to_latest: bool = False
    to: tuple[str, ...] = ()
    reason: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class RevisionRollbackRequest:
    """Which service to take back, to `revision` or to the previous ready one that served."""

    service: str
    revision: str | None = None
    gradual: bool = False
    reason: str | None = None
    dry_run: bool = False


def no_note(text: str) -> None:
    """Say nothing."""


def move_traffic(
    app: Container, request: TrafficRequest, *, confirm: Confirm = proceed, report: Report = no_report
) -> ServicesChanged:
    """Move the requests of a service to revisions that are ready."""
    if request.to_latest == bool(request.to):
        raise UsageError("choose one of --to-latest and --to", next_step="For example: --to-latest")
    wanted = [Wanted(None, ALL_REQUESTS)] if request.to_latest else parse_shares(request.to)
    service = declared_service(app, request.service)
    revisions = app.deployed_services.revisions(service.name) if request.to else ()
    after = shares_of(service, revisions, wanted)
    work = ServicesWork()
    if request.to_latest and service.problem is not None:
        work.warnings.append(
            f"{service.latest_created_revision} is not ready; requests go to {service.latest_ready_revision}: "
            f"{service.problem}"
        )
    if (plan := plan_for(service, ServiceEdit(traffic=after))) is not None:
        work.plans.append(plan)
    effects = [_pinned(app, service, after)]
    return change_services(
        app, [service], work, request, confirm=confirm, report=report, effects=effects if work.plans else ()
    )


def rollback_service(
    app: Container,
    request: RevisionRollbackRequest,
    *,
    confirm: Confirm = proceed,
    report: Report = no_report,
    note: Note = no_note,
) -> ServicesChanged:
    """Move the requests of a service back to an older revision that is ready, at once or step by step.

    A gradual move that was interrupted is continued where it was; `note` gets what each step showed.
    """
    service = declared_service(app, request.service)
    revisions = app.deployed_services.revisions(service.name)
    work = ServicesWork()
    begun = _begun(app, service)
    passed_over: tuple[str, ...] = ()
    if (
        begun is not None
        and request.revision in (None, _goal(begun))
        and (request.gradual or _is_there(service, begun))
    ):
        # To go back from where it went back to already would be a second rollback.
        plan = None if _is_there(service, begun) else ServicePlan(service, begun.before, begun.after, begun.through)
        target, why = _goal(begun), "a gradual move that was interrupted is continued"
    else:
        previous = _target(app, service, revisions, request.revision, work)
        target, why, passed_over = previous.revision.name, _chosen(previous), previous.passed_over
        after = shares_of(service, revisions, [Wanted(target, ALL_REQUESTS)])
        through = steps_to(service.traffic, after, target) if request.gradual else ()
        plan = plan_for(service, ServiceEdit(traffic=after), through)
    if target is None:
        raise PreconditionError(f"{service.name} has no traffic to move", next_step="Use `nbactl services traffic`.")
    check_ready(service, revisions, target)
    if plan is None:
        return change_services(app, [service], work, request, confirm=confirm, report=report)
    work.plans.append(plan)
    effects = [f"to {target}: {why}", *(f"passed over: {one}" for one in passed_over)]
    apply = None
    if request.gradual:
        bake = app.config.timeouts["service.bake"]
        steps = " → ".join(f"{_percent(shares, target)} %" for shares in plan.through)
        effects.append(f"in steps of {steps}, each watched for {format_duration(bake)}; back if it is worse")
        old = _serving_before(service, plan)
        apply = GradualMove(
            app.service_changes,
            app.target.measurements(app),
            app.clock,
            old=old,
            new=target,
            bake=bake,
            report=note,
        )
    effects.append(_pinned(app, service, plan.after.traffic or ()))
    return change_services(app, [service], work, request, confirm=confirm, report=report, effects=effects, apply=apply)


def _target(
    app: Container,
    service: DeployedService,
    revisions: Sequence[Revision],
    named: str | None,
    work: ServicesWork,
) -> Previous:
    """Return the revision to go back to. Raises NotFoundError, and PreconditionError for one that is not ready."""
    if named is not None:
        check_ready(service, revisions, named)
        return Previous(next(one for one in revisions if one.name == named), None, ())
    return previous_ready(service, revisions, _served(app, service, work))


def _served(app: Container, service: DeployedService, work: ServicesWork) -> Mapping[str, RequestStats] | None:
    """Return the requests that revisions had lately, None if that is not known."""
    now = app.clock.now()
    since = now - timedelta(seconds=app.config.timeouts["service.history"])
    try:
        return app.target.measurements(app).requests(service.name, since, now) or None
    except (NotAuthorisedError, UnavailableError) as error:
        work.warnings.append(f"it is not known which revisions served: {error}")
        return None


def _chosen(previous: Previous) -> str:
    if previous.served is None:
        return f"ready, made {previous.revision.created_at:%Y-%m-%d %H:%M} UTC"
    if not previous.served:
        return "the newest one that is ready; it had no requests lately"
    return f"the newest one before that is ready and served ({previous.served:,} requests lately)"


def _begun(app: Container, service: DeployedService) -> ServiceChange | None:
    """Return a rollback of a process that is gone, on its way or there. Raises PreconditionError if one still runs."""
    try:
        unfinished = app.service_changes.unfinished(app.service_change_log)
    except UnavailableError:
        unfinished = app.service_changes.unfinished(app.service_change_files)
    for record in unfinished:
        change = record.of(service.name)
        if change is None or change.after.traffic is None:
            continue
        if not is_left(record):
            raise PreconditionError(
                f"the requests of {service.name} are being moved already",
                cause=f"{record.id} by {record.by}, since {record.created_at:%Y-%m-%d %H:%M} UTC.",
                next_step="If it was stopped on another machine, go back first: "
                + command_line(app.settings, "services", "undo", record.id),
                details={"service": service.name, "change": record.id},
            )
        if any(same_shares(service.traffic, shares) for shares in (*change.through, change.after.traffic)):
            return change
    return None


def _is_there(service: DeployedService, change: ServiceChange) -> bool:
    return same_shares(service.traffic, change.after.traffic or ())


def _goal(change: ServiceChange) -> str | None:
    """Return the revision that a change moves all requests to, None if no single one gets them all."""
    shares = [share for share in change.after.traffic or () if share.percent]
    return shares[0].revision if len(shares) == 1 else None


def _serving_before(service: DeployedService, plan: ServicePlan) -> str:
    """Return the revision that had most of the requests before the change."""
    before = plan.before.traffic or ()
    most = max(before, key=lambda share: share.percent, default=None)
    name = None if most is None else most.revision or service.latest_ready_revision
    return name or serving_revision(service) or ""


def _percent(shares: Shares, revision: str) -> int:
    return sum(share.percent for share in shares if share.revision == revision)


def _pinned(app: Container, service: DeployedService, after: Sequence[Traffic]) -> str:
    """Return what the new traffic means for the next deployment."""
    share = sum(one.percent for one in after if one.revision is None)
    if share == ALL_REQUESTS:
        return "each new revision gets all requests"
    undo = command_line(app.settings, "services", "traffic", service.name, "--to-latest")
    return f"a new revision will get {share} %, until you move them: {undo}"
