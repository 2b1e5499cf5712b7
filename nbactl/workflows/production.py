"""What production did for a game date, whoever did it: phase documents and run history, judged by what is expected."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.lease.locks import OldLock, read_locks
from nbactl.core.phases.documents import DONE, PhaseDocument, expectation_for, read_phases
from nbactl.core.phases.history import runs_of_dates
from nbactl.core.phases.modes import ExpectedSet, HandOff, Mode, PhaseExpectation, Tier, mode_of
from nbactl.errors import NbactlError, NotFoundError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.documents import ProcessorReport
    from nbactl.core.phases.history import ProcessorRun
    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.warehouse import Warehouse

Whose = Literal["nbactl", "orchestrator", "unknown"]
HandOffState = Literal["open", "due", "pending", "triggered"]
ReportState = Literal["missing", "succeeded", "partial", "incomplete", "failed", "unreadable"]
FAILED: Final = ("failed", "error", "failure", "timeout", "timed_out")
"""The states in which production records that a processor failed."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@frozen
class ProcessorLine:
    """One expected or reported processor. `status` is None if it has not reported, `last_run` its newest known run."""

    name: str
    raw_name: str
    critical: bool
    expected: bool
    status: str | None
    completed_at: datetime | None
    records: int | None
    whose: Whose
    last_run: ProcessorRun | None = None
    no_data_ok: bool = False
    """Whether it is done as well if there was nothing to do, as on a date without games."""

    @property
    def done(self) -> bool:
        """Whether it counts as done."""
        return self.status in DONE or (self.status == "no_data" and self.no_data_ok)

    @property
    def failed(self) -> bool:
        """Whether it failed: it says so, or it has not reported and its last run failed."""
        if self.done:
            return False
        return (self.status or (self.last_run.status if self.last_run else None) or "").lower() in FAILED

    @property
    def ran(self) -> bool:
        """Whether its last run succeeded although the phase document does not have it."""
        return not self.done and self.last_run is not None and self.last_run.status in DONE


@frozen
class PhaseReport:
    """What production did in a phase. `processors` are the expected ones in declared order, then others that are known.

    `hand_off` is `due` if the phase has what the next one needs, and nobody decided; `since` is when it came to this
    state. `next_tier` is when fewer processors will be enough. `late` says what is late, and since when.
    """

    document: PhaseDocument
    mode: Mode
    expected: ExpectedSet
    processors: tuple[ProcessorLine, ...]
    state: ReportState
    hand_off: HandOffState
    since: datetime | None = None
    reason: str | None = None
    next_tier: tuple[datetime, Tier] | None = None
    late: tuple[str, datetime] | None = None

    @property
    def phase(self) -> str:
        """The name of the phase."""
        return self.document.phase

    @property
    def done(self) -> tuple[str, ...]:
        """The expected processors that are done."""
        return tuple(line.name for line in self.processors if line.expected and line.done)

    @property
    def missing(self) -> tuple[str, ...]:
        """The expected processors that are not done."""
        return tuple(line.name for line in self.processors if line.expected and not line.done)

    @property
    def failed(self) -> tuple[str, ...]:
        """The processors that failed."""
        return tuple(line.name for line in self.processors if line.failed)

    @property
    def partial(self) -> tuple[str, ...]:
        """The processors that are done with part of their data."""
        return tuple(line.name for line in self.processors if line.status == "partial")

    @property
    def critical_missing(self) -> tuple[str, ...]:
        """The critical processors that are not done."""
        return tuple(name for name in self.missing if name in self.expected.critical)

    @property
    def whose(self) -> Whose:
        """Whose the work is; where several took part, the orchestrator's."""
        found = {line.whose for line in self.processors if line.status is not None}
        if "orchestrator" in found or not found:
            return "orchestrator" if found or self.document.triggered or self.document.pending else "unknown"
        return "nbactl" if found == {"nbactl"} else "unknown"

    @property
    def last_completion(self) -> datetime | None:
        """When the last processor completed that is done."""
        return max((line.completed_at for line in self.processors if line.done and line.completed_at), default=None)


@frozen
class ProductionBoard:
    """What production did for a date, by phase. `warnings` say what could not be read; `locks` are those in force."""

    mode: Mode
    reports: Mapping[str, PhaseReport]
    locks: tuple[OldLock, ...] = ()
    warnings: tuple[str, ...] = ()


