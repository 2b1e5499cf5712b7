from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.auth.compute_engine import _metadata  # noqa: TID253 - see its use

from nbactl.testing import bigquery_server
from tests.integration.runs.gcp_project import GcpProject, gcp_project
from tests.kit.bigquery import bigquery_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.warehouse import Warehouse


@pytest.fixture
def gcp(
    tmp_path: Path, firestore_address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[GcpProject]:
    """A project whose phase 2 the orchestrator has done."""
    with gcp_project(tmp_path, firestore_address) as opened:
        for name, value in opened.variables.items():
            monkeypatch.setenv(name, value)
        # What NO_GCE_CHECK sets when Google's library is imported: no search for credentials on the network.
        monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", True)
        opened.capsys = capsys
        opened.phase("phase2", _triggered=True)
        yield opened


@pytest.fixture
def warehouse(gcp: GcpProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """The project's BigQuery."""
    with bigquery_server(project=gcp.project, location="us-west2") as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.address)
        opened = bigquery_warehouse(server.address, project=gcp.project)
        yield opened
        opened.close()
