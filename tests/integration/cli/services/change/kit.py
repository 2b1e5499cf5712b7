"""What the tests of changed services share: a project on loopback servers, and `nbactl services` against it."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbactl.bootstrap import Container
from nbactl.cli.main import main
from nbactl.config.loader import shipped_config_dir
from nbactl.config.settings import load_settings
from nbactl.ports.documents import Order, Query
from nbactl.testing import emulator_documents
from tests.integration.cli.conftest import environment
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    import pytest

    from nbactl.core._support.clock import Clock
    from tests.kit.cloud_run_server import CloudRun
    from tests.kit.monitoring_server import Monitoring

WORKER, ANALYTICS = "prediction-worker", "nba-phase3-analytics-processors"
DECLARED = (WORKER, ANALYTICS)
SERVICES = f"""
services:
  {WORKER}:
    max_instances: 20
    env: {{LOG_LEVEL: info}}
  {ANALYTICS}:
    min_instances: 1
    concurrency: 1
    env: {{LOG_LEVEL: info, REGION_OF_DATA: us-west2}}
"""
LIMITS = {"service.poll": "10ms", "service.bake": "60ms", "measurements.lag": "10ms"}


def write_config(folder: Path, services: str = SERVICES, **limits: str) -> None:
    """Write the shipped files with these `services:`, and with waits that a test can bear."""
    for name in ("workflows.yaml", "timeouts.yaml", "flags.yaml"):
        text = (shipped_config_dir() / name).read_text()
        if name == "workflows.yaml":
            text = re.sub(r"(?ms)^services:\n(?:[ #][^\n]*\n|\n)*", "", text) + services
        if name == "timeouts.yaml":
            for limit, value in {**LIMITS, **limits}.items():
                text, count = re.subn(rf"(  {re.escape(limit)}:\n    limit: )\S+", rf"\g<1>{value}", text)
                assert count == 1, limit
        (folder / name).write_text(text)


@dataclass
class Project:
    """Where commands run, and what they act on."""

    folder: Path
    cloud: CloudRun
    monitoring: Monitoring
    env: dict[str, str]
    capsys: pytest.CaptureFixture[str]
    err: str = ""
    """What the last command wrote to stderr."""
    out: str = ""
    warnings: list[str] = field(default_factory=list)

    def __call__(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run a command; returns `data`, or `error` where there are no data."""
        returned = main(["services", *arguments, "-o", "json"])
        self.out, self.err = self.capsys.readouterr()
        assert returned == code, self.err
        document: dict[str, Any] = json.loads(self.out)
        self.warnings = document["warnings"]
        answer: dict[str, Any] = document["error"] if document["data"] is None else document["data"]
        return answer

    def text(self, *arguments: str, code: int = 0) -> str:
        """Run a command as a person would; returns both streams."""
        assert main(["services", *arguments]) == code
        self.out, self.err = self.capsys.readouterr()
        return self.out + self.err

    def process(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a process of its own."""
        return run_nbactl(["services", *arguments], cwd=self.folder, env=environment({**self.env, **env}))

    def kill(self, instant: str, *arguments: str) -> None:
        """Run a command that is killed at a named instant; Cloud Run finishes what it was sent."""
        killed = self.process(*arguments, NBACTL_FAULTS=f"{instant}=kill")
        assert killed.returncode == -9, killed.stderr
        for name, raw in self.cloud.services.items():
            if raw.get("reconciling"):
                self.cloud._finish(name)

    def app(self, clock: Clock) -> Container:
        """Return the application for a call from Python, with a clock of its own."""
        values = {"state_dir": str(self.folder / ".nbactl"), "target": "gcp", "project": self.env["NBACTL_PROJECT"]}
        return Container(load_settings(values, {}, self.folder), clock=clock, environ=self.env)

    def state(self, service: str = WORKER) -> dict[str, Any]:
        """Return all of a service that an operator sets, as the API has it."""
        raw = copy.deepcopy(self.cloud.services[service])
        raw["template"].pop("revision", None)
        return {key: raw.get(key) for key in ("template", "scaling", "traffic")}

    def documents(self, collection: str) -> list[dict[str, Any]]:
        """Return the documents of a collection in the order of their ids."""
        store = emulator_documents(self.env["FIRESTORE_EMULATOR_HOST"], self.env["NBACTL_PROJECT"])
        try:
            return [each.data for each in store.query(Query(collection, order=(Order("id"),)))]
        finally:
            store.close()

    def records(self) -> list[dict[str, Any]]:
        """Return the saved changes, the oldest first."""
        return self.documents("service_env_changes")


def undo_of(data: dict[str, Any]) -> list[str]:
    """Return the words of the printed undo command after `nbactl services`."""
    line: str = data["undo"][0]
    nbactl, noun, *rest = line.split()
    assert (nbactl, noun) == ("nbactl", "services")
    return rest
