"""A night of predictions on a store in memory, with a clock to move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.testing import FakeClock, memory_documents
from tests.kit.prediction_night import Night, roster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.documents import DocumentStore


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> Iterator[DocumentStore]:
    store = memory_documents(clock)
    yield store
    store.close()


@pytest.fixture
def night(store: DocumentStore, clock: FakeClock) -> Night:
    return Night(store, clock, roster(10))
