"""The checks of `nbactl doctor`, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.checks.doctor import machine, pipeline, production, state
from nbactl.checks.doctor.configs import running_services
from nbactl.checks.doctor.gcp import examine_project
from nbactl.checks.doctor.jobs import running_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.checks.doctor.context import Check, CheckContext, Finding

CHECKS: Final[tuple[Check, ...]] = (
    machine.python,
    machine.dependencies,
    machine.time_zone,
    machine.clock,
    machine.environment,
    machine.alerts,
    pipeline.configuration,
    pipeline.tasks,
    pipeline.source,
    pipeline.target,
    state.state_dir,
    state.documents,
    state.bus,
    state.warehouses,
    pipeline.interrupted_runs,
    pipeline.finished_dates,
    production.reported_names,
    production.hand_offs,
    state.ticks,
    state.leases,
    state.dead_letters,
    state.crash_reports,
)


def examine(context: CheckContext) -> Iterator[Finding]:
    """Yield what each check finds, at least one finding a check; on gcp of the project too. Nothing is changed."""
    for check in CHECKS:
        yield from check(context)
    if context.settings.target == "gcp":
        yield from examine_project(context)
    else:
        yield from running_services(context)
        yield from running_jobs(context)
