from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.config.loader import load_config, load_yaml
from tests.integration.cli.conftest import environment
from tests.kit.called import call_nbactl
from tests.kit.cloud_run_server import PROJECT, cloud_run_server
from tests.kit.paths import ROOT
from tests.kit.service_routes import service_routes

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kit.cloud_run_server import CloudRun
    from tests.kit.service_routes import Routes


@dataclass
class Deployed:
    """The services that tasks and phases call, on loopback, and nbactl on target gcp; `declared` is `services:`."""

    cloud: CloudRun
    routes: Routes
    folder: Path
    firestore: str
    declared: dict[str, Any]

    def nbactl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Write workflows.yaml, and call a command."""
        workflows = {**_shipped(), "services": self.declared}
        (self.folder / "workflows.yaml").write_text(json.dumps(workflows))
        for name in ("timeouts.yaml", "flags.yaml"):
            (self.folder / name).write_text((ROOT / name).read_text())
        given = {
            "NBACTL_TARGET": "gcp",
            "NBACTL_PROJECT": PROJECT,
            "CLOUD_RUN_EMULATOR_HOST": self.cloud.address,
            "FIRESTORE_EMULATOR_HOST": self.firestore,
        }
        return call_nbactl(["services", *words], cwd=self.folder, env=environment(given))

    def json(self, *words: str) -> dict[str, Any]:
        """Return the JSON document of a command."""
        document: dict[str, Any] = json.loads(self.nbactl(*words, "-o", "json").stdout)
        return document


def _shipped() -> dict[str, Any]:
    data, _ = load_yaml(ROOT / "workflows.yaml")
    copied: dict[str, Any] = json.loads(json.dumps(data, default=str))
    return copied


@pytest.fixture
def deployed(tmp_path: Path, firestore_address: str) -> Iterator[Deployed]:
    with cloud_run_server() as cloud, service_routes() as routes:
        file = load_config(None).workflows
        for name in file.replaced(services={}).declared_services:
            cloud.deploy(name, {"GCP_PROJECT": PROJECT, "TOPIC": "ready", "MODE": "fast"})
            routes.serve(cloud, name)
        yield Deployed(cloud, routes, tmp_path, firestore_address, {})
