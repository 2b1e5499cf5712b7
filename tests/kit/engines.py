"""The document stores that tests run on: an adapter is held to every suite by one entry in ENGINES.

The fixture `engine` of a test gives one Engine after the other. What an engine cannot do it says in `lacks`, with the
reason; a test that needs it (`@pytest.mark.needs("processes")`) is not made for that engine.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.observe.counted_documents import CountedDocuments
from nbactl.testing import emulator_documents, memory_documents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import DocumentStore

Ability = Literal["processes", "clients", "clock"]
"""Other processes reach the store; several clients of one process do; time is that of the clock that is given."""

_BUSY: Final = 20.0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """How a kind of store is opened, and what it can do beyond the port's promise."""

    open: Callable[[Engine, Clock], DocumentStore]
    many: int = 2_000
    """Documents that count as a large collection."""
    contenders: int = 8
    """Threads that may change one document at the same time."""
    writers_wait: bool = True
    """Others wait for the end of a transaction, so that none is ever overtaken."""
    emulator: bool = False
    """The store is on Google's emulator: `place` is a project."""
    variant: bool = False
    """Another way to open a kind of its own: held to the suite of the document port, and to no other."""
    lacks: Mapping[Ability, str] = field(default_factory=dict)
    """What it cannot do, and why."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One store. `place` is the folder of a SQLite file, or the project on the emulator at `address`."""

    kind: str
    place: str
    address: str = ""

    @property
    def capabilities(self) -> Capabilities:
        return ENGINES[self.kind]

    def open(self, clock: Clock | None = None) -> DocumentStore:
        """Open a client; every client of the same place sees the same documents."""
        return self.capabilities.open(self, clock or SystemClock())

    def another(self) -> Engine:
        """Return an empty store of the same kind."""
        name = uuid.uuid4().hex[:12]
        return replace(self, place=_project() if self.capabilities.emulator else str(Path(self.place) / name))

    def as_text(self) -> str:
        """Return what another process opens the store from."""
        return json.dumps(asdict(self))

    def arguments(self) -> list[str]:
        """Return what leads a command to the store."""
        if self.capabilities.emulator:
            return ["--target", "gcp", "--project", self.place]
        return ["--state-dir", self.place]

    def environment(self) -> dict[str, str]:
        """Return the variables that lead a command to the store."""
        return {"FIRESTORE_EMULATOR_HOST": self.address} if self.capabilities.emulator else {}


def engine_at(kind: str, folder: Path, emulator: Callable[[], str]) -> Engine:
    """Return an empty store of a kind; `emulator` gives the address of the emulator where one is needed."""
    if ENGINES[kind].emulator:
        return Engine(kind, _project(), emulator())
    return Engine(kind, str(folder))


def open_engine(text: str) -> DocumentStore:
    """Open in another process what `as_text` describes."""
    return Engine(**json.loads(text)).open()


def _project() -> str:
    return f"test-{uuid.uuid4().hex[:20]}"


def _sqlite(engine: Engine, clock: Clock) -> SqliteDocuments:
    path = Path(engine.place) / "documents.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    return SqliteDocuments(path, clock=clock, busy_timeout=_BUSY)


ENGINES: Final[dict[str, Capabilities]] = {
    "sqlite": Capabilities(_sqlite, many=5_000),
    "firestore": Capabilities(
        lambda engine, _: emulator_documents(engine.address, engine.place),
        writers_wait=False,
        emulator=True,
        lacks={"clock": "an emulator goes by the clock of the machine"},
    ),
    "memory": Capabilities(
        lambda _, clock: memory_documents(clock),
        many=5_000,
        variant=True,
        lacks={
            "processes": "only the process itself sees what is in its memory",
            "clients": "only the connection that made a database in memory sees it",
        },
    ),
    "counted": Capabilities(
        lambda engine, clock: CountedDocuments(_sqlite(engine, clock), lambda _: None),
        variant=True,
    ),
}
