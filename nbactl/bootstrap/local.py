"""Target local: which adapter serves each port. State is files below `settings.state_dir`; no server is needed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final, NoReturn, cast

from nbactl.bootstrap.indexes import INDEXES
from nbactl.errors import PreconditionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
    from nbactl.adapters.inprocess.compute import InProcessCompute
    from nbactl.adapters.localbus.bus import LocalBus
    from nbactl.adapters.localbus.push import PushDelivery
    from nbactl.adapters.localjobs.jobs import LocalJobs
    from nbactl.adapters.localrun.measurements import LocalMeasurements
    from nbactl.adapters.localrun.services import LocalServices
    from nbactl.adapters.sqlite.documents import SqliteDocuments
    from nbactl.bootstrap.container import Container
    from nbactl.core.observe.failures import Failures
    from nbactl.core.service.health import Check
    from nbactl.ports.bus import FoundSubscription
    from nbactl.ports.compute import TaskContext, TaskOutcome
    from nbactl.ports.logs import Logs
    from nbactl.ports.services import DeployedServices
    from nbactl.workflows.freshness import CurrentVersions
    from nbactl.workflows.ledger import Ledger
    from nbactl.workflows.planner import Planner

HAS_DEPLOYED_SERVICES = False
DELETES_EXPIRED = False

TASK_PROCESS: Final = "nbactl.bootstrap.task_process"
"""The module whose process runs a task with `isolate: process`."""
_PUSHED_AT_ONCE: Final = 8
"""Requests of one subscription that are open at the same time."""
_LEAST_FREE: Final = 64 * 1024 * 1024
"""Bytes of free disk below which a service is not healthy: the store could soon write nothing more."""


def documents_file(app: Container) -> Path:
    """Return the path of the embedded document store."""
    return app.settings.state_dir / "documents.db"


def documents(app: Container) -> SqliteDocuments:
    """Open the embedded store; where nothing may be written, a missing one is taken for an empty one."""
    from nbactl.adapters.sqlite.documents import SqliteDocuments
    from nbactl.adapters.sqlite.read_only import is_read_only

    file = documents_file(app)
    if app.reads_only and is_read_only(file):
        app.notice(f"{app.settings.state_dir} is read-only: it is shown as it is, and nothing in it can be changed")
    missing = app.reads_only and not file.exists()
    busy = app.config.timeouts["documents.busy"]
    return SqliteDocuments(":memory:" if missing else file, clock=app.clock, busy_timeout=busy, indexes=INDEXES)


def warehouse(app: Container) -> DuckDbWarehouse:
    """Open the DuckDB file of the source."""
    lock_wait = app.config.timeouts["warehouse.lock_wait"]
    return open_warehouse(app, app.data_dir / "warehouse.duckdb", lock_wait=lock_wait, creates=not app.reads_only)


def open_warehouse(app: Container, file: Path, *, lock_wait: float, creates: bool = True) -> DuckDbWarehouse:
    """Open a DuckDB file; another process may hold it for `lock_wait` seconds. Without `creates` it must be there."""
    from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
    from nbactl.core.lease.holder import process_identity

    holder = process_identity("nbactl")
    return DuckDbWarehouse(file, clock=app.clock, lock_wait=lock_wait, holder=holder, creates=creates)


def job_history(_: Container) -> NoReturn:
    """Refuse: DuckDB keeps no history of queries, and nothing is billed."""
    raise PreconditionError(
        "target local has no history of jobs, and nothing is billed there",
        next_step="Add --target gcp --project ID.",
    )


def _bus_file(app: Container) -> Path:
    return app.settings.state_dir / "bus.db"


def bus(app: Container) -> LocalBus:
    """Open the embedded bus, with the topics of the phases."""
    from nbactl.adapters.localbus.bus import LocalBus

    busy = app.config.timeouts["documents.busy"]
    made = LocalBus(_bus_file(app), clock=app.clock, ids=app.ids, busy_timeout=busy)
    app.closing.callback(made.close)
    for topic in sorted(app.config.workflows.topics - set(made.topics())):
        made.create_topic(topic)
    return made


def subscriptions(app: Container) -> list[FoundSubscription]:
    """Return the subscriptions of the embedded bus, none if there is no file of it yet."""
    return cast("LocalBus", app.bus).found_subscriptions() if _bus_file(app).exists() else []


def bus_history(app: Container) -> LocalBus | None:
    """Return the bus, None if there is no file of it yet."""
    return cast("LocalBus", app.bus) if _bus_file(app).exists() else None


def dead_letter_wait(app: Container) -> float | None:
    """Return 0, or None if there is no bus yet, or it may not be written."""
    from nbactl.adapters.sqlite.read_only import is_read_only

    file = _bus_file(app)
    return 0.0 if file.exists() and not is_read_only(file) else None


def push_delivery(app: Container, failures: Failures) -> PushDelivery:
    """Return what pushes messages from this process; the caller starts it, and closes it before the container."""
    from nbactl.adapters.localbus.push import PushDelivery, PushLimits
    from nbactl.core.service.consumer import ConsumerTimings

    timeouts = app.config.timeouts
    limits = PushLimits(
        concurrency=_PUSHED_AT_ONCE,
        connect=timeouts["push.connect"],
        least_pause=timeouts["push.least_pause"],
        most_pause=timeouts["push.most_pause"],
    )
    timings = ConsumerTimings(
        lease=timeouts["push.lease"],
        renew_every=timeouts["push.renew"],
        pull=timeouts["push.pull"],
        pause=timeouts["push.pause"],
        finish=timeouts["push.finish"],
    )
    return PushDelivery(cast("LocalBus", app.bus), limits=limits, timings=timings, clock=app.clock, failures=failures)


class _Sets:
    """Registered processors for many dates at once."""

    def __init__(self, app: Container) -> None:
        self._app = app

    def takes(self, name: str) -> bool:
        from nbactl.pipeline.registry import COLLECT, takes_sets

        if name == COLLECT and not self._app.processor_resources.source().has_history:
            return False  # a server is asked date by date: each date has the time of its own task
        return takes_sets(name)

    def run(self, name: str, contexts: Sequence[TaskContext]) -> Sequence[TaskOutcome | Exception]:
        from nbactl.pipeline.registry import run_set

        return run_set(name, self._app.processor_resources, contexts)


def compute(app: Container) -> InProcessCompute:
    """Return what runs tasks in this process and in children of it."""
    from nbactl.adapters.inprocess.compute import InProcessCompute

    return InProcessCompute(
        app.run_processor,
        sets=_Sets(app),
        worker=TASK_PROCESS,
        # A mapping proxy cannot be pickled for the child process.
        worker_setup=dataclasses.replace(app.settings, origins=dict(app.settings.origins)),
        grace=app.config.timeouts["run.stop_grace"],
    )


def deployed_services(app: Container) -> LocalServices:
    """Return the services that `nbactl up` runs."""
    from nbactl.bootstrap.localrun import make_services

    return make_services(app)


def service_regions(app: Container) -> dict[str, Callable[[], DeployedServices]]:
    """Return the services of this machine, which are in no region."""
    return {"": lambda: app.deployed_services}


def identity_token(_: Container) -> Callable[[str], str | None]:
    """Return what makes no token: services on loopback take calls without."""
    return lambda _: None


def measurements(app: Container) -> LocalMeasurements:
    """Return what the processes of `nbactl up` counted, and the backlog of the bus."""
    from nbactl.bootstrap.localrun import make_measurements

    return make_measurements(app)


def logs(app: Container) -> Logs:
    """Return what the services of `nbactl up` logged."""
    from nbactl.adapters.locallogs.logs import LocalLogs

    return LocalLogs(service_logs_folder(app), clock=app.clock, poll=app.config.timeouts["logs.poll"])


def service_logs_folder(app: Container) -> Path:
    """Return the folder of the logs of services."""
    return app.settings.state_dir / "service-logs"


def scheduled_jobs(app: Container) -> LocalJobs:
    """Return the jobs of this machine, which `nbactl up` sends."""
    from nbactl.adapters.localjobs.jobs import LocalJobs

    return LocalJobs(app.documents, app.clock)


def history(app: Container) -> Ledger:
    """Return the ledger."""
    return app.ledger


def versions(app: Container) -> CurrentVersions:
    """Return the versions of what processors read and write."""
    from nbactl.bootstrap.runs import make_versions

    return make_versions(app)


def fit_planner(_: Container, planner: Planner) -> Planner:
    """Return it as it is."""
    return planner


def must_ramp_up(_: Container) -> bool:
    """Return False: one file takes writes at any rate."""
    return False


def health_checks(app: Container) -> list[Check]:
    """Check the disk that holds the store."""
    from nbactl.core.service.health import disk_check

    return [disk_check(app.settings.state_dir, _LEAST_FREE, app.config.timeouts["health.check"])]
