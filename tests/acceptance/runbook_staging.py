"""How the system breaks in the situations of docs/runbook.md: what other programs, people and clouds did to it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import uuid
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from nbactl.adapters.localbus.bus import LocalBus
from nbactl.bootstrap import Container
from nbactl.bootstrap.services import make_services
from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.config.settings import load_settings
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.ports.documents import Set, Update
from nbactl.ports.warehouse import Rows, TableSchema
from nbactl.testing import bigquery_server
from nbactl.warehouse.tables import declared_table
from nbactl.workflows.executions import EXECUTIONS
from tests.acceptance.test_incidents_services import checked
from tests.integration.cli.conftest import environment
from tests.kit.batches import open_documents
from tests.kit.bigquery import bigquery_warehouse
from tests.kit.called import call_nbactl
from tests.kit.cloud_run_server import cloud_run_server
from tests.kit.dead_letters import DEAD, GIVEN_UP, QUEUE, SOURCE, TOPIC, GivenIds
from tests.kit.http_server import LoopbackServer
from tests.kit.production import report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from nbactl.bootstrap.service import ServiceContainer
    from nbactl.ports.documents import FieldPath
    from nbactl.testing.bigquery import BigQueryServer
    from tests.kit.cloud_run_server import CloudRun
    from tests.kit.runbook import Walk

DAY: Final = date(2025, 1, 6)
"""The date of the games of the page."""
DONE: Final = datetime(2025, 1, 7, 9, 0, tzinfo=UTC)
"""04:00 in New York: when the night was run."""
NOW: Final = datetime(2025, 1, 7, 14, 0, tzinfo=UTC)
"""09:00 in New York: when somebody looks."""


def nbactl(folder: Path, *words: str, code: int | None = 0, env: Mapping[str, str] | None = None) -> str:
    """Run a command of which the page does not speak; returns what it printed."""
    done = call_nbactl([*words], cwd=folder, env=environment({"COLUMNS": "200", **(env or {})}))
    assert code in (None, done.returncode), done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def opened(folder: Path) -> Iterator[Container]:
    """Open the state of a folder, as another program on this machine would."""
    with Container(load_settings({"state_dir": str(folder / ".nbactl")}, {}, folder)) as app:
        yield app


def config_with(folder: Path, **changes: Any) -> None:
    """Write the shipped files into a folder; `changes` replace keys of workflows.yaml, with dots as `__`."""
    for file in shipped_config_dir().glob("*.yaml"):
        shutil.copy(file, folder / file.name)
    if changes:
        found = yaml.safe_load((folder / "workflows.yaml").read_text())
        for path, value in changes.items():
            *parents, last = path.split("__")
            place = found
            for parent in parents:
                place = place[parent]
            place[last] = value
        (folder / "workflows.yaml").write_text(yaml.safe_dump(found, sort_keys=False))


def phase_reported(folder: Path, phase: str, names: Sequence[str], **fields: Any) -> None:
    """Write a phase document as production's programs leave it; each name reported at the end of the night."""
    document = {
        **{name: report() | {"completed_at": DONE} for name in names},
        "_completed_count": len(names),
        "_mode": "overnight",
        "_first_completion_at": DONE,
        "_last_update": DONE,
        **fields,
    }
    with closing(open_documents(folder / ".nbactl")) as store:
        store.commit([Set(f"{phase}_completion/{DAY}", document)])


def without_column(folder: Path, table: str, column: str) -> None:
    """Make a table as a program made it that does not know of a column."""
    declared = declared_table(table)
    columns = tuple(one for one in declared.columns if one.name != column)
    schema = TableSchema(declared.name, columns, declared.partition_by, declared.cluster_by)
    with opened(folder) as app:
        app.warehouse.create_table(schema)


def wrote_nothing(folder: Path, phase: str, task: str, table: str, status: str = "succeeded") -> None:
    """Leave what a processor leaves that wrote no row, and reported that all is well."""
    with opened(folder) as app:
        columns = tuple(column.name for column in app.warehouse.table(table).schema.columns)
        written = app.warehouse.replace_partitions(table, [DAY], Rows(columns, []), timeout=30.0)
        run = app.ledger.latest(phase, GameDate(DAY), app.source.key)
        assert run is not None
        changes: dict[FieldPath, Any] = {"status": status, ("versions", "writes", table): written.versions[DAY].digest}
        if status == "no_data":
            changes["rows"] = 0
        app.documents.commit([Update(f"runs/{run.run_id}/tasks/{task}", changes)])


