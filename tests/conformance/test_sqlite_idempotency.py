from __future__ import annotations

from pathlib import Path

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from tests.conformance.idempotency import IdempotencyConformance


def open_sqlite(path: str) -> SqliteDocuments:
    return SqliteDocuments(Path(path), clock=SystemClock(), busy_timeout=20.0)


class TestSqliteFile(IdempotencyConformance):
    def open_store(self, place: Path) -> SqliteDocuments:
        return open_sqlite(str(place / "documents.db"))

    def opener(self, place: Path) -> str:
        return f"tests.conformance.test_sqlite_idempotency:open_sqlite {place / 'documents.db'}"
