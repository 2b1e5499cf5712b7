from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from tests.conformance.flags import FlagStoreConformance, to

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.core.flags import FlagStore


class TestSqliteFile(FlagStoreConformance):
    def open_store(self, place: Path) -> SqliteDocuments:
        return SqliteDocuments(place / "documents.db", clock=SystemClock(), busy_timeout=20.0)

    def test_more_flags_than_one_commit_holds(self, store: FlagStore) -> None:
        states = store.change([to(0, key=f"flag_{number}") for number in range(600)], by="me", reason=None)
        assert len(states) == len(store.read().states) == 600
