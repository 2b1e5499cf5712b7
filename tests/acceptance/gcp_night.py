"""A project on Google Cloud with a night of real data, and services that run this project's own processors."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import signal
import subprocess
import sys
import uuid
from collections import Counter
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any
from unittest import mock

from nbactl.cli.main import main
from nbactl.config.loader import load_config
from nbactl.core._support.clock import SystemClock
from nbactl.pipeline import registry
from nbactl.pipeline.processor import ProcessorResources
from nbactl.pipeline.rawstore import RawStore
from nbactl.pipeline.sources import open_source
from nbactl.ports.compute import TaskCall, TaskContext, Work
from nbactl.testing import bigquery_server, emulator_documents
from nbactl.warehouse.tables import declared_table, ensure_tables
from tests.integration.cli.conftest import environment
from tests.kit.bigquery import bigquery_warehouse
from tests.kit.cloud_run_server import cloud_run_server
from tests.kit.paths import ROOT
from tests.kit.pipeline import PlainFence
from tests.kit.pipeline_services import pipeline_services
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import date
    from pathlib import Path

    from nbactl.config.workflows import Task
    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.warehouse import Warehouse
    from nbactl.testing.bigquery import BigQueryServer
    from tests.kit.cloud_run_server import CloudRun
    from tests.kit.pipeline_services import PipelineServices

DAY = "2024-01-15"
FIRST = "2024-01-09"
PHASES = ("phase1", "phase2", "phase3", "phase4")
QUICK = {
    "NBACTL_TIMEOUT_SERVICE_FOLLOW": "100ms",
    "NBACTL_TIMEOUT_HTTP_CONNECT": "500ms",
}


def real_week(files: Path, folder: Path) -> Path:
    """Copy the week of the real files that ends with the date, with an impossible line in it; return the folder."""
    folder.mkdir()
    for name in ("games_2023-25", "player_game_logs_2023-24"):
        with gzip.open(files / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as given:
            rows = csv.DictReader(given)
            kept = [row for row in rows if FIRST <= row["GAME_DATE"] <= DAY]
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, rows.fieldnames or ())
                writer.writeheader()
                writer.writerows([{**kept[0], "FGM": "99"}, *kept[1:]] if "FGM" in kept[0] else kept)
    shutil.copy(files / f"bdl_box_scores_{DAY}.json.gz", folder)
    return folder


@dataclass
class Gate:
    """A place where work waits for a test."""

    reached: Event = field(default_factory=Event)
    opened: Event = field(default_factory=Event)


class Processors:
    """What the deployed services do: this project's processors, on the project's warehouse and their own raw files."""

    def __init__(self, source: Path, folder: Path, warehouse: Warehouse) -> None:
        config = load_config(None)
        self.gates: dict[str, Gate] = {}
        """Where the service is to stop in a task, once."""
        self._source = open_source(f"path:{source}", SystemClock())
        self._tasks = {_asked_as(task): (name, task) for name, task in config.workflows.tasks.items() if task.service}
        self._resources = ProcessorResources(
            warehouse=lambda: warehouse,
            source=lambda: self._source,
            raw=RawStore(folder / "raw"),
            exports=folder / "exports",
            timeouts=config.timeouts,
            create_tables=ensure_tables,
            schema_of=declared_table,
        )

    def __call__(self, service: str, asked: str, day: date, _body: Mapping[str, Any]) -> int:
        name, task = self._tasks[service, asked]
        assert task.processor is not None
        if (gate := self.gates.pop(name, None)) is not None:
            gate.reached.set()
            gate.opened.wait(60)
        work = Work("processor", task.processor, task.parameters)
        call = TaskCall("run-service", "service", name, day, 1, 60.0, work, "service", self._source.key)
        return registry.run(task.processor, self._resources, TaskContext(call, PlainFence())).rows or 0


def _asked_as(task: Task) -> tuple[str, str]:
    """Return service and processor of a task, as a request for it names them."""
    assert task.service is not None
    body = task.service.body
    return task.service.name, str(
        body.get("scraper") or body.get("processor_name") or (body.get("processors") or [""])[0]
    )


@dataclass
class Night:
    """A project of its own, and `nbactl` against it."""

    folder: Path
    project: str
    documents: DocumentStore
    cloud: CloudRun
    services: PipelineServices
    bigquery: BigQueryServer
    warehouse: Warehouse
    env: dict[str, str]
    processors: Processors
    said: str = field(default="")

    def __call__(self, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Run a command in this process; return its JSON document."""
        out, err = io.StringIO(), io.StringIO()
        variables = mock.patch.dict("os.environ", environment({**self.env, **(env or {})}), clear=True)
        with variables, redirect_stdout(out), redirect_stderr(err):
            returned = main([*arguments, "-o", "json"])
        self.said = err.getvalue()
        assert returned == code, out.getvalue() + self.said
        document: dict[str, Any] = json.loads(out.getvalue())
        return document

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start a command as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "nbactl", *arguments],
            cwd=ROOT,
            env=environment({**self.env, **env}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def killed_at(self, fault: str, *arguments: str) -> None:
        """Run a command that is killed at an instant."""
        env = environment({**self.env, "NBACTL_FAULTS": fault})
        done = run_nbactl([*arguments], cwd=self.folder, env=env)
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr

    def tables(self) -> dict[str, Counter[tuple[Any, ...]]]:
        """Return the rows of all tables that processors write."""
        return rows_of(self.warehouse)


def rows_of(warehouse: Warehouse) -> dict[str, Counter[tuple[Any, ...]]]:
    """Return the rows of every table as they are, each value with its type."""
    found: dict[str, Counter[tuple[Any, ...]]] = {}
    for table in warehouse.list_tables():
        if table.startswith("nba_reference.") or "nbactl_" in table:
            continue
        rows = warehouse.query(f"SELECT * FROM `{table}`", timeout=60.0).dicts()  # noqa: S608 - a table's name
        found[table] = Counter(tuple((name, *_exactly(value)) for name, value in sorted(row.items())) for row in rows)
    return found


def _exactly(value: Any) -> tuple[str, Any]:
    """Return a value with its type; JSON as text."""
    return type(value).__name__, json.dumps(value, sort_keys=True) if isinstance(value, dict) else value


@contextmanager
def night(folder: Path, firestore: str, source: Path, work: Callable[..., int] | None = None) -> Iterator[Night]:
    """Open a project of its own whose services run the processors on the data of `source`, or do `work`."""
    project = f"test-{uuid.uuid4().hex[:20]}"
    documents = emulator_documents(firestore, project)
    with bigquery_server(project=project, location="us-west2") as bigquery, cloud_run_server(project) as cloud:
        warehouse = bigquery_warehouse(bigquery.address, project=project)
        processors = Processors(source, folder / "services", warehouse)
        with pipeline_services(documents, warehouse, work or processors) as services:
            services.deploy(cloud)
            env = {
                "NBACTL_TARGET": "gcp",
                "NBACTL_YES": "true",
                "NBACTL_PROJECT": project,
                "NBACTL_STATE_DIR": str(folder / "state"),
                "NBACTL_SOURCE": f"path:{source}",
                "FIRESTORE_EMULATOR_HOST": firestore,
                "CLOUD_RUN_EMULATOR_HOST": cloud.address,
                "BIGQUERY_EMULATOR_HOST": bigquery.address,
                **QUICK,
            }
            yield Night(folder, project, documents, cloud, services, bigquery, warehouse, env, processors)
        warehouse.close()
    documents.close()
