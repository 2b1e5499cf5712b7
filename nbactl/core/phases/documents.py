"""The documents in which the processors and orchestrators of a phase record what they did, read as they are.

`{phase}_completion/{game_date}` holds one map a processor, and fields of the orchestrator that begin with `_`. nbactl
never writes them: a second writer once made every report look like a duplicate, so that a phase never started.
Nothing in them makes reading fail: what cannot be used is in `malformed`, and the rest is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.phases.modes import MODES, Mode
from nbactl.core.phases.names import normalise
from nbactl.errors import DataError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.modes import PhaseExpectation
    from nbactl.ports.documents import Document, Reader

DONE: Final = ("success", "partial")
"""The states of a processor that count as done."""
_SHOWN: Final = 60
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


@frozen
class Malformed:
    """A stored value that is not what it should be. `value` is its text, cut short."""

    field: str
    value: str
    reason: str


@frozen
class ProcessorReport:
    """What a processor reported. `name` is the declared name that `raw_name` means, or `raw_name` if it means none."""

    name: str
    raw_name: str
    status: str | None
    completed_at: datetime | None = None
    records: int | None = None
    execution_id: str | None = None
    correlation_id: str | None = None
    is_incremental: bool | None = None
    entities_changed: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Whether it counts as done."""
        return self.status in DONE


@frozen
class PhaseDocument:
    """A phase document. Times are aware UTC; everything that is missing or unusable is None.

    `triggered`: the message that starts the next phase was published; `pending`: that was decided, and it is not known
    to be published. `mode` is what the orchestrator noted, which may have been another mode than it is now.
    """

    phase: str
    game_date: GameDate
    exists: bool
    processors: Mapping[str, ProcessorReport]
    unknown: tuple[ProcessorReport, ...] = ()
    malformed: tuple[Malformed, ...] = ()
    triggered: bool = False
    triggered_at: datetime | None = None
    pending: bool = False
    pending_at: datetime | None = None
    trigger_succeeded: bool | None = None
    reason: str | None = None
    mode: Mode | None = None
    first_completion_at: datetime | None = None
    last_update: datetime | None = None
    completed_count: int | None = None
    deadline_at: datetime | None = None

    @property
    def done(self) -> frozenset[str]:
        """The names that are done."""
        return frozenset(name for name, report in self.processors.items() if report.done)

    @property
    def began_at(self) -> datetime | None:
        """When the first processor completed, as the document says or as its processors do."""
        times = [report.completed_at for report in self.processors.values() if report.done and report.completed_at]
        return self.first_completion_at or min(times, default=None)

    @property
    def pending_since(self) -> datetime | None:
        """Since when the hand-off is pending; the last update where the time of the decision is not known."""
        return (self.pending_at or self.last_update) if self.pending else None


def document_path(phase: str, game_date: GameDate) -> str:
    """Return the path of a phase document."""
    return f"{phase}_completion/{game_date}"


def read_phase(documents: Reader, phase: str, game_date: GameDate, known: Collection[str]) -> PhaseDocument:
    """Read the document of a phase and game date; `known` are the names of its processors."""
    return parse_phase(documents.get(document_path(phase, game_date)), phase, game_date, known)


def read_phases(
    documents: Reader, known: Mapping[str, Collection[str]], dates: Sequence[GameDate]
) -> dict[tuple[str, GameDate], PhaseDocument]:
    """Read the documents of phases and dates as of one moment, those that are not there too.

    `known` are the names of the processors by phase.
    """
    keys = [(phase, day) for phase in known for day in dates]
    found = documents.get_all([document_path(*key) for key in keys])
    return {key: parse_phase(document, *key, known[key[0]]) for key, document in zip(keys, found, strict=True)}


def parse_phase(
    document: Document | None, phase: str, game_date: GameDate, known: Collection[str]
) -> PhaseDocument:  # fmt: skip
    """Return what a document says; never raises, whatever it contains."""
    if document is None:
        return PhaseDocument(phase, game_date, exists=False, processors={})
    try:
        data = document.data
    except DataError as error:
        problem = Malformed("document", "", error.message.partition(": ")[2] or error.message)
        return PhaseDocument(phase, game_date, exists=True, processors={}, malformed=(problem,))
    fields = _Fields(data)
    reports, unknown = _reports(fields, phase, known)
    legacy = fields.map("_trigger").text("state") if "_trigger" in data else None
    triggered = fields.flag("_triggered") is True or (legacy == "published" and "_triggered" not in data)
    succeeded = fields.flag("_trigger_succeeded")
    if triggered and succeeded is False:
        fields.refuse("_trigger_succeeded", "contradicts _triggered")
    undecided = fields.flag("_trigger_pending") is True or legacy == "pending" or succeeded is False
    return PhaseDocument(
        phase,
        game_date,
        exists=True,
        processors=reports,
        unknown=tuple(unknown),
        triggered=triggered,
        triggered_at=fields.time("_triggered_at"),
        pending=undecided and not triggered,
        pending_at=fields.time("_trigger_pending_at"),
        trigger_succeeded=succeeded,
        reason=fields.text("_trigger_reason"),
        mode=_mode(fields),
        first_completion_at=fields.time("_first_completion_at"),
        last_update=fields.time("_last_update"),
        completed_count=fields.count("_completed_count"),
        deadline_at=fields.time("_deadline_at"),
        malformed=tuple(fields.problems),
    )


