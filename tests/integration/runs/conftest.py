from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.runs.gcp_project import GcpProject, gcp_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def gcp(
    tmp_path: Path, firestore_address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[GcpProject]:
    """A project whose phase 2 the orchestrator has done."""
    with gcp_project(tmp_path, firestore_address) as opened:
        for name, value in opened.variables.items():
            monkeypatch.setenv(name, value)
        opened.capsys = capsys
        opened.phase("phase2", _triggered=True)
        yield opened
