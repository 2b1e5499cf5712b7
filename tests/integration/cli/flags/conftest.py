"""A project on gcp whose services are deployed, and whose flags were never set."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.flags.services_kit import DECLARED, World, quick_config
from tests.kit.cloud_run_server import cloud_run_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def fresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], firestore_address: str
) -> Iterator[World]:
    project = f"test-{uuid.uuid4().hex[:20]}"
    with cloud_run_server(project) as cloud:
        env = {
            "NBACTL_TARGET": "gcp",
            "NBACTL_PROJECT": project,
            "NBACTL_YES": "true",
            "FIRESTORE_EMULATOR_HOST": firestore_address,
            "CLOUD_RUN_EMULATOR_HOST": cloud.address,
        }
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        quick_config(tmp_path)
        for name in DECLARED:
            cloud.deploy(name, {"LOG_LEVEL": "info", "PASSWORD": "hush"})
        yield World(tmp_path, cloud, env, capsys)
