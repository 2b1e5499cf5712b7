"""Change how many instances a service has, with what that is expected to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.cli.ask import command_line, proceed
from nbactl.cli.services.change.command import ServicesChanged, change_services, declared_service
from nbactl.cli.services.change.values.command import add_plan
from nbactl.core._support.durations import format_duration
from nbactl.deployments.changes import no_report
from nbactl.deployments.effects import process_effect, scale_effect
from nbactl.deployments.plan import ServicesWork
from nbactl.errors import NotAuthorisedError, UnavailableError, UsageError
from nbactl.ports.services import ServiceEdit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.cli.services.change.command import Report
    from nbactl.ports.measurements import RequestStats
    from nbactl.ports.services import Settings


@dataclass(frozen=True, slots=True)
class ScaleRequest:
    """The new settings of a service; what is None stays as it is."""

    service: str
    min_instances: int | None = None
    max_instances: int | None = None
    concurrency: int | None = None
    reason: str | None = None
    dry_run: bool = False


def scale_service(
    app: Container, request: ScaleRequest, *, confirm: Confirm = proceed, report: Report = no_report
) -> ServicesChanged:
    """Change instances and concurrency of a service; `effects` says what is expected, and what was measured lately."""
    given: Settings = {
        "min_instances": request.min_instances,
        "max_instances": request.max_instances,
        "concurrency": request.concurrency,
    }
    wanted: Settings = {name: value for name, value in given.items() if value is not None}
    if not wanted:
        raise UsageError(
            "nothing is to be changed", next_step="Give --min-instances, --max-instances or --concurrency."
        )
    service = declared_service(app, request.service)
    after = {**service.settings, **wanted}
    fewest, most = after.get("min_instances"), after.get("max_instances")
    if fewest is not None and most is not None and fewest > most:
        raise UsageError(
            f"{service.name} would have a minimum of {fewest:g} instances and a maximum of {most:g}",
            next_step="Lower the minimum, or raise the maximum in the same command.",
        )
    work = ServicesWork()
    add_plan(work, service, ServiceEdit(settings=wanted))
    measured, seen = _measured(app, service.name, work) if work.plans else ({}, None)
    effects: list[str] = []
    if work.plans:
        here = app.target.HAS_DEPLOYED_SERVICES
        expected = scale_effect(service, wanted, measured).sentences() if here else [process_effect(service, wanted)]
        effects += [*expected, *([seen] if seen else [])]
    if work.plans and not request.dry_run:
        look = command_line(app.settings, "services", "show", service.name)
        effects.append(f"to see what it does, in some minutes: {look}")
    return change_services(app, [service], work, request, confirm=confirm, report=report, effects=effects)


def _measured(app: Container, service: str, work: ServicesWork) -> tuple[Mapping[str, RequestStats], str | None]:
    """Return the requests of the last day, and a sentence about its instances. Without measurements it says so."""
    span = app.config.timeouts["service.measured"]
    now = app.clock.now()
    since = now - timedelta(seconds=span)
    try:
        measurements = app.target.measurements(app)
        requests = measurements.requests(service, since, now)
        instances = measurements.instances(service, since, now)
    except (NotAuthorisedError, UnavailableError) as error:
        work.warnings.append(f"nothing was measured: {error}")
        return {}, None
    most = "none was measured" if instances is None else f"at most {instances:g} ran at once"
    return requests, f"instances in the last {format_duration(span)}: {most}"
