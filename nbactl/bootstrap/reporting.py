"""Reports and alert rules, built from the container."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from nbactl.bootstrap.container import Container
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.audit.entry import AuditEntry
    from nbactl.core.phases.documents import PhaseDocument
    from nbactl.core.phases.logs import LoggedRun
    from nbactl.outputs.model import Grid
    from nbactl.ports.alerts import Alert
    from nbactl.ports.warehouse import WarehouseJob
    from nbactl.reporting.judges import Facts, JobsSeen, ServicesSeen
    from nbactl.reporting.report import CostUsage, ReportSources
    from nbactl.reporting.rules import AlertRules
    from nbactl.reporting.runs import Logs, Ran
    from nbactl.reporting.trace.model import TraceSources
    from nbactl.rollouts.health import ServiceHealth
    from nbactl.rollouts.model import Rollout


def make_alert_rules(app: Container, send: Callable[[Alert, Iterable[str]], None]) -> AlertRules:
    """Return what judges `alerts.rules`; `send` gets an alert and the names of its channels, as `Alerts.send`."""
    from nbactl.bootstrap.jobs import has_scheduler
    from nbactl.bootstrap.season import make_idle_dates
    from nbactl.reporting.judges import JUDGES, Facts, Sources
    from nbactl.reporting.rules import AlertRules
    from nbactl.reporting.runs import read_runs

    rules = app.config.workflows.alerts.rules
    longest = max((rule.window for rule in rules.values() if rule.when in ("failure_rate", "error_spike")), default=0.0)

    def ran(since: datetime, until: datetime) -> Ran:
        return read_runs(app.documents, since, until, _logs(app))

    def health() -> Sequence[ServiceHealth] | None:
        from nbactl.bootstrap.flags import services_health

        return services_health(app)()

    def rollouts() -> tuple[Sequence[Rollout], Mapping[str, str]]:
        return app.rollouts.all()

    def jobs(since: datetime, until: datetime) -> Iterable[WarehouseJob]:
        return app.job_history.jobs(since, until, timeout=app.config.timeouts["warehouse.query"])

    sources = Sources(
        ran=ran,
        idle=lambda: make_idle_dates(app),
        grid=partial(_grid, app),
        jobs=None if app.settings.target == "local" else jobs,
        health=health,
        rollouts=rollouts,
        services=partial(_services, app) if app.target.HAS_DEPLOYED_SERVICES else None,
        scheduled=partial(_scheduled, app) if has_scheduler(app) else None,
    )

    def facts(now: datetime) -> Facts:
        return Facts(sources, now, timedelta(seconds=longest))

    timeouts = app.config.timeouts
    return AlertRules(
        rules,
        JUDGES,
        facts,
        app.documents,
        idle=sources.idle,
        send=send,
        apart=timedelta(seconds=timeouts["alert.window"]),
        billed_every=None if app.settings.target == "local" else timedelta(seconds=timeouts["alert.billed"]),
        notice=app.notice,
    )


def make_report_sources(app: Container) -> ReportSources:
    """Return where the numbers of a report come from."""
    from nbactl.bootstrap.jobs import has_scheduler
    from nbactl.core.observe.daily_counts import DUPLICATES, read_counts
    from nbactl.core.phases.documents import read_phases
    from nbactl.reporting.report import ReportSources

    def phase_documents(days: Sequence[GameDate]) -> Mapping[tuple[str, GameDate], PhaseDocument]:
        known = {name: expectation.known for name, expectation in app.expectations.items()}
        return read_phases(app.documents, known, days)

    def repairs(since: datetime) -> Sequence[AuditEntry]:
        from nbactl.bootstrap.audit import make_audit
        from nbactl.core.audit.trail import AuditFilter

        return make_audit(app).page(AuditFilter(since=since, action="heal", limit=1_000)).entries

    return ReportSources(
        documents=app.documents,
        flags=app.flag_store,
        phases=tuple(app.config.workflows.phases),
        logs=_logs(app),
        grid=partial(_grid, app),
        phase_documents=phase_documents,
        costs=partial(_costs, app),
        duplicates=lambda since, until: read_counts(app.documents, DUPLICATES, since, until),
        repairs=repairs,
        scheduled=(lambda: _scheduled(app).wrong) if has_scheduler(app) else None,
    )


def _services(app: Container) -> ServicesSeen:
    from nbactl.bootstrap.deployed import wrong_services
    from nbactl.reporting.judges import ServicesSeen

    declared, wrong, warnings = wrong_services(app)
    return ServicesSeen(declared, wrong, warnings)


def _scheduled(app: Container) -> JobsSeen:
    from nbactl.bootstrap.jobs import read_jobs
    from nbactl.reporting.judges import JobsSeen

    statuses = read_jobs(app)
    wrong = {one.name: "; ".join(found.text for found in one.findings) for one in statuses if one.findings}
    return JobsSeen(len(statuses), wrong)


def _grid(app: Container, first: GameDate, last: GameDate) -> Grid:
    from nbactl.bootstrap.outputs import make_grids

    return make_grids(app).draw(first, last)


def _logs(app: Container) -> Logs | None:
    """Return what reads the logs of production; on this machine nbactl runs everything, and its ledger has it."""
    if app.settings.target == "local":
        return None

    def logs(first: GameDate, last: GameDate) -> tuple[Sequence[LoggedRun], Sequence[str]]:
        from nbactl.core.phases.logs import logged_runs

        return logged_runs(app.warehouse, first, last, timeout=app.config.timeouts["status.history"])

    return logs


def _costs(app: Container, since: datetime, until: datetime) -> CostUsage:
    """Return what queries cost, and in as much time before. Raises what the history raises."""
    from nbactl.reporting.report import CostUsage
    from nbactl.warehouse.prices import prices_in

    history, timeout = app.job_history, app.config.timeouts["warehouse.job_history"]
    jobs, billed, before = 0, 0, 0
    for job in history.jobs(since - (until - since), until, timeout=timeout):
        if job.created_at >= since:
            jobs += 1
            billed += job.bytes_billed
        else:
            before += job.bytes_billed
    price = prices_in(app.settings.dataset_location).billed(billed)
    return CostUsage(jobs, billed, float(price), before)


def make_trace_sources(app: Container) -> TraceSources:
    """Return where traces look."""
    from nbactl.bootstrap.logs import make_logs
    from nbactl.pipeline.rawstore import RawStore
    from nbactl.pipeline.recipes import recipe_of
    from nbactl.reporting.trace.model import TraceSources
    from nbactl.warehouse.tables import declared_table
    from nbactl.workflows.works import work_of

    tables = {}
    for name, task in app.config.workflows.tasks.items():
        work = work_of(task, "process")
        recipe = None if work is None else recipe_of(work, declared_table)
        if recipe is not None and recipe.writes:
            tables[name] = recipe.writes[0]
    return TraceSources(
        documents=app.documents,
        warehouse=lambda: app.warehouse,
        processors={name: expectation.known for name, expectation in app.expectations.items()},
        flags=tuple(app.config.flags.flags),
        tables=tables,
        raw=lambda: RawStore(app.data_dir / "raw"),
        exports=lambda: app.data_dir / "exports",
        logs=app.settings.state_dir / "logs",
        service_logs=partial(make_logs, app),
        timeout=app.config.timeouts["warehouse.query"],
        local=app.settings.target == "local",
    )
