from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.outbox import OutboxConformance
from tests.conformance.test_sqlite_idempotency import open_sqlite

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.adapters.sqlite.documents import SqliteDocuments


class TestSqliteFile(OutboxConformance):
    def open_store(self, place: Path) -> SqliteDocuments:
        return open_sqlite(str(place / "documents.db"))

    def opener(self, place: Path) -> str:
        return f"tests.conformance.test_sqlite_idempotency:open_sqlite {place / 'documents.db'}"
