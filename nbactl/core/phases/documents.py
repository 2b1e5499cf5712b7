"""The documents in which the processors and orchestrators of a phase record what they did, read as they are.

`{phase}_completion/{game_date}` holds one map a processor, and fields of the orchestrator that begin with `_`. Only
the orchestrator of a phase writes them: production's own, or ours (recording.py) where it runs in its place.
Nothing in them makes reading fail: what cannot be used is in `malformed`, and the rest is read.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.phases.fields import Malformed, StoredFields
from nbactl.core.phases.modes import MODES, Mode
from nbactl.core.phases.names import normalise
from nbactl.errors import DataError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.modes import PhaseExpectation
    from nbactl.ports.documents import Document, Reader

DONE: Final = ("success", "partial")
"""The states of a processor that count as done."""
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


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
    players_done: int | None = None
    players_expected: int | None = None

    @property
    def done(self) -> bool:
        """Whether it counts as done."""
        return self.status in DONE


@frozen
class HandOffRecord:
    """The hand-off as our orchestrator noted it. `messages` are the keys in the outbox of the last messages.

    `attempt` counts the rounds of the date, `again` how often the message was published again. `noted` are the
    conditions that an alert was sent for. It has no `key` before the decision.
    """

    state: str
    attempt: int
    key: str | None = None
    messages: tuple[str, ...] = ()
    again: int = 0
    noted: frozenset[str] = frozenset()
    confirmed_at: datetime | None = None


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
    partial: bool = False
    """Whether it was handed on with part of its data, or came after a phase that was."""
    missing: tuple[str, ...] = ()
    """What it lacked when it was handed on."""
    hand_off: HandOffRecord | None = None
    """Our hand-off; None if nothing was decided, or by another program."""
    next_check_at: datetime | None = None
    first_report_at: datetime | None = None
    """When our orchestrator first recorded a report, whatever its status."""
    unsent: tuple[Mapping[str, Any], ...] = ()
    """The alerts that were decided on, and are not known to be sent."""

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
    fields = StoredFields(data)
    reports, unknown = _reports(fields, phase, known)
    if "_unknown" in data:
        inner = fields.map("_unknown")
        unknown += [_report(inner, raw, phase, ()) or ProcessorReport(raw, raw, None) for raw in sorted(inner.data)]
    hand_off = _hand_off(fields)
    legacy = None if hand_off is None else hand_off.state
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
        partial=fields.flag("_partial") is True,
        missing=fields.texts("_missing"),
        hand_off=hand_off,
        next_check_at=fields.time("_next_check_at"),
        first_report_at=fields.time("_first_report_at"),
        unsent=fields.maps("_unsent"),
        malformed=tuple(fields.problems),
    )


def expectation_for(
    documents: Iterable[PhaseDocument], expected: PhaseExpectation, copied: PhaseExpectation
) -> PhaseExpectation:
    """Return by what documents of a phase are judged: `copied`, production's, if names report that only it expects."""
    foreign = copied.names - expected.names
    return copied if any(foreign & document.processors.keys() for document in documents) else expected


def _reports(
    fields: StoredFields, phase: str, known: Collection[str]
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


def _report(fields: StoredFields, raw: str, phase: str, known: Collection[str]) -> ProcessorReport | None:
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
        players_done=inner.count("players_done"),
        players_expected=inner.count("players_expected"),
    )


def _hand_off(fields: StoredFields) -> HandOffRecord | None:
    if "_trigger" not in fields.data:
        return None
    inner = fields.map("_trigger")
    attempt = inner.count("attempt")
    return HandOffRecord(
        inner.text("state") or "idle",
        attempt or 1,
        inner.text("key"),
        inner.texts("messages"),
        inner.count("again") or 0,
        frozenset(inner.texts("noted")),
        inner.time("confirmed_at"),
    )


def _rank(report: ProcessorReport) -> tuple[bool, bool, datetime]:
    """Order the reports of one processor under several spellings: done decides, then rows, then the latest."""
    return report.done, bool(report.records), report.completed_at or _EARLIEST


def _mode(fields: StoredFields) -> Mode | None:
    text = fields.text("_mode")
    found = next((mode for mode in MODES if mode == text), None)
    if text is not None and found is None:
        fields.refuse("_mode", f"is not one of {', '.join(MODES)}")
    return found
