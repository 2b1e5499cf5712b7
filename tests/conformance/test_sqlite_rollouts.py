from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.rollouts import RolloutsConformance
from tests.conformance.test_sqlite_idempotency import open_sqlite

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.adapters.sqlite.documents import SqliteDocuments


class TestSqliteFile(RolloutsConformance):
    def open_store(self, place: Path) -> SqliteDocuments:
        return open_sqlite(str(place / "documents.db"))
