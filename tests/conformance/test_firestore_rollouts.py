from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from nbactl.testing import emulator_documents
from tests.conformance.rollouts import RolloutsConformance

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.adapters.firestore.documents import FirestoreDocuments


class TestFirestore(RolloutsConformance):
    @pytest.fixture(autouse=True)
    def _with_emulator(self, firestore_address: str) -> None:
        self.address = firestore_address

    def open_store(self, place: Path) -> FirestoreDocuments:
        return emulator_documents(self.address, "test-" + hashlib.sha256(str(place).encode()).hexdigest()[:20])
