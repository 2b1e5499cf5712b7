"""Target gcp: which adapter serves each port. Importing this module loads nothing of Google's."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.adapters.bigquery.calls import Calls
    from nbactl.adapters.bigquery.jobs import BigQueryJobs
    from nbactl.adapters.bigquery.warehouse import BigQueryWarehouse
    from nbactl.adapters.cloudrun.locator import ServiceLocator
    from nbactl.adapters.cloudrun.regions import RegionalServices
    from nbactl.adapters.cloudrun.services import CloudRunServices
    from nbactl.adapters.cloudscheduler.jobs import CloudSchedulerJobs
    from nbactl.adapters.firestore.documents import FirestoreDocuments
    from nbactl.adapters.pubsub.bus import PubSubBus
    from nbactl.bootstrap.container import Container
    from nbactl.config.workflows import WorkflowsFile
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.service.health import Check
    from nbactl.ports.bus import FoundSubscription
    from nbactl.ports.compute import Compute
    from nbactl.ports.logs import Logs
    from nbactl.ports.measurements import Measurements
    from nbactl.workflows.freshness import CurrentVersions
    from nbactl.workflows.planner import History, Planner

_LABELS: Final = ("run_id", "workflow", "task", "game_date")
"""What labels a job of the work at hand; a label with a value for each message or player would group nothing."""
_DOCUMENTED: Final = ("phase2", "phase3", "phase4", "phase5")
"""The phases of production that have phase documents."""
HAS_DEPLOYED_SERVICES = True
DELETES_EXPIRED = True
"""Firestore's TTL policies do it."""


def documents(app: Container) -> FirestoreDocuments:
    """Return the project's default database, or the one of FIRESTORE_EMULATOR_HOST. Nothing is sent yet."""
    project, timeouts = project_of(app), app.config.timeouts
    with needs("Google's client for Firestore"):
        from nbactl.adapters.firestore.calls import CallLimits
        from nbactl.adapters.firestore.channel import Database
        from nbactl.adapters.firestore.documents import FirestoreDocuments
    return FirestoreDocuments(
        Database(project, emulator=app.environ.get("FIRESTORE_EMULATOR_HOST") or None),
        limits=CallLimits(read=timeouts["documents.read"], write=timeouts["documents.write"]),
        policy=app.policies["firestore"],
        rng=app.rng,
    )


def deployed_services(app: Container) -> RegionalServices:
    """Return the services of the regions, or those of CLOUD_RUN_EMULATOR_HOST. Nothing is sent yet."""
    default = _services_of(app, app.settings.region)
    from nbactl.adapters.cloudrun.regions import RegionalServices

    regions = {app.settings.region: default}
    declared = _regions(app)
    for region in set(declared.values()) - regions.keys():
        regions[region] = _services_of(app, region)
    elsewhere = {name: regions[region] for name, region in declared.items() if regions[region] is not default}
    return RegionalServices(default, elsewhere)


def service_regions(app: Container) -> dict[str, Callable[[], CloudRunServices]]:
    """Return what opens the services of each declared region, the default one first."""
    names = dict.fromkeys((app.settings.region, *_regions(app).values()))

    def opened(region: str) -> CloudRunServices:
        services = _services_of(app, region)
        app.closing.callback(services.close)
        return services

    return {region: partial(opened, region) for region in names}


def identity_token(app: Container) -> Callable[[str], str | None]:
    """Return what asks Google for identity tokens; nothing is sent yet."""
    with needs("Google's authentication"):
        from nbactl.adapters.cloudrun.identity import Identities
    timeout, emulator = app.config.timeouts["http.request"], app.environ.get("CLOUD_RUN_EMULATOR_HOST")
    identities = Identities(timeout=timeout, anonymous=bool(emulator))
    return lambda address: identities.of(address).token


def _regions(app: Container) -> dict[str, str]:
    """Return the regions of the services that declare one."""
    return {name: place.region for name, place in app.config.workflows.services.items() if place.region}


def _services_of(app: Container, region: str) -> CloudRunServices:
    project, timeouts = project_of(app), app.config.timeouts
    with needs("Google's authentication"):
        from nbactl.adapters.cloudrun.api import Api
        from nbactl.adapters.cloudrun.changing import Waiting
        from nbactl.adapters.cloudrun.region import Region
        from nbactl.adapters.cloudrun.services import CloudRunServices
    api = Api(
        Region(project, region, app.environ.get("CLOUD_RUN_EMULATOR_HOST") or None),
        app.policies["cloud_run"],
        connect=timeouts["http.connect"],
        request=timeouts["service.admin"],
    )
    return CloudRunServices(api, Waiting(deploy=timeouts["service.deploy"], poll=timeouts["service.poll"]))


