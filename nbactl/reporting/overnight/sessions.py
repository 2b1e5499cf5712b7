"""When phases ran in a range of nights, by our ledger and by production: phase documents, run history, batches."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Final, Protocol

from nbactl.core._support.gamedate import EASTERN, GameDate
from nbactl.core.completions.documents import BATCHES, batch_id_of, flag_of, game_date_of, instant_of, text_of
from nbactl.errors import DataError, NbactlError, NotFoundError
from nbactl.frozen import frozen
from nbactl.ports.documents import Filter, Query
from nbactl.reporting.overnight.model import Session
from nbactl.workflows.model import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nbactl.core.phases.documents import PhaseDocument
    from nbactl.core.phases.history import ProcessorRun
    from nbactl.core.phases.modes import PhaseExpectation
    from nbactl.ports.documents import Document, Reader
    from nbactl.workflows.model import RunRecord

Found = dict[tuple[str, GameDate], list[Session]]
_NIGHT_BEGINS: Final = time(18)
"""Eastern time on the game date. What was done before then was done for the date while it was still today."""
_WHOLE: Final = ("all_complete",)
"""The reasons of a hand-off for which nothing was left out."""


class Runs(Protocol):
    """What is asked of the ledger."""

    def heads_between(self, first: GameDate, last: GameDate) -> Iterator[RunRecord]:
        """Yield the runs of a range of dates without their tasks."""
        ...


@frozen
class NightRecords:
    """Where the records are. `history` reads the run history of production, None where there is none.

    `phase_documents` reads those of all phases; `expectations` are what is expected of each phase.
    """

    runs: Runs
    source: str
    documents: Reader
    expectations: Mapping[str, PhaseExpectation]
    phase_documents: Callable[[Sequence[GameDate]], Mapping[tuple[str, GameDate], PhaseDocument]]
    history: Callable[[GameDate, GameDate], Sequence[ProcessorRun]] | None

    def read(self, first: GameDate, last: GameDate) -> tuple[Found, list[str]]:
        """Return the sessions of each phase and date, and what could not be read: by four questions, for any range."""
        found: Found = defaultdict(list)
        warnings: list[str] = []
        ours: set[str] = set()
        for run in self.runs.heads_between(first, last):
            ours.update((run.run_id, run.correlation_id))
            if (
                run.name in self.expectations
                and run.source == self.source
                and _is_of_night(run.game_date, run.started_at)
            ):
                found[run.name, run.game_date].append(_by_run(run))
        documents = self.phase_documents(tuple(first.until(last)))
        starts = self._starts(first, last, documents, warnings)
        for (phase, day), document in documents.items():
            session = _by_document(document, self.expectations[phase], starts.get((phase, day)), ours)
            if session is not None:
                found[phase, day].append(session)
        batch = next((name for name, expected in self.expectations.items() if expected.batch), None)
        if batch is not None:
            for stored in self.documents.query(_batches(first, last)):
                try:
                    session = _by_batch(batch, stored, ours)
                except DataError as error:
                    warnings.append(error.message)
                    continue
                if session is not None:
                    found[batch, session.game_date].append(session)
        return found, warnings

    def _starts(
        self,
        first: GameDate,
        last: GameDate,
        documents: Mapping[tuple[str, GameDate], PhaseDocument],
        warnings: list[str],
    ) -> dict[tuple[str, GameDate], datetime]:
        """Return when the first processor of each phase and night started, as the run history has it."""
        if self.history is None or not any(document.exists for document in documents.values()):
            return {}
        try:
            runs = self.history(first, last)
        except NotFoundError:
            return {}
        except NbactlError as error:
            warnings.append(f"the run history was not read: {error.message}")
            return {}
        phase_of = {name: phase for phase, expected in self.expectations.items() for name in expected.known}
        found: dict[tuple[str, GameDate], datetime] = {}
        for run in runs:
            phase, day, at = phase_of.get(run.processor), run.game_date, run.started_at
            if phase is not None and day is not None and at is not None and _is_of_night(day, at):
                found[phase, day] = min(at, found.get((phase, day), at))
        return found


def chosen(sessions: Iterable[Session]) -> Session | None:
    """Return the session that did a phase: the first that left nothing out, else the first complete one.

    Without a complete one it is the one that was begun last.
    """
    listed = sorted(sessions, key=lambda one: (one.ended_at or one.started_at, one.started_at))
    complete = [one for one in listed if one.complete and one.ended_at is not None]
    whole = [one for one in complete if one.fallback is None]
    return next(iter(whole or complete), None) or max(listed, key=lambda one: one.started_at, default=None)


def _is_of_night(day: GameDate, at: datetime) -> bool:
    return at >= datetime.combine(day.day, _NIGHT_BEGINS, EASTERN).astimezone(UTC)


def _by_run(run: RunRecord) -> Session:
    complete = run.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)
    fallback = f"{run.run_id} ended as partial" if run.status is RunStatus.PARTIAL else None
    return Session(
        run.name, run.game_date, run.started_at, run.finished_at, complete, "nbactl", run.run_id, fallback
    )  # fmt: skip


def _by_document(
    document: PhaseDocument, expectation: PhaseExpectation, started_at: datetime | None, ours: set[str]
) -> Session | None:
    """Return the session of a phase document; None if nothing was done in the night."""
    expected = expectation.of("overnight")
    done = {
        name: report
        for name, report in document.processors.items()
        if report.done and report.completed_at is not None and _is_of_night(document.game_date, report.completed_at)
    }
    times = [report.completed_at for report in done.values() if report.completed_at is not None]
    if not times:
        return None
    is_ours = any({report.execution_id, report.correlation_id} & ours for report in done.values())
    return Session(
        document.phase,
        document.game_date,
        min(times) if started_at is None else min(started_at, *times),
        max(times),
        set(expected.critical) <= done.keys(),
        "nbactl" if is_ours else "production",
        fallback=_fallback(document),
    )


def _fallback(document: PhaseDocument) -> str | None:
    lacked = f" without {', '.join(document.missing)}" if document.missing else ""
    if document.reason is not None and document.reason not in _WHOLE:
        return f"handed on as {document.reason}{lacked}"
    if document.partial:
        return f"handed on at its deadline{lacked}"
    partial = [name for name, report in document.processors.items() if report.status == "partial"]
    return f"partial: {', '.join(partial)}" if partial else None


def _batches(first: GameDate, last: GameDate) -> Query:
    return Query(BATCHES, (Filter("game_date", ">=", str(first)), Filter("game_date", "<=", str(last))))


def _by_batch(phase: str, document: Document, ours: set[str]) -> Session | None:
    """Return the session of a prediction batch. Raises DataError for one that cannot be read."""
    day, started = game_date_of(document), instant_of(document, "start_time")
    if started is None or not _is_of_night(day, started):
        return None
    ended, correlation = instant_of(document, "completion_time"), text_of(document, "correlation_id")
    stalled = document.data.get("stall_completed") is True
    why = document.data.get("stall_reason") or "it stalled"
    return Session(
        phase,
        day,
        started,
        ended,
        flag_of(document, "is_complete"),
        "nbactl" if correlation in ours else "production",
        batch_id_of(document),
        f"the batch was closed early: {why}" if stalled else None,
    )
