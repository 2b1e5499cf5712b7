from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.completions_story import Story
from tests.kit.engines import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "firestore"])
def story(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    engine = Engine("sqlite", str(tmp_path / "state"))
    if request.param == "firestore":
        address: str = request.getfixturevalue("firestore_address")
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
        engine = Engine("firestore", f"story-{uuid.uuid4().hex[:12]}", address)
    told = Story(engine, tmp_path)
    yield told
    told.close()
