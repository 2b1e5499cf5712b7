from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.testing import FakeClock, memory_documents
from tests.conformance.migration import CompletionsMigrationConformance

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.adapters.sqlite.documents import SqliteDocuments


class TestSqlite(CompletionsMigrationConformance):
    def open_store(self, place: Path, clock: FakeClock) -> SqliteDocuments:  # noqa: ARG002 - a store in memory has no place
        return memory_documents(clock)
