"""A project on gcp whose services are deployed, and declared in workflows.yaml."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.services.change.kit import DECLARED, Project, write_config
from tests.kit.cloud_run_server import cloud_run_server
from tests.kit.monitoring_server import monitoring_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], firestore_address: str
) -> Iterator[Project]:
    name = f"test-{uuid.uuid4().hex[:20]}"
    with cloud_run_server(name) as cloud, monitoring_server(name) as monitoring:
        env = {
            "NBACTL_TARGET": "gcp",
            "NBACTL_PROJECT": name,
            "NBACTL_YES": "true",
            "FIRESTORE_EMULATOR_HOST": firestore_address,
            "CLOUD_RUN_EMULATOR_HOST": cloud.address,
            **monitoring.environ(),
        }
        for variable, value in env.items():
            monkeypatch.setenv(variable, value)
        monkeypatch.chdir(tmp_path)
        write_config(tmp_path)
        for service in DECLARED:
            cloud.deploy(service, {"LOG_LEVEL": "info", "PASSWORD": "hush-hush"})
        yield Project(tmp_path, cloud, monitoring, env, capsys)