def expectation_for(
    documents: Iterable[PhaseDocument], expected: PhaseExpectation, copied: PhaseExpectation
) -> PhaseExpectation:
    """Return by what documents of a phase are judged: `copied`, production's, if names report that only it expects."""
    foreign = copied.names - expected.names
    return copied if any(foreign & document.processors.keys() for document in documents) else expected


def as_time(value: object) -> tuple[datetime | None, str | None]:
    """Return a stored time as aware UTC, and what is wrong with it.

    Old programs wrote texts, and times without a zone; these are UTC, as Cloud Run's clocks are.
    """
    wrong = None
    if isinstance(value, str):
        wrong = "is a text, not a time"
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None, "is not a time"
    if not isinstance(value, datetime):
        return None, "is not a time"
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC), "has no time zone, taken for UTC"
    try:
        return value.astimezone(UTC), wrong
    except OverflowError:
        return None, "is outside the years 1 to 9999"


def _reports(
    fields: _Fields, phase: str, known: Collection[str]
) -> tuple[dict[str, ProcessorReport], list[ProcessorReport]]:
    found: dict[str, ProcessorReport] = {}
    unknown: list[ProcessorReport] = []
    for raw in sorted(name for name in fields.data if not name.startswith("_")):
        report = _report(fields, raw, phase, known)
        if report is None:
            continue
        if report.name not in known:
            unknown.append(report)
        elif report.name not in found or _rank(report) > _rank(found[report.name]):
            found[report.name] = report
    return found, unknown


def _report(fields: _Fields, raw: str, phase: str, known: Collection[str]) -> ProcessorReport | None:
    inner = fields.map(raw)
    if inner.absent:
        return None
    name = normalise(raw, known, inner.text("output_table"), phase=phase)
    status = inner.text("status")
    if status is None and "status" not in inner.data:
        inner.refuse("status", "is missing")
    return ProcessorReport(
        name=raw if name is None else name,
        raw_name=raw,
        status=status,
        completed_at=inner.time("completed_at"),
        records=inner.count("record_count"),
        execution_id=inner.text("execution_id"),
        correlation_id=inner.text("correlation_id"),
        is_incremental=inner.flag("is_incremental"),
        entities_changed=inner.texts("entities_changed"),
    )


def _rank(report: ProcessorReport) -> tuple[bool, datetime]:
    """Order the reports of one processor under several spellings: one that is done decides, then the latest."""
    return report.done, report.completed_at or _EARLIEST


def _mode(fields: _Fields) -> Mode | None:
    text = fields.text("_mode")
    found = next((mode for mode in MODES if mode == text), None)
    if text is not None and found is None:
        fields.refuse("_mode", f"is not one of {', '.join(MODES)}")
    return found


class _Fields:
    """Fields of a stored map. What cannot be used is noted in `problems` and counts as missing."""

    def __init__(self, data: object, prefix: str = "", problems: list[Malformed] | None = None) -> None:
        self.absent = not isinstance(data, Mapping)
        self.data: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        self.problems: list[Malformed] = [] if problems is None else problems
        self._prefix = prefix

    def refuse(self, name: str, reason: str) -> None:
        """Note what is wrong with a field."""
        value = ascii(self.data[name]) if name in self.data else ""
        shown = value if len(value) <= _SHOWN else f"{value[: _SHOWN - 3]}..."
        self.problems.append(Malformed(f"{self._prefix}{name}", shown, reason))

    def map(self, name: str) -> _Fields:
        """Return a map inside."""
        value = self.data.get(name)
        if not isinstance(value, Mapping):
            self.refuse(name, "is not a map")
        return _Fields(value, f"{self._prefix}{name}.", self.problems)

    def time(self, name: str) -> datetime | None:
        if (value := self.data.get(name)) is None:
            return None
        found, wrong = as_time(value)
        if wrong is not None:
            self.refuse(name, wrong)
        return found

    def text(self, name: str) -> str | None:
        value = self.data.get(name)
        if value is None or isinstance(value, str):
            return value
        self.refuse(name, "is not a text")
        return None

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.data.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.refuse(name, "is not a list of texts")
            return ()
        return tuple(value)

    def flag(self, name: str) -> bool | None:
        value = self.data.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.refuse(name, "is not true or false")
        return None

    def count(self, name: str) -> int | None:
        value = self.data.get(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JavaScript and JSON know no other numbers
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self.refuse(name, "is not a whole number from 0 up")
            return None
        return value
