"""What is due by the clock in phase documents, with no message needed (invariants 11 and 26)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases import notices
from nbactl.core.phases.decision import decide
from nbactl.core.phases.documents import document_path
from nbactl.core.phases.publishing import ATTEMPTS, HandOffChange, triggered
from nbactl.errors import unforeseen
from nbactl.frozen import frozen
from nbactl.ports.documents import DELETE_FIELD, Filter, Order, Query, Update

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.core.phases.documents import HandOffRecord, PhaseDocument
    from nbactl.core.phases.handoff import HandOffs
    from nbactl.errors import NbactlError
    from nbactl.ports.documents import Document, Transaction

Started = Callable[[str, GameDate, datetime], bool]
"""Says whether there is evidence that a phase of a date began at a time or later."""
BUDGET: Final = 3
"""How often a start that left no trace is published again (invariant 27)."""
_LIMIT: Final = 100


@frozen
class SweepStep:
    """A step that a sweep took.

    `what` is the reason of a hand-off, or published, driven, again, confirmed or given_up.
    """

    phase: str
    game_date: GameDate
    what: str


@frozen
class PhaseSweep:
    """The steps that a sweep took, and the errors by path of documents that it could not look into."""

    steps: tuple[SweepStep, ...]
    failed: Mapping[str, NbactlError]


def sweep(hand_offs: HandOffs, started: Started) -> PhaseSweep:
    """Look into every phase document that is due."""
    steps: list[SweepStep] = []
    failed: dict[str, NbactlError] = {}
    due = Filter("_next_check_at", "<=", hand_offs.clock.now())
    for phase in hand_offs.successors:
        query = Query(f"{phase}_completion", (due,), (Order("_next_check_at"),), limit=_LIMIT)
        for stored in list(hand_offs.store.query(query)):
            try:
                day = GameDate.iso(stored.id)
                what = _look(hand_offs, started, phase, day, stored)
            except Exception as error:  # noqa: BLE001 - one that nobody foresaw holds up no other document either
                failed[stored.path] = unforeseen(error)
                continue
            if what is not None:
                steps.append(SweepStep(phase, day, what))
    return PhaseSweep(tuple(steps), failed)


def _look(hand_offs: HandOffs, started: Started, phase: str, day: GameDate, stored: Document) -> str | None:
    """Look into one document; returns the step that was taken, None if there was none, or another process took it."""
    seen = hand_offs.parse(phase, day, stored)
    # Outside of the transaction, because it reads what others write; the transaction checks that it still applies.
    evidence = _evidence(hand_offs, started, seen)
    unsent: list[Mapping[str, Any]] = []

    def look(transaction: Transaction) -> HandOffChange | None:
        now = hand_offs.clock.now()
        document = hand_offs.parse(phase, day, transaction.get(document_path(phase, day)))
        due = document.next_check_at is not None and document.next_check_at <= now
        if not due or (document.hand_off, document.triggered) != (seen.hand_off, seen.triggered):
            return None
        unsent[:] = document.unsent
        change = _next(hand_offs, transaction, document, now, evidence=evidence)
        if change.fields:
            transaction.write(Update(document_path(phase, day), change.fields), *change.creates)
        return change

    change = hand_offs.store.transaction(look, max_attempts=ATTEMPTS)
    if change is None:
        return None
    reach("phases.swept")
    hand_offs.publisher.finish(phase, day, change, unsent)
    return change.what


def _evidence(hand_offs: HandOffs, started: Started, seen: PhaseDocument) -> bool:
    if seen.hand_off is None or seen.hand_off.key is None:
        return False
    if not seen.triggered:
        return hand_offs.publisher.are_published(seen.hand_off.messages)
    since = seen.pending_at or seen.triggered_at
    return since is not None and started(hand_offs.successors[seen.phase].phase, seen.game_date, since)


def _next(
    hand_offs: HandOffs, transaction: Transaction, document: PhaseDocument, now: datetime, *, evidence: bool
) -> HandOffChange:
    """Return the step of a document that is due. `evidence`: it was published, or the next phase has begun."""
    record = document.hand_off
    if not document.triggered and not document.pending:
        return hand_offs.advance(transaction, document, now)
    if record is None or record.key is None:
        return _of_another_program(hand_offs, transaction, document, now)
    if document.triggered:
        return _confirmation(hand_offs, transaction, document, record, now, evidence=evidence)
    if evidence:
        return HandOffChange(triggered(now, hand_offs.limits), "published")
    return hand_offs.driven_again(document, record, now)


def _confirmation(
    hand_offs: HandOffs,
    transaction: Transaction,
    document: PhaseDocument,
    record: HandOffRecord,
    now: datetime,
    *,
    evidence: bool,
) -> HandOffChange:
    """Return whether the next phase began, or what is tried instead (invariants 26 and 27)."""
    if evidence:
        return HandOffChange({("_trigger", "confirmed_at"): now, "_next_check_at": DELETE_FIELD}, "confirmed")
    if document.unsent:  # it is due for its alerts, which are sent now
        return HandOffChange({"_next_check_at": now + timedelta(seconds=hand_offs.limits.confirm)})
    if "given_up" in record.noted:
        return HandOffChange({"_next_check_at": DELETE_FIELD})
    if record.again < BUDGET:
        return hand_offs.published_again(transaction, document, record, now, BUDGET)
    return hand_offs.given_up(document, record, now, BUDGET)


def _of_another_program(
    hand_offs: HandOffs, transaction: Transaction, document: PhaseDocument, now: datetime
) -> HandOffChange:
    """Take over a hand-off that another program decided and did not publish; one that it published is its own."""
    if document.triggered:
        return HandOffChange({"_next_check_at": DELETE_FIELD})
    decision = decide(document, hand_offs.expectations[document.phase], now)
    alert = notices.not_published(document, hand_offs.successors[document.phase].phase)
    return hand_offs.decided(transaction, document, document.reason or decision.reason or "pending", now, (alert,))
