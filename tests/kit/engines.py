"""The engines that the migration is proved on: how tests, writers and commands reach one store of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.testing import emulator_documents

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import DocumentStore

_BUSY = 20.0


@dataclass(frozen=True, slots=True)
class Engine:
    """One store. `place` is the folder of a SQLite file, or the project on the emulator at `address`."""

    kind: Literal["sqlite", "firestore"]
    place: str
    address: str = ""

    def open(self, clock: Clock | None = None) -> DocumentStore:
        """Open the store; an emulator goes by the machine's clock whatever is given."""
        if self.kind == "firestore":
            return emulator_documents(self.address, self.place)
        path = Path(self.place) / "documents.db"
        path.parent.mkdir(parents=True, exist_ok=True)
        return SqliteDocuments(path, clock=clock or SystemClock(), busy_timeout=_BUSY)

    def arguments(self) -> list[str]:
        """Return what leads a command to the store."""
        if self.kind == "firestore":
            return ["--target", "gcp", "--project", self.place]
        return ["--state-dir", self.place]

    def environment(self) -> dict[str, str]:
        """Return the variables that lead a command to the store."""
        return {"FIRESTORE_EMULATOR_HOST": self.address} if self.kind == "firestore" else {}