class Production:
    """Reads what production did.

    `patience` is how many seconds a hand-off may stay open, `history_timeout` how long the run history may take.
    The history is asked only where phase documents leave something open; with `history_only_with_documents` not even
    then where there is no document at all. An answer of it is used for `history_ttl` seconds. `copied` is what
    production expects, if `expected` is something else: a document in which its own names report is judged by it.
    """

    def __init__(
        self,
        expected: Mapping[str, PhaseExpectation],
        documents: Callable[[], DocumentStore],
        warehouse: Callable[[], Warehouse],
        *,
        clock: Clock,
        patience: float,
        history_timeout: float,
        history_ttl: float,
        history_only_with_documents: bool,
        copied: Mapping[str, PhaseExpectation] | None = None,
    ) -> None:
        self.expected = expected
        self._copied = expected if copied is None else copied
        self._documents = documents
        self._warehouse = warehouse
        self._clock = clock
        self._patience = timedelta(seconds=patience)
        self._history_timeout = history_timeout
        self._history_ttl = timedelta(seconds=history_ttl)
        self._only_with_documents = history_only_with_documents
        self._asked: tuple[tuple[GameDate, GameDate], datetime, list[ProcessorRun], tuple[str, ...]] | None = None

    def read(self, game_date: GameDate, now: datetime, ours: Container[str] = ()) -> ProductionBoard:
        """Return what production did for a date. `ours` are the ids of runs of nbactl and their correlation ids."""
        return self.read_dates([game_date], now, ours)[game_date]

    def read_dates(
        self, days: Sequence[GameDate], now: datetime, ours: Container[str] = ()
    ) -> dict[GameDate, ProductionBoard]:
        """Return what production did for dates: one look at all their documents, and one query of the history."""
        store = self._documents()
        known = {name: expectation.known for name, expectation in self.expected.items()}
        found = read_phases(store, known, days)
        documents = {day: {name: found[name, day] for name in known} for day in days}
        runs, warnings = self._history(documents, now)
        of_date: dict[GameDate | None, list[ProcessorRun]] = {}
        for run in runs:
            of_date.setdefault(run.game_date, []).append(run)
        said = list(warnings)
        locks = tuple(lock for lock in read_locks(store, said.append) if not lock.is_expired(now))
        return {
            day: ProductionBoard(
                mode_of(day, now),
                self._reports(of_day, mode_of(day, now), now, of_date.get(day, ()), ours),
                locks,
                tuple(said),
            )
            for day, of_day in documents.items()
        }

    def _reports(
        self,
        documents: Mapping[str, PhaseDocument],
        mode: Mode,
        now: datetime,
        runs: Collection[ProcessorRun],
        ours: Container[str],
    ) -> dict[str, PhaseReport]:
        return {
            name: judge(
                documents[name],
                expectation_for([documents[name]], self.expected[name], self._copied[name]),
                mode,
                now,
                # What reports to no phase document is not late with it.
                runs=runs if self.expected[name].declared or documents[name].exists else (),
                ours=ours,
                patience=self._patience,
            )
            for name in self.expected
        }

    def _history(
        self, documents: Mapping[GameDate, Mapping[str, PhaseDocument]], now: datetime
    ) -> tuple[list[ProcessorRun], tuple[str, ...]]:
        every = [document for of_day in documents.values() for document in of_day.values()]
        if self._only_with_documents and not any(document.exists for document in every):
            return [], ()
        if not any(
            name not in document.done
            for document in every
            if self.expected[document.phase].declared
            for name in self.expected[document.phase].of(mode_of(document.game_date, now)).names
        ):
            return [], ()
        span = min(documents), max(documents)
        if self._asked is not None:
            asked, at, runs, warnings = self._asked
            if asked == span and now - at < self._history_ttl:
                return runs, warnings
        runs, warnings = [], ()
        try:
            known = {name for expectation in self.expected.values() for name in expectation.known}
            with deadline_scope(self._history_timeout, self._clock):
                runs = runs_of_dates(self._warehouse(), known, *span, timeout=self._history_timeout)
        except NbactlError as error:
            if self._only_with_documents and isinstance(error, NotFoundError):
                return [], ()  # of a machine whose only processors are those of `nbactl up`, which keep a ledger
            warnings = (f"the run history was not read: {error.message}",)
        self._asked = (span, now, runs, warnings)
        return runs, warnings


