from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from nbactl.testing import emulator_documents
from tests.conformance.migration import CompletionsMigrationConformance
from tests.kit.migration import PassingClock

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.adapters.firestore.documents import FirestoreDocuments
    from nbactl.testing import FakeClock


class TestFirestore(CompletionsMigrationConformance):
    @pytest.fixture(autouse=True)
    def _with_emulator(self, firestore_address: str) -> None:
        self.address = firestore_address

    @pytest.fixture
    def clock(self) -> FakeClock:
        return PassingClock()

    def open_store(self, place: Path, clock: FakeClock) -> FirestoreDocuments:  # noqa: ARG002 - it has a clock of its own
        return emulator_documents(self.address, "test-" + hashlib.sha256(str(place).encode()).hexdigest()[:20])
