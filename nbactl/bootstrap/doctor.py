"""What the checks of `nbactl doctor` look at, taken from the container."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Final

from nbactl.bootstrap import local, project
from nbactl.bootstrap.container import Container
from nbactl.bootstrap.messaging import make_slack
from nbactl.bootstrap.subscriptions import judged_subscriptions
from nbactl.checks.doctor.context import CheckContext, JobProblems, Lost, Reports, ServiceConfigs, ServiceProblems
from nbactl.config.given import given_options
from nbactl.errors import ConfigError, NbactlError
from nbactl.workflows.freshness import worst

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.core._support.gamedate import GameDate
    from nbactl.ports.documents import DocumentStore
    from nbactl.workflows.model import RunRecord

_RECENT: Final = 200
"""How many of the newest runs are looked at."""
_DAYS: Final = 7
"""Of how many days, today included, the reports of production are compared with what is declared."""


def check_context(app: Container) -> CheckContext:
    """Return what checks may look at. Nothing is opened yet."""
    usable = _with_valid_config(app)
    open_documents = _once_failed(partial(_open_answering, usable))
    busy_timeout = usable.config.timeouts["documents.busy"]
    return CheckContext(
        settings=app.settings,
        environ=app.environ,
        clock=app.clock,
        busy_timeout=busy_timeout,
        scan_timeout=usable.config.timeouts["warehouse.query"],
        processors=app.processors,
        documents_file=local.documents_file(app),
        config=lambda: app.config,
        open_embedded=partial(local.documents, usable),
        open_documents=open_documents,
        open_warehouse=partial(local.open_warehouse, usable, lock_wait=busy_timeout),
        recent_runs=lambda status: _recent_runs(usable, open_documents, status),
        last_decision=lambda: _last_decision(open_documents),
        lost_outputs=lambda: _lost_outputs(usable, open_documents),
        latest_game_date=lambda: usable.source.latest(),  # noqa: PLW0108 - opening the source may fail
        ask_firestore=partial(_ask_firestore, app),
        project=lambda: app.gcp_project,
        declared_datasets=_declared_datasets,
        declared_indexes=project.declared_indexes,
        declared_ttl=project.declared_ttl,
        declared_services=lambda: usable.config.workflows.declared_services,
        subscriptions=lambda: judged_subscriptions(usable, app.gcp_project.subscriptions()),
        service_problems=lambda: _service_problems(usable),
        job_problems=lambda: _job_problems(usable),
        service_configs=lambda: _service_configs(usable),
        production=lambda: _reports(usable),
        hand_off_patience=usable.config.timeouts["status.hand_off"],
        has_slack=lambda: make_slack(usable) is not None,
    )


def _with_valid_config(app: Container) -> Container:
    """Return the container itself, or where its configuration is wrong one with the files that come with nbactl."""
    from nbactl.config.loader import shipped_config_dir
    from nbactl.config.overrides import without_overrides

    try:
        _ = app.config
    except ConfigError:
        settings = dataclasses.replace(app.settings, config_dir=shipped_config_dir())
        return Container(settings, clock=app.clock, environ=without_overrides(app.environ), notice=app.notice)
    return app


Open = Callable[[], "DocumentStore | None"]
"""Opens the document store of the target, which the caller closes; None if no run has made one here yet."""


def _open_answering(app: Container) -> DocumentStore | None:
    """Open the document store; on gcp only if it answers in time, so that checks do not wait for it one by one."""
    if app.settings.target == "gcp":
        _ask_firestore(app)
    elif not local.documents_file(app).exists():
        return None
    return app.target.documents(app)


def _once_failed(open_documents: Open) -> Open:
    """Return what opens the store until that fails, and raises the same error from then on."""
    failure: list[NbactlError] = []

    def opened() -> DocumentStore | None:
        if failure:
            raise failure[0]
        try:
            return open_documents()
        except NbactlError as error:
            failure.append(error)
            raise

    return opened


def _recent_runs(app: Container, open_documents: Open, status: str | None) -> list[RunRecord]:
    from nbactl.core.lease.holder import is_dead
    from nbactl.workflows.ledger import Ledger

    opened = open_documents()
    if opened is None:
        return []
    with closing(opened) as store:
        return Ledger(store, app.clock, is_dead=is_dead, notice=app.notice).list(status=status, limit=_RECENT)


def _last_decision(open_documents: Open) -> datetime | None:
    from nbactl.ports.documents import Order, Query
    from nbactl.schedule.log import COLLECTION

    opened = open_documents()
    if opened is None:
        return None
    with closing(opened) as store:
        newest = next(iter(store.query(Query(COLLECTION, (), (Order("decided_at", descending=True),), limit=1))), None)
    return None if newest is None else newest.data["decided_at"]


def _lost_outputs(app: Container, open_documents: Open) -> Lost:
    from nbactl.workflows.model import RunStatus

    newest: dict[tuple[str, GameDate], RunRecord] = {}
    recent = list(_recent_runs(app, open_documents, None))
    for run in recent:
        if run.source == app.source.key:
            newest.setdefault((run.name, run.game_date), run)
    ended = {run.run_id: run for run in newest.values() if run.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)}
    judged = app.freshness.judge(ended.values()) if ended else {}
    worst_of = {run_id: worst(found.values()) for run_id, found in judged.items()}
    lost = [
        (ended[run_id].name, str(ended[run_id].game_date), found.text)
        for run_id, found in worst_of.items()
        if found.why == "gone" or (found.why == "replaced" and not _did_again(app, ended[run_id], recent))
    ]
    return Lost(tuple(lost), len(ended))


def _did_again(app: Container, run: RunRecord, recent: Sequence[RunRecord]) -> bool:
    """Say whether services did since what a run had done, as `nbactl up` does after `nbactl run daily`."""
    from nbactl.workflows.board import did_again

    ours = {one for other in recent if other.game_date == run.game_date for one in (other.run_id, other.correlation_id)}
    report = app.production.read(run.game_date, app.clock.now(), ours).reports.get(run.name)
    return report is not None and did_again(run, report)


def _declared_datasets() -> set[str]:
    from nbactl.warehouse.tables import load_tables

    return {name.partition(".")[0] for name in load_tables()}


def _service_problems(app: Container) -> ServiceProblems:
    from nbactl.bootstrap.deployed import survey_services

    found = survey_services(app)
    problems = [
        (f"{problem.service}: {problem.message}", problem.cause, problem.fix, problem.grave)
        for problem in found.problems
    ]
    return ServiceProblems(problems, found.warnings)


def _job_problems(app: Container) -> JobProblems | None:
    from nbactl.bootstrap.jobs import has_scheduler, read_jobs

    if app.settings.target == "local" and not has_scheduler(app):
        return None
    # A container of its own, as below.
    with Container(app.settings, clock=app.clock, environ=app.environ, reads_only=True, notice=app.notice) as own:
        statuses = read_jobs(own)
    found = [
        (f"{status.name}: {finding.text}", shlex.join(["nbactl", *finding.mend, *given_options(app.settings)]))
        if finding.mend
        else (f"{status.name}: {finding.text}", None)
        for status in statuses
        for finding in status.findings
    ]
    return JobProblems(len(statuses), found)


def _service_configs(app: Container) -> ServiceConfigs | None:
    """Ask the declared services, on target local those that `up` runs, for the digest of their configuration."""
    from nbactl.bootstrap.deployed import declared_specs, make_prober
    from nbactl.config.loader import config_digest
    from nbactl.config.repository import committed_digest
    from nbactl.deployments.parallel import at_once

    deployed = app.target.HAS_DEPLOYED_SERVICES
    if not deployed and not local.documents_file(app).exists():
        return None
    # A container of its own, as below.
    with Container(app.settings, clock=app.clock, environ=app.environ, reads_only=True, notice=app.notice) as own:
        there = [service for service in own.deployed_services.list() if deployed or service.url]
        declared = declared_specs(own)
        prober = make_prober(own)
        asked = [service for service in there if not deployed or service.name in declared]
        reports = [report for _, report in at_once(asked, prober.health)]
    if not reports:
        return None
    folder = next(iter(app.config.files.values())).parent
    committed = committed_digest(folder, limit=app.config.timeouts["doctor.git"])
    return ServiceConfigs(
        committed or config_digest(app.config),
        committed is not None,
        {report.service: report.config_digest for report in reports if report.config_digest},
        {report.service: report.detail for report in reports if report.state == "unknown"},
        [report.service for report in reports if report.state != "unknown" and not report.config_digest],
    )


def _reports(app: Container) -> Reports | None:
    """Read what production reported from six days ago to tomorrow."""
    from nbactl.config.expected import expectations
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.calls.deadline import deadline_scope
    from nbactl.core.phases.documents import expectation_for, read_phases
    from nbactl.core.phases.history import runs_between

    local_target = app.settings.target == "local"
    if local_target and not local.documents_file(app).exists():
        return None
    expected = app.expectations
    today = GameDate.of(app.clock.now())
    days = [today.plus(number) for number in range(-_DAYS + 1, 2)]
    known = {name: expectation.known for name, expectation in expected.items()}
    limits = app.config.timeouts
    # A container of its own, which is closed: the stores of `app` may be in nobody's hands.
    with Container(app.settings, clock=app.clock, environ=app.environ, reads_only=True, notice=app.notice) as own:
        with deadline_scope(limits["documents.read"], app.clock):
            documents = read_phases(own.documents, known, days)
        copied = expectations(app.config.workflows, "gcp")
        expected = {
            name: expectation_for((documents[name, day] for day in days), expectation, copied[name])
            for name, expectation in expected.items()
        }
        runs, problem = [], None
        if not local_target or any(document.exists for document in documents.values()):
            seconds = limits["status.history"]
            try:
                with deadline_scope(seconds, app.clock):
                    runs = runs_between(own.warehouse, days[0], days[-1], timeout=seconds)
            except NbactlError as error:
                problem = error.message
    return Reports(documents, runs, expected, frozenset(app.config.workflows.tasks), problem)


def _ask_firestore(app: Container) -> None:
    from nbactl.core.calls.deadline import deadline_scope

    with deadline_scope(app.config.timeouts["documents.read"], app.clock):
        app.engine.get("leases/nbactl-doctor")
