"""Hand-offs that stay pending, and phases that were never triggered or left no trace (invariants 7 and 26)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.documents import document_path, read_phase
from nbactl.errors import PreconditionError
from nbactl.frozen import frozen
from nbactl.healing.model import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.core.phases.handoff import Successor
    from nbactl.core.phases.modes import PhaseExpectation
    from nbactl.core.phases.recording import PhaseRecorder
    from nbactl.core.phases.sweeping import Started
    from nbactl.healing.model import Scope
    from nbactl.ports.documents import DocumentStore
    from nbactl.workflows.production import PhaseReport, Production

_BATCHED: Final = "phase5"
"""The phase that leaves a batch, and no phase document before it ends."""


@frozen
class HandOffParts:
    """What both kinds work with. `run` starts a phase of a date and returns what became of it."""

    documents: DocumentStore
    production: Production
    expectations: Mapping[str, PhaseExpectation]
    successors: Mapping[str, Successor]
    recorder: PhaseRecorder
    started: Started
    published: Callable[[str], bool]
    run: Callable[[str, GameDate], str]
    clock: Clock

    def reports(self, scope: Scope) -> Iterator[PhaseReport]:
        """Yield what production did in each phase that leads on, date by date."""
        if not scope.days:
            return
        for board in self.production.read_dates(scope.days, scope.now).values():
            yield from (board.reports[phase] for phase in self.successors)

    def swept(self, phase: str, day: GameDate) -> str:
        """Have the sweep look into a document now. Raises what it could not do."""
        self.recorder.look_again(phase, day)
        found = self.recorder.sweep()
        if (error := found.failed.get(document_path(phase, day))) is not None:
            raise error
        steps = [step.what for step in found.steps if (step.phase, step.game_date) == (phase, day)]
        return f"swept {phase} of {day}: {', '.join(steps) or 'no step'}"


@frozen
class HandOffPending:
    """A decision to start the next phase that is not known to be published."""

    parts: HandOffParts
    after: float
    name: str = "handoff_pending"

    def find(self, scope: Scope) -> Iterator[Fault]:
        for report in self.parts.reports(scope):
            since = report.since or report.document.last_update
            if report.hand_off != "pending" or (since is not None and not _is_old(since, scope.now, self.after)):
                continue
            day = report.document.game_date
            yield Fault(
                self.name,
                f"{report.phase}/{day}",
                f"the start of {self._next(report.phase)} is decided and not published",
                "publish it by the sweep of hand-offs",
                f"nbactl run {self._next(report.phase)} --date {day}",
                day,
                since,
            )

    def repair(self, fault: Fault) -> str:
        return self.parts.swept(*_named(fault))

    def verify(self, fault: Fault) -> str | None:
        phase, day = _named(fault)
        document = read_phase(self.parts.documents, phase, day, self.parts.expectations[phase].known)
        keys = () if document.hand_off is None else document.hand_off.messages
        if not document.triggered or not all(map(self.parts.published, keys)):
            return None
        return f"{self._next(phase)} was triggered at {document.triggered_at:%H:%M} UTC"

    def _next(self, phase: str) -> str:
        return self.parts.successors[phase].phase


@frozen
class PhaseNotTriggered:
    """A phase whose predecessor has what it needs, and that nobody started; or one that was started without a trace.

    The object is the phase that should have begun. While the sweep of hand-offs still publishes the start again by
    itself, that is not a fault yet.
    """

    parts: HandOffParts
    after: float
    name: str = "phase_not_triggered"

    def find(self, scope: Scope) -> Iterator[Fault]:
        for report in self.parts.reports(scope):
            following, day = self.parts.successors[report.phase].phase, report.document.game_date
            if report.hand_off == "due" and report.since is not None:
                if _is_old(report.since, scope.now, self.after):
                    what = f"{report.phase} has what {following} needs, and nobody started it"
                    yield self._fault(
                        following, day, what, "decide and publish it by the sweep of hand-offs", report.since
                    )
            elif self._left_no_trace(report, following, scope):
                what = f"{following} was triggered, and no report or run followed"
                yield self._fault(following, day, what, f"run {following}", report.document.triggered_at)

    def repair(self, fault: Fault) -> str:
        following, day = _named(fault)
        phase = next(one for one, successor in self.parts.successors.items() if successor.phase == following)
        document = read_phase(self.parts.documents, phase, day, self.parts.expectations[phase].known)
        if document.triggered:
            return self.parts.run(following, day)
        return self.parts.swept(phase, day)

    def verify(self, fault: Fault) -> str | None:
        following, day = _named(fault)
        if fault.since is None or not self.parts.started(following, day, fault.since):
            return None
        return f"{following} of {day} has begun"

    def _fault(self, following: str, day: GameDate, what: str, plan: str, since: datetime | None) -> Fault:
        by_hand = f"nbactl run {following} --date {day}"
        return Fault(self.name, f"{following}/{day}", what, plan, by_hand, day, since)

    def _left_no_trace(self, report: PhaseReport, following: str, scope: Scope) -> bool:
        document, record = report.document, report.document.hand_off
        if not document.triggered or document.triggered_at is None:
            return False
        ours = record is not None and record.key is not None
        if ours and record is not None and (record.confirmed_at is not None or "given_up" not in record.noted):
            return False  # it was seen, or the sweep publishes it again
        traces = self.parts.expectations[following].declared or following == _BATCHED
        if not traces or not _is_old(document.triggered_at, scope.now, self.after):
            return False
        return not self.parts.started(following, document.game_date, document.pending_at or document.triggered_at)


def _named(fault: Fault) -> tuple[str, GameDate]:
    phase, slash, day = fault.object.partition("/")
    if not slash:
        raise PreconditionError(f"'{fault.object}' does not name a phase and a date")
    return phase, GameDate.iso(day)


def _is_old(since: datetime, now: datetime, after: float) -> bool:
    return now - since >= timedelta(seconds=after)