def judge(
    document: PhaseDocument,
    expectation: PhaseExpectation,
    mode: Mode,
    now: datetime,
    *,
    runs: Collection[ProcessorRun] = (),
    ours: Container[str] = (),
    patience: timedelta = timedelta(),
) -> PhaseReport:
    """Judge a phase document by what is expected in a mode."""
    expected = expectation.of(mode)
    last_runs: dict[str, ProcessorRun] = {}
    for run in runs:  # newest first
        last_runs.setdefault(run.processor, run)
    others = sorted(set(document.processors) - set(expected.names))
    lines = tuple(
        replace(
            _line(name, document.processors.get(name), expected, last_runs.get(name), ours),
            no_data_ok=name in expectation.no_data_ok,
        )
        for name in (*expected.names, *others)
    )
    began = document.began_at
    waited = None if began is None else (now - began).total_seconds()
    reason = expectation.hand_off.reason(expected, frozenset(line.name for line in lines if line.done), waited)
    report = PhaseReport(document, mode, expected, lines, _state(document, lines), "open", reason=document.reason)
    if document.triggered:
        report = replace(report, hand_off="triggered", since=document.triggered_at)
    elif document.pending:
        report = replace(report, hand_off="pending", since=document.pending_since)
    elif reason is not None and expectation.declared:
        report = replace(report, hand_off="due", since=_due_since(report, expectation.hand_off), reason=reason)
    elif began is not None and waited is not None and (tier := expectation.hand_off.next_tier(waited)) is not None:
        report = replace(report, next_tier=(began + timedelta(seconds=tier.after), tier))
    return replace(report, late=_late(report, expectation.hand_off, now, patience))


def _line(
    name: str,
    report: ProcessorReport | None,
    expected: ExpectedSet,
    last_run: ProcessorRun | None,
    ours: Container[str],
) -> ProcessorLine:
    return ProcessorLine(
        name=name,
        raw_name=name if report is None else report.raw_name,
        critical=name in expected.critical,
        expected=name in expected.names,
        status=None if report is None else report.status,
        completed_at=None if report is None else report.completed_at,
        records=None if report is None else report.records,
        whose=_whose(report, ours),
        last_run=last_run,
    )


def _whose(report: ProcessorReport | None, ours: Container[str]) -> Whose:
    """Return whose a report is: by the run or correlation id that it names."""
    ids = [] if report is None else [one for one in (report.execution_id, report.correlation_id) if one]
    if any(one in ours for one in ids):
        return "nbactl"
    return "orchestrator" if ids else "unknown"


def _state(document: PhaseDocument, lines: Collection[ProcessorLine]) -> ReportState:
    if document.exists and not document.processors and any(bad.field == "document" for bad in document.malformed):
        return "unreadable"
    expected = [line for line in lines if line.expected]
    if not any(line.status is not None or line.ran or line.failed for line in lines):
        return "missing"
    if all(line.done for line in expected):
        return "succeeded"
    if any(line.critical and line.failed for line in expected):
        return "failed"
    return "partial" if all(line.done for line in expected if line.critical) else "incomplete"


def _due_since(report: PhaseReport, hand_off: HandOff) -> datetime | None:
    """Return since when the phase has what the next one needs: its last completion, or a tier after it."""
    last, began = report.last_completion, report.document.began_at
    if last is None or began is None:
        return last
    waits = (0.0, *(tier.after for tier in hand_off.tiers))
    enough = [wait for wait in waits if hand_off.reason(report.expected, frozenset(report.done), wait) is not None]
    return max(last, began + timedelta(seconds=min(enough, default=0.0)))


def _late(report: PhaseReport, hand_off: HandOff, now: datetime, patience: timedelta) -> tuple[str, datetime] | None:
    """Return what is late, and since when: the hand-off, or critical processors after the last tier."""
    if report.hand_off in ("pending", "due"):
        since = report.since or report.document.last_update or _LONG_AGO
        return (f"hand-off {report.hand_off}", since) if now - since > patience else None
    began = report.document.began_at
    if report.hand_off == "open" and began is not None and hand_off.tiers and report.critical_missing:
        last = began + timedelta(seconds=max(tier.after for tier in hand_off.tiers))
        return ("critical missing", last) if now > last else None
    return None