def measurements(app: Container) -> Measurements:
    """Return Cloud Monitoring of the project, or of MONITORING_EMULATOR_HOST. Nothing is sent yet."""
    project, timeouts, regions = project_of(app), app.config.timeouts, _regions(app)
    with needs("Google's authentication"):
        from nbactl.adapters.gcpproject.api import GoogleApi
        from nbactl.adapters.gcpproject.monitoring import CloudMonitoring, Delays
    api = GoogleApi(connect=timeouts["http.connect"], request=timeouts["service.admin"])
    app.closing.callback(api.close)
    return CloudMonitoring(
        project,
        api,
        app.policies["monitoring"],
        region_of=lambda service: regions.get(service, app.settings.region),
        delays=Delays(lag=timeouts["measurements.lag"], newest=timeouts["measurements.newest"]),
        environ=app.environ,
    )


def logs(app: Container) -> Logs:
    """Return Cloud Logging of the project, or the server of LOGGING_EMULATOR_HOST. Nothing is sent yet."""
    project, timeouts = project_of(app), app.config.timeouts
    with needs("Google's client for Cloud Logging"):
        from nbactl.adapters.cloudlogging.channel import Channel, LoggingProject
        from nbactl.adapters.cloudlogging.following import LogTimings
        from nbactl.adapters.cloudlogging.logs import CloudLogs
    channel = Channel(LoggingProject(project, app.environ.get("LOGGING_EMULATOR_HOST") or None), timeouts["logs.page"])
    app.closing.callback(channel.close)
    timings = LogTimings(search=timeouts["logs.search"], poll=timeouts["logs.poll"], settle=timeouts["logs.settle"])
    return CloudLogs(channel, app.policies["cloud_logging"], timings, app.rng)


def scheduled_jobs(app: Container) -> CloudSchedulerJobs:
    """Return the jobs of the region, or of CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER. Nothing is sent yet."""
    project, timeouts = project_of(app), app.config.timeouts
    with needs("Google's client for Cloud Scheduler"):
        from nbactl.adapters.cloudscheduler.jobs import CloudSchedulerJobs, JobsRegion
    endpoint = app.environ.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER") or None
    region = JobsRegion(project, app.settings.region, endpoint)
    jobs = CloudSchedulerJobs(region, app.policies["cloud_run"], request=timeouts["service.admin"])
    app.closing.callback(jobs.close)
    return jobs


def warehouse(app: Container) -> BigQueryWarehouse:
    """Return the datasets of the project, or those of BIGQUERY_EMULATOR_HOST. Nothing is sent yet."""
    with needs("Google's client for BigQuery"):
        from nbactl.adapters.bigquery.warehouse import BigQueryWarehouse
    return BigQueryWarehouse(_bigquery(app), metadata=app.config.timeouts["warehouse.query"])


def job_history(app: Container) -> BigQueryJobs:
    """Return the jobs of the project in the location of its datasets. Nothing is sent yet."""
    with needs("Google's client for BigQuery"):
        from nbactl.adapters.bigquery.jobs import BigQueryJobs
    history = BigQueryJobs(_bigquery(app))
    app.closing.callback(history.close)
    return history


def _bigquery(app: Container) -> Calls:
    project, timeouts = project_of(app), app.config.timeouts
    with needs("Google's client for BigQuery"):
        from nbactl.adapters.bigquery.calls import Calls
        from nbactl.adapters.bigquery.client import ClientHolder, Project
    place = Project(project, app.settings.dataset_location, app.environ.get("BIGQUERY_EMULATOR_HOST") or None)
    client = ClientHolder(place, connect=timeouts["http.connect"])
    reads, writes = app.policies["bigquery"], app.policies["bigquery_dml"]
    return Calls(client, reads=reads, writes=writes, ids=app.ids, labels=lambda: _job_labels(app))


def _job_labels(app: Container) -> dict[str, str]:
    """Return what names a job in BigQuery's history: who started it, for which command, run, workflow and task."""
    from nbactl.core.observe.context import current

    work = current().labels()
    known = {name: work[name] for name in _LABELS if name in work}
    return {"tool": "nbactl", "service": app.name, "command": app.command, **known}


def bus(app: Container) -> PubSubBus:
    """Return Pub/Sub of the project, or of PUBSUB_EMULATOR_HOST. Nothing is sent yet."""
    project, timeouts = project_of(app), app.config.timeouts
    with needs("Google's client for Pub/Sub"):
        from nbactl.adapters.pubsub.bus import PubSubBus
        from nbactl.adapters.pubsub.channel import Channel, PubSubProject
    place = PubSubProject(project, app.environ.get("PUBSUB_EMULATOR_HOST") or None)
    made = PubSubBus(Channel(place, timeouts["bus.publish"]), app.policies["pubsub"])
    app.closing.callback(made.close)
    return made


def subscriptions(app: Container) -> list[FoundSubscription]:
    """Return the subscriptions of the project, or of PUBSUB_EMULATOR_HOST."""
    return app.policies["pubsub"].call(app.gcp_project.subscriptions)


def bus_history(_: Container) -> None:
    """Return None: Pub/Sub removes what is older than the retention of its subscriptions."""


def dead_letter_wait(app: Container) -> float:
    """Return how long a pull waits: one that does not wait may be answered with nothing although messages wait."""
    return app.config.timeouts["dead_letters.pull"]


