from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from tests.conformance.completions import CompletionsConformance

if TYPE_CHECKING:
    from pathlib import Path


class TestSqliteFile(CompletionsConformance):
    def open_store(self, place: Path) -> SqliteDocuments:
        return SqliteDocuments(place / "documents.db", clock=SystemClock(), busy_timeout=20.0)

    def store_code(self, place: Path) -> str:
        return (
            "from nbactl.adapters.sqlite.documents import SqliteDocuments\n"
            f"store = SqliteDocuments(Path({str(place / 'documents.db')!r}), clock=SystemClock(), busy_timeout=20.0)"
        )
