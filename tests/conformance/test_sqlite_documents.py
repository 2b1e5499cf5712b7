from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.testing import memory_documents
from tests.conformance.documents import Capabilities, DocumentStoreConformance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class TestSqliteFile(DocumentStoreConformance):
    capabilities = Capabilities(contenders=8, many=5_000)
    writers_wait = True

    def open_store(self, place: Path) -> SqliteDocuments:
        return SqliteDocuments(place / "documents.db", clock=SystemClock(), busy_timeout=20.0)


class TestSqliteMemory(DocumentStoreConformance):
    capabilities = Capabilities(contenders=8, many=5_000)
    writers_wait = True

    def open_store(self, place: Path) -> SqliteDocuments:  # noqa: ARG002 - a store in memory has no place
        return memory_documents(SystemClock())

    @pytest.fixture
    def open_client(self, tmp_path: Path) -> Iterator[Callable[[], SqliteDocuments]]:
        """Give the same store to every client: nothing else sees what is in its memory."""
        store = self.open_store(tmp_path)
        yield lambda: store
        store.close()
