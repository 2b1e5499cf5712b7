from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import pytest

from nbactl.testing import FakeClock, emulator_documents
from tests.conformance.migration import CompletionsMigrationConformance

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.adapters.firestore.documents import FirestoreDocuments


class PassingClock(FakeClock):
    """A clock to move, whose pauses take a moment: the emulator's clock is the machine's."""

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.02))
        super().sleep(seconds)


class TestFirestore(CompletionsMigrationConformance):
    @pytest.fixture(autouse=True)
    def _with_emulator(self, firestore_address: str) -> None:
        self.address = firestore_address

    @pytest.fixture
    def clock(self) -> FakeClock:
        return PassingClock()

    def open_store(self, place: Path, clock: FakeClock) -> FirestoreDocuments:  # noqa: ARG002 - it has a clock of its own
        return emulator_documents(self.address, "test-" + hashlib.sha256(str(place).encode()).hexdigest()[:20])
