"""A project on loopback servers for the situations of docs/runbook.md, and what people and clouds did to it."""

from __future__ import annotations

import copy
import uuid
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from nbactl.bootstrap import Container
from nbactl.config.loader import config_digest, load_config
from nbactl.config.settings import load_settings
from nbactl.testing import bigquery_server
from nbactl.warehouse.tables import declared_table
from nbactl.workflows.executions import EXECUTIONS
from tests.acceptance.runbook_staging import NOW, config_with, nbactl
from tests.kit.bigquery import bigquery_warehouse
from tests.kit.cloud_logging_server import cloud_logging_server
from tests.kit.cloud_run_server import cloud_run_server
from tests.kit.monitoring_server import monitoring_server
from tests.kit.scheduler_server import scheduler_server
from tests.kit.service_routes import service_routes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.testing.bigquery import BigQueryServer
    from tests.kit.cloud_logging_server import CloudLogging
    from tests.kit.cloud_run_server import CloudRun
    from tests.kit.monitoring_server import Monitoring
    from tests.kit.runbook import Walk
    from tests.kit.scheduler_server import Scheduler
    from tests.kit.service_routes import Routes

ANALYTICS: Final = "nba-phase3-analytics-processors"
FIRST: Final = f"{ANALYTICS}-00001-abc"
"""The revision that worked."""
_RETRIES: Final = {
    "maxRetryDuration": "0s",
    "minBackoffDuration": "5s",
    "maxBackoffDuration": "3600s",
    "maxDoublings": 5,
}
"""What Cloud Scheduler sets where nothing is given."""
CI: Final = "ci@nba-props-platform.iam.gserviceaccount.com"


@dataclass
class OnGoogle:
    """A project on Google's emulator and loopback servers, and the walk through a situation of it."""

    project: str
    cloud: CloudRun
    routes: Routes
    scheduler: Scheduler
    monitoring: Monitoring
    logging: CloudLogging
    bigquery: BigQueryServer
    firestore: str
    walk: Walk = field(init=False)

    @property
    def environ(self) -> dict[str, str]:
        """The variables that lead clients here."""
        return {
            "FIRESTORE_EMULATOR_HOST": self.firestore,
            "CLOUD_RUN_EMULATOR_HOST": self.cloud.address,
            "BIGQUERY_EMULATOR_HOST": self.bigquery.address,
            "LOGGING_EMULATOR_HOST": self.logging.address,
            **self.scheduler.environment,
            **self.monitoring.environ(),
        }

    @property
    def env(self) -> dict[str, str]:
        """The variables that lead a command to the project."""
        given = {"NBACTL_TARGET": "gcp", "NBACTL_PROJECT": self.project, "NBACTL_YES": "true"}
        return {**self.environ, **given, "NBACTL_TIMEOUT_SERVICE_POLL": "10ms", "NO_GCE_CHECK": "true"}

    def open(self) -> Container:
        """Open the project as a program of it would."""
        given = {"target": "gcp", "project": self.project, "state_dir": str(self.walk.folder / ".nbactl")}
        return Container(load_settings(given, {}, self.walk.folder), environ=self.environ)

    def state(self, service: str = ANALYTICS) -> dict[str, Any]:
        """Return all of a service that an operator sets, as Cloud Run has it."""
        raw = copy.deepcopy(self.cloud.services[service])
        raw["template"].pop("revision", None)
        return {key: raw.get(key) for key in ("template", "scaling", "traffic")}

    def jobs(self) -> dict[str, Any]:
        """Return the jobs as Cloud Scheduler has them, without what it sets itself."""
        own = ("userUpdateTime", "lastAttemptTime", "status")
        found = copy.deepcopy(self.scheduler.jobs)
        return {name: {key: job[key] for key in job if key not in own} for name, job in sorted(found.items())}

    def digest(self) -> str:
        """Return the digest of the files in the folder, as a service that uses them reports it."""
        return config_digest(load_config(self.walk.folder, environ={}))

    def use(self, digest: str) -> None:
        """Have every service report the digest of the files that it uses."""
        for (_, path), (_, body) in self.routes.answers.items():
            if path == "/health":
                body["configDigest"] = digest

    def tick(self) -> str:
        """Judge the alert rules, as the timer does; returns what was printed."""
        return nbactl(self.walk.folder, "schedule", "tick", "--only", "alerts", code=None, env=self.env)


@contextmanager
def on_google(firestore_address: str) -> Iterator[OnGoogle]:
    """Serve a project of its own, whose services are deployed as workflows.yaml wants them."""
    project = f"test-{uuid.uuid4().hex[:20]}"
    config = load_config(None)
    with (
        bigquery_server(project=project, location="us-west2") as bigquery,
        cloud_run_server(project) as cloud,
        service_routes() as routes,
        scheduler_server(project) as scheduler,
        monitoring_server(project) as monitoring,
        cloud_logging_server() as logging,
    ):
        cloud.now = NOW - timedelta(days=9)
        for name in (*config.workflows.declared_services, "orchestrator"):
            spec = config.workflows.services.get(name)
            timeout = f"{config.timeouts[spec.timeout]:.0f}s" if spec and spec.timeout else "540s"
            variables = {"GCP_PROJECT": project, "TOPIC": "nba-phase3-trigger", "LOG_LEVEL": "info"}
            cloud.deploy(name, variables, timeout=timeout)
            if name != "orchestrator":
                routes.serve(cloud, name)
                routes.answers[name, "/ready"] = (200, {"status": "pass"})
        _schedule(scheduler, cloud.services["orchestrator"]["uri"])
        yield OnGoogle(project, cloud, routes, scheduler, monitoring, logging, bigquery, firestore_address)


