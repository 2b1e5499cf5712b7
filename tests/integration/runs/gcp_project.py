"""A project on gcp: the Firestore emulator, a loopback Cloud Run and loopback services, and `nbactl` against them."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbactl.cli.main import main
from nbactl.ports.documents import Set
from nbactl.testing import emulator_documents
from tests.integration.cli.conftest import environment
from tests.kit.cloud_run_server import cloud_run_server
from tests.kit.paths import ROOT
from tests.kit.pipeline_services import pipeline_services

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from nbactl.ports.documents import DocumentStore
    from tests.kit.cloud_run_server import CloudRun
    from tests.kit.pipeline_services import PipelineServices

DAY = "2024-01-15"
ANALYTICS = "nba-phase3-analytics-processors"
QUICK = {"SERVICE_FOLLOW": "50ms", "SERVICE_ACCEPT": "300ms", "HTTP_CONNECT": "250ms"}


@dataclass
class GcpProject:
    """Where commands run, and what they act on."""

    folder: Path
    cloud: CloudRun
    services: PipelineServices
    documents: DocumentStore
    env: dict[str, str]
    project: str
    limits: dict[str, str] = field(default_factory=lambda: dict(QUICK))
    capsys: pytest.CaptureFixture[str] | None = None
    err: str = ""
    consent: tuple[str, ...] = ("--yes",)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a command."""
        return {**self.env, **{f"NBACTL_TIMEOUT_{name}": value for name, value in self.limits.items()}}

    def __call__(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run a command in this process; return its JSON document."""
        assert self.capsys is not None
        returned = main([*arguments, *self.consent, "--state-dir", str(self.folder / "state"), "-o", "json"])
        captured = self.capsys.readouterr()
        self.err = captured.err
        assert returned == code, captured.out + captured.err
        document: dict[str, Any] = json.loads(captured.out)
        return document

    def run(self, *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
        """Run `nbactl run` for the date; return the tasks of its last run by name."""
        runs = self("run", *arguments, "--date", DAY, code=code)["data"]["runs"]
        self.last: dict[str, Any] = runs[-1]
        return {task["name"]: task for task in self.last["tasks"]}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `nbactl run` for the date as a process of its own."""
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "nbactl",
                "run",
                "--yes",
                *arguments,
                "--date",
                DAY,
                "--state-dir",
                str(self.folder / "state"),
            ],
            cwd=ROOT,
            env=environment(self.variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def phase(self, name: str, **fields: Any) -> None:
        """Write a phase document as the orchestrator left it."""
        self.documents.commit([Set(f"{name}_completion/{DAY}", fields)])


@contextmanager
def gcp_project(folder: Path, firestore: str) -> Iterator[GcpProject]:
    """Open a project of its own."""
    project = f"test-{uuid.uuid4().hex[:20]}"
    documents = emulator_documents(firestore, project)
    with cloud_run_server(project) as cloud, pipeline_services(documents) as services:
        services.deploy(cloud)
        env = {
            "NBACTL_TARGET": "gcp",
            "NBACTL_PROJECT": project,
            "FIRESTORE_EMULATOR_HOST": firestore,
            "CLOUD_RUN_EMULATOR_HOST": cloud.address,
            "NO_GCE_CHECK": "true",
        }
        yield GcpProject(folder, cloud, services, documents, env, project)
    documents.close()
