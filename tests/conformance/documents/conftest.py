"""Each test works in a collection of its own, so that an engine may keep its data from test to test."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.kit.engines import Engine


@pytest.fixture
def collection() -> str:
    return f"c-{uuid.uuid4().hex}"


@pytest.fixture
def contenders(engine: Engine) -> int:
    return engine.capabilities.contenders


@pytest.fixture
def many(engine: Engine) -> int:
    return engine.capabilities.many