def _schedule(scheduler: Scheduler, orchestrator: str) -> None:
    """Make the jobs of workflows.yaml as they are declared."""
    account = {"serviceAccountEmail": f"scheduler@{scheduler.project}.iam.gserviceaccount.com"}
    run = f"https://run.googleapis.com/v2/{scheduler.parent}/jobs/nbactl-tick:run"
    targets = {
        "nbactl-tick": {"uri": run, "oauthToken": account},
        "nbactl-heartbeat": {
            "uri": f"{orchestrator}/heartbeat",
            "oidcToken": {**account, "audience": orchestrator},
        },
    }
    for name, job in load_config(None).workflows.jobs.items():
        http = {"httpMethod": "POST", "headers": {"User-Agent": "Google-Cloud-Scheduler"}, **targets[name]}
        described = {"description": job.description, "schedule": job.schedule, "attemptDeadline": "600s"}
        scheduler.put(name, httpTarget=http, retryConfig=dict(_RETRIES), **described)


def declared_with(folder: Path, rule: str, **changes: Any) -> None:
    """Write the shipped files with these changes and one alert rule, so that a look of the timer is quick."""
    rules = {
        rule: {
            "when": rule,
            "window": "10m" if rule == "jobs" else "30m",
            "severity": "critical",
            "channels": ["console"],
            "next": "x",
        }
    }
    config_with(folder, alerts__rules=rules, **changes)


def with_one_variable(project: OnGoogle) -> None:
    """Deploy the service with `--set-env-vars LOG_LEVEL=debug`, which replaces all plain variables by one."""
    (container,) = project.cloud.services[ANALYTICS]["template"]["containers"]
    kept = [entry for entry in container["env"] if "valueSource" in entry]
    changed = {**container, "env": [{"name": "LOG_LEVEL", "value": "debug"}, *kept]}
    project.cloud.redeploy(ANALYTICS, by=CI, containers=[changed])


def minimum_reset(project: OnGoogle) -> None:
    """Deploy the service twice without its minimum instances, each time after somebody mended that."""
    for by, least in ((CI, {}), ("ana@example.com", {"minInstanceCount": 1}), (CI, {})):
        project.cloud.redeploy(ANALYTICS, by=by, scaling={**least, "maxInstanceCount": 20})


def deployed_behind_a_pin(project: OnGoogle) -> None:
    """Deploy a correction of a service whose requests go to the revision before."""
    project.cloud.pin(ANALYTICS)
    project.cloud.redeploy(ANALYTICS, by=CI)


class _ByRevision(dict[tuple[str, str], tuple[int, Any]]):
    """The answers of routes while one revision cannot import what `/ready` needs."""

    def __init__(self, answers: dict[tuple[str, str], tuple[int, Any]], cloud: CloudRun, broken: str) -> None:
        super().__init__(answers)
        self._cloud, self._broken = cloud, broken

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        """Return what the revision that gets the requests answers."""
        if key == (ANALYTICS, "/ready"):
            (share,) = self._cloud.services[ANALYTICS]["trafficStatuses"]
            if share.get("revision", self._broken) == self._broken:
                return 500, {"error": "No module named 'shared'"}
        return super().get(key, default)


def broken_import(project: OnGoogle) -> None:
    """Deploy a revision that starts, is healthy, and cannot import what its routes need."""
    revision = project.cloud.redeploy(ANALYTICS, by=CI)
    at = project.cloud.now + timedelta(minutes=2)
    failure = {"message": "No module named 'shared'", "failure": {"type": "ModuleNotFoundError"}}
    project.logging.add(ANALYTICS, failure, severity="ERROR", at=at, revision=revision)
    project.monitoring.answered(ANALYTICS, FIRST, project.cloud.now - timedelta(hours=2), [900.0] * 300)
    project.routes.answers = _ByRevision(project.routes.answers, project.cloud, revision)


def jobs_that_do_not_run(project: OnGoogle) -> None:
    """Leave the jobs as after a summer: one sends the wrong kind of token, one has a dead address and was forgotten."""
    tick, heartbeat = (project.scheduler.jobs[name] for name in ("nbactl-tick", "nbactl-heartbeat"))
    tick["httpTarget"]["oidcToken"] = tick["httpTarget"].pop("oauthToken") | {"audience": tick["httpTarget"]["uri"]}
    heartbeat |= {"state": "PAUSED", "lastAttemptTime": "2024-06-18T03:05:00Z"}
    heartbeat["httpTarget"]["uri"] = "http://127.0.0.1:9/heartbeat"
    heartbeat["httpTarget"]["oidcToken"]["audience"] = "http://127.0.0.1:9"


def execution(run_id: str) -> dict[str, Any]:
    """Return the row of a run."""
    return {"execution_id": run_id, "execution_time": NOW, "workflow_name": "daily", "status": "succeeded"}


def loads_single_rows(project: OnGoogle) -> None:
    """Load rows one by one, as a program of production did, until BigQuery refuses them."""
    project.bigquery.limits.table_modifications = 3
    with closing(bigquery_warehouse(project.bigquery.address, project=project.project)) as warehouse:
        warehouse.create_table(declared_table(EXECUTIONS))
        client = warehouse._calls.client.get()
        for number in range(4):
            row = execution(f"theirs-{number}") | {"execution_time": NOW.isoformat()}
            refused = pytest.raises(Exception, match="quota") if number == 3 else nullcontext()
            with refused:
                client.load_table_from_json([row], f"{project.project}.{EXECUTIONS}").result(timeout=30.0)
