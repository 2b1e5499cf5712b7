"""What a trace is made of, and where it looks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from nbactl.errors import NbactlError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from nbactl.pipeline.rawstore import RawStore
    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.logs import Logs
    from nbactl.ports.warehouse import Warehouse


@frozen
class TraceEvent:
    """Something that happened. `at` is None where no time is recorded; `where` is a document, table, log or file.

    `step` orders what has the same time, or none.
    """

    at: datetime | None
    where: str
    what: str
    step: int = 0


@frozen
class Trace:
    """What is known about `subject`. `kinds` says what it is.

    `absent` are the places that were looked at and have nothing; `not_looked_at` says where more may be, and why.
    """

    subject: str
    kinds: tuple[str, ...]
    events: tuple[TraceEvent, ...]
    looked_at: tuple[str, ...]
    absent: tuple[str, ...]
    not_looked_at: tuple[str, ...]


@frozen
class TraceSources:
    """Where a trace looks. `processors` are the known names by phase, `tables` the table that a task writes.

    `raw` and `exports` are the files of this machine. `logs` is the folder of the logs of runs, `service_logs` has
    those of services.
    """

    documents: DocumentStore
    warehouse: Callable[[], Warehouse]
    processors: Mapping[str, Collection[str]]
    flags: Collection[str]
    tables: Mapping[str, str]
    raw: Callable[[], RawStore]
    exports: Callable[[], Path]
    logs: Path
    service_logs: Callable[[], Logs]
    timeout: float
    local: bool


@dataclass(slots=True)
class Collecting:
    """A trace that is being made: what was found, where was looked, and what else it leads to."""

    events: list[TraceEvent] = field(default_factory=list)
    kinds: dict[str, None] = field(default_factory=dict)
    looked_at: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    not_looked_at: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    """Ids of runs and of correlations that it leads to."""
    runs: set[str] = field(default_factory=set)
    dates: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    """The paths of documents that were told of."""

    def add(self, at: object, where: str, what: str, step: int = 0) -> None:
        """Add an event; what is no time counts as none."""
        self.events.append(TraceEvent(at if isinstance(at, datetime) else None, where, what, step))

    def is_new(self, path: str) -> bool:
        """Say whether a document was not told of yet, and note it."""
        new = path not in self.seen
        self.seen.add(path)
        return new

    def look(self, place: str, read: Callable[[], None]) -> None:
        """Look somewhere; a place that cannot be read is named, and hides no other."""
        try:
            read()
        except (NbactlError, OSError) as error:
            text = error.message if isinstance(error, NbactlError) else str(error)
            self.not_looked_at.append(f"{place}: {text}")
        else:
            self.looked_at.append(place)

    def trace(self, subject: str, further: Iterable[str]) -> Trace:
        """Return the trace: by time, what has none last."""
        events = sorted(
            self.events, key=lambda event: (event.at is None, event.at and event.at.timestamp(), event.step)
        )  # fmt: skip
        return Trace(
            subject,
            tuple(self.kinds),
            tuple(dict.fromkeys(events)),
            tuple(dict.fromkeys(self.looked_at)),
            tuple(self.absent),
            tuple(dict.fromkeys((*self.not_looked_at, *further))),
        )