def compute(app: Container) -> Compute:
    """Return what calls deployed services; with `--in-process` what runs tasks in this process."""
    if app.in_process:
        from nbactl.bootstrap import local

        return local.compute(app)
    with needs("Google's authentication"):
        from nbactl.adapters.cloudrun.compute import CallTools, CloudRunCompute, FollowLimits
        from nbactl.adapters.cloudrun.evidence import Evidence
        from nbactl.adapters.cloudrun.identity import Identities
        from nbactl.adapters.cloudrun.records import CallRecords
    timeouts = app.config.timeouts
    limits = FollowLimits(
        connect=timeouts["http.connect"],
        poll=timeouts["service.follow"],
        silence=timeouts["service.silence"],
        accept=timeouts["service.accept"],
        query=timeouts["warehouse.query"],
    )
    tools = CallTools(
        services=services_of(app),
        identities=Identities(
            timeout=timeouts["http.request"], anonymous=bool(app.environ.get("CLOUD_RUN_EMULATOR_HOST"))
        ),
        records=CallRecords(app.documents, app.clock, app.ledger.is_task_done),
        evidence=Evidence(app.documents, lambda: app.warehouse, _phase_of(app.config.workflows), timeout=limits.query),
        warehouse=lambda: app.warehouse,
        clock=app.clock,
        limits=limits,
    )
    return CloudRunCompute(tools)


def services_of(app: Container) -> ServiceLocator:
    """Return what finds each deployed service in its region."""
    with needs("Google's authentication"):
        from nbactl.adapters.cloudrun.locator import ServiceLocator
    regions = _regions(app)
    services = ServiceLocator(lambda region: _services_of(app, region), app.settings.region, regions)
    app.closing.callback(services.close)
    return services


def _phase_of(file: WorkflowsFile) -> Callable[[str], str | None]:
    """Return what says which phase a task belongs to, if that one has phase documents."""
    phases = {use.task: name for name in _DOCUMENTED if name in file.phases for use in file.phases[name].tasks}
    return phases.get


def fit_planner(app: Container, planner: Planner) -> Planner:
    """Return the planner with what production knows: a phase that the orchestrator completed need not be run.

    Which dates have games is in the schedule of the deployed services, unless tasks run in process.
    """
    if _is_bare_plan(app):
        return planner
    from nbactl.core.phases.documents import read_phase
    from nbactl.core.phases.modes import mode_of
    from nbactl.pipeline.sources.deployed import DeployedSchedule

    def done_by_orchestrator(phase: str, day: GameDate) -> bool:
        expectation = app.expectations.get(phase)
        if phase not in _DOCUMENTED or expectation is None:
            return False
        uses, now = app.config.workflows.phases[phase].tasks, app.clock.now()
        required = {use.task for use in uses if use.required}
        document = read_phase(app.documents, phase, day, expectation.known)
        waited = None if document.began_at is None else (now - document.began_at).total_seconds()
        reason = expectation.hand_off.reason(expectation.of(mode_of(day, now)), document.done, waited)
        return document.triggered or reason is not None or (bool(required) and document.done >= required)

    planner = replace(planner, done_by_others=done_by_orchestrator)
    if planner.in_process:
        return planner
    schedule = DeployedSchedule(lambda: app.warehouse, app.config.timeouts["warehouse.query"])
    return replace(planner, game_dates=schedule.game_dates, uncovered=schedule.uncovered)


def versions(app: Container) -> CurrentVersions:
    """Return the versions of what processors read and write in this process; services do not report theirs."""
    from nbactl.bootstrap.runs import make_versions
    from nbactl.workflows.freshness import NoVersions

    return make_versions(app) if app.in_process else NoVersions()


def history(app: Container) -> History:
    """Return the ledger; for a plan without a project no history."""
    if _is_bare_plan(app):
        from nbactl.workflows.planner import NoHistory

        app.notice("without --project the plan does not know what was done before")
        return NoHistory()
    return app.ledger


def must_ramp_up(app: Container) -> bool:
    """Return True except for the emulator, which takes writes at any rate."""
    return not app.environ.get("FIRESTORE_EMULATOR_HOST")


def health_checks(_: Container) -> list[Check]:
    """Check nothing more: state is not on the disk."""
    return []


def gcloud(app: Container, verb: str, service: str, *options: str) -> str:
    """Return the command of Google's own tool for a service, such as `gcloud run services describe NAME …`."""
    from nbactl.adapters.cloudrun.region import Region

    return Region(app.settings.project or "", app.settings.region).gcloud(verb, service, *options)


def _is_bare_plan(app: Container) -> bool:
    """Say whether a plan is shown from the configuration alone (`--dry-run` without a project)."""
    return app.reads_only and app.settings.project is None


def project_of(app: Container) -> str:
    """Return the project. Raises ConfigError without one."""
    if app.settings.project is None:
        raise ConfigError("target gcp needs a project", next_step="Give --project or set NBACTL_PROJECT.")
    return app.settings.project


@contextmanager
def needs(what: str) -> Iterator[None]:
    """Raise ConfigError for an import that fails."""
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"target gcp needs {what}",
            cause=f"It cannot be imported: {error}",
            next_step="Install it: pip install 'nbactl[gcp]'",
        ) from error