def dead_letter(folder: Path, message: str, data: Mapping[str, Any]) -> None:
    """Leave a message in a dead-letter topic, after the deliveries that its subscription makes."""
    clock = SystemClock()
    with closing(LocalBus(folder / ".nbactl/bus.db", clock=clock, ids=GivenIds(message), busy_timeout=10.0)) as bus:
        for topic in (TOPIC, DEAD):
            bus.create_topic(topic)
        for subscription in (SOURCE, QUEUE):
            bus.create_subscription(subscription)
        bus.publish(DEAD, json.dumps(data).encode(), GIVEN_UP)


def published(folder: Path, topic: str) -> int:
    """Return how many messages a topic of the local bus holds."""
    with closing(sqlite3.connect(folder / ".nbactl/bus.db")) as bus:
        tables = {name for (name,) in bus.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert "messages" in tables, tables
        (count,) = bus.execute("SELECT COUNT(*) FROM messages WHERE topic = ?", (topic,)).fetchone()
    return int(count)


def slower(folder: Path, phase: str, seconds: float) -> None:
    """Have the newest run of a phase take so many seconds longer."""
    with opened(folder) as app:
        run = app.ledger.latest(phase, GameDate(DAY), app.source.key)
        assert run is not None
        assert run.finished_at is not None
        ended: dict[FieldPath, Any] = {"finished_at": run.finished_at + timedelta(seconds=seconds)}
        app.documents.commit([Update(f"runs/{run.run_id}", ended)])


def expecting(folder: Path, name: str) -> None:
    """Have phase 3 wait for a critical name that nobody sends."""
    config_with(folder)
    found = yaml.safe_load((folder / "workflows.yaml").read_text())
    phase = found["phases"]["phase3"]
    phase["expected"]["overnight"]["critical"].append(name)
    phase["tasks"].append({"task": name, "required": False})
    found["tasks"][name] = found["tasks"]["player_game_summary"]
    (folder / "workflows.yaml").write_text(yaml.safe_dump(found, sort_keys=False))


@contextmanager
def health_of(app: ServiceContainer, name: str) -> Iterator[str]:
    """Serve what a service answers to `/health`, all of whose checks run for each request; yields its address."""
    service = make_services(app, [name])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = checked(app, service, "/health")
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: Any) -> None:
            return

    server = LoopbackServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class OnGoogle:
    """A project on Google's emulator and loopback servers, and the walk through a situation of it."""

    project: str
    cloud: CloudRun
    bigquery: BigQueryServer
    environ: dict[str, str]
    walk: Walk = field(init=False)

    @property
    def env(self) -> dict[str, str]:
        """The variables that lead a command to the project."""
        given = {"NBACTL_TARGET": "gcp", "NBACTL_PROJECT": self.project, "NBACTL_YES": "true"}
        return {**self.environ, **given}

    def open(self) -> Container:
        """Open the project as a program of it would."""
        given = {"target": "gcp", "project": self.project, "state_dir": str(self.walk.folder / ".nbactl")}
        return Container(load_settings(given, {}, self.walk.folder), environ=self.environ)


@contextmanager
def on_google(firestore_address: str) -> Iterator[OnGoogle]:
    """Serve a project of its own, whose services are deployed."""
    project = f"test-{uuid.uuid4().hex[:20]}"
    with bigquery_server(project=project, location="us-west2") as bigquery, cloud_run_server(project) as cloud:
        for name in load_config(None).workflows.declared_services:
            cloud.deploy(name)
        addresses = {
            "FIRESTORE_EMULATOR_HOST": firestore_address,
            "CLOUD_RUN_EMULATOR_HOST": cloud.address,
            "BIGQUERY_EMULATOR_HOST": bigquery.address,
        }
        yield OnGoogle(project, cloud, bigquery, addresses)


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
