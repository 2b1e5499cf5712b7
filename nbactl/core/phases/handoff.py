"""The hand-off from one phase to the next, as changes of the phase document.

The decision and the messages that start the next phase are one commit (invariant 7). Alerts are noted in the same
commit under `_unsent`, so that a process that dies before it has sent them leaves that to the next sweep. While a
document waits for anything, `_next_check_at` says when it is to be looked at.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.observe.events import Event, noop_hook
from nbactl.core.phases import notices
from nbactl.core.phases.decision import FALLBACK, decide, done_names, is_ours, mode_in_force, was_partial
from nbactl.core.phases.documents import HandOffRecord, document_path, parse_phase
from nbactl.core.phases.messages import PhaseTrigger, trigger_data
from nbactl.core.phases.publishing import HandOffChange, HandOffPublisher
from nbactl.frozen import frozen
from nbactl.ports.documents import DELETE_FIELD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.observe.events import Hook
    from nbactl.core.outbox.outbox import Outbox
    from nbactl.core.phases.decision import CompletionDeadline
    from nbactl.core.phases.documents import PhaseDocument
    from nbactl.core.phases.modes import PhaseExpectation
    from nbactl.core.phases.publishing import Fields, HandOffLimits
    from nbactl.ports.alerts import Alert
    from nbactl.ports.documents import Create, Document, DocumentStore, Transaction

_TABLES: Final = ("phase4",)
"""The phases that are started with a message for each table of the phase before."""


@frozen
class Successor:
    """The phase that follows, and the topic that starts it."""

    phase: str
    topic: str


class HandOffs:
    """Decides on hand-offs, publishes them and notes that.

    `deadline` gives the completion deadline of a phase and date, if it has one. `alert` never raises.
    """

    def __init__(
        self,
        documents: DocumentStore,
        outbox: Outbox,
        clock: Clock,
        expectations: Mapping[str, PhaseExpectation],
        successors: Mapping[str, Successor],
        *,
        limits: HandOffLimits,
        deadline: Callable[[str, GameDate], CompletionDeadline | None],
        alert: Callable[[Alert], None],
        hook: Hook = noop_hook,
    ) -> None:
        self.store = documents
        self.clock = clock
        self.expectations = expectations
        self.successors = successors
        self.limits = limits
        self.alert = alert
        self.publisher = HandOffPublisher(documents, outbox, clock, self.parse, limits=limits, alert=alert, hook=hook)
        self._outbox = outbox
        self._deadline = deadline
        self._before = {successor.phase: phase for phase, successor in successors.items()}

    def parse(self, phase: str, day: GameDate, document: Document | None) -> PhaseDocument:
        """Return what a document says. Raises DataError for one that cannot be read: nothing is written over it."""
        if document is not None:
            _ = document.data
        return parse_phase(document, phase, day, self.expectations[phase].known)

    def advance(self, transaction: Transaction, document: PhaseDocument, now: datetime) -> HandOffChange:
        """Return what follows for a phase that was not handed on: the decision, or when to look again."""
        successor = self.successors.get(document.phase)
        if successor is None or document.triggered:
            return HandOffChange({})
        if document.pending:
            return HandOffChange({} if document.next_check_at else {"_next_check_at": self._patience(document, now)})
        expectation = self.expectations[document.phase]
        deadline = self._deadline(document.phase, document.game_date)
        decision = decide(document, expectation, now, deadline)
        if decision.reason is not None:
            return self.decided(transaction, document, decision.reason, now)
        record = document.hand_off or HandOffRecord("idle", 1)
        fields: Fields = {}
        alerts, events = [], []
        noted = set(record.noted)
        if decision.lapsed is not None and "deadline" not in noted:
            noted.add("deadline")
            said = f"{successor.phase} would start now ({decision.lapsed}), without {', '.join(decision.missing)}"
            events.append(Event("handoff.lapsed", document.phase, {"reason": decision.lapsed, "said": said}))
        began = document.first_report_at or document.began_at or now
        overdue = began + timedelta(seconds=self.limits.overdue)
        if decision.next_at is None and now >= overdue and "overdue" not in noted:
            noted.add("overdue")
            alerts.append(notices.overdue(document, decision.missing, successor.phase))
        next_at = decision.next_at or (None if "overdue" in noted else overdue)
        if next_at != document.next_check_at:
            fields["_next_check_at"] = DELETE_FIELD if next_at is None else next_at
        if noted != record.noted:
            fields["_trigger"] = _stored(replace(record, noted=frozenset(noted)))
        if deadline is not None and document.began_at is not None and document.deadline_at is None:
            fields["_deadline_at"] = document.began_at + timedelta(seconds=deadline.after)
        return self.noting(document, HandOffChange(fields, alerts=tuple(alerts), events=tuple(events)), now)

    def decided(
        self,
        transaction: Transaction,
        document: PhaseDocument,
        reason: str,
        now: datetime,
        alerts: tuple[Alert, ...] = (),
    ) -> HandOffChange:
        """Return the decision with its messages, which go into the outbox in the same commit."""
        trigger = self._trigger(transaction, document, reason, now)
        creates, keys = self._announced(transaction, document, trigger, trigger.key, now)
        record = document.hand_off or HandOffRecord("idle", 1)
        fields: Fields = {
            "_trigger_pending": True,
            "_trigger_pending_at": now,
            "_trigger_reason": reason,
            "_trigger": _stored(replace(record, state="pending", key=trigger.key, messages=keys)),
            "_partial": trigger.partial,
            "_missing": list(trigger.missing),
            "_mode": trigger.mode,
            "_next_check_at": now + timedelta(seconds=self.limits.pending),
        }
        about = {"reason": reason, "partial": trigger.partial, "missing": len(trigger.missing)}
        events = [Event("handoff.decided", document.phase, about)]
        if reason.startswith(FALLBACK):
            alerts = (*alerts, notices.fallback(document, trigger))
            events.append(Event("deadline.fired", document.phase))
        return self.noting(document, HandOffChange(fields, reason, creates, keys, alerts, tuple(events)), now)

    def driven_again(self, document: PhaseDocument, record: HandOffRecord, now: datetime) -> HandOffChange:
        """Return what follows for messages that are decided and not published: try again, with one alert."""
        fields: Fields = {"_next_check_at": now + timedelta(seconds=self.limits.pending)}
        alerts: tuple[Alert, ...] = ()
        if "pending" not in record.noted:
            fields["_trigger"] = _stored(replace(record, noted=record.noted | {"pending"}))
            alerts = (notices.not_published(document, self.successors[document.phase].phase),)
        return self.noting(document, HandOffChange(fields, "driven", messages=record.messages, alerts=alerts), now)

    def published_again(
        self, transaction: Transaction, document: PhaseDocument, record: HandOffRecord, now: datetime, budget: int
    ) -> HandOffChange:
        """Return the messages of a hand-off once more, under new keys."""
        again = record.again + 1
        trigger = self._as_decided(document, record, now)
        creates, keys = self._announced(transaction, document, trigger, f"{trigger.key}/again/{again}", now)
        fields: Fields = {
            "_trigger": _stored(replace(record, messages=keys, again=again)),
            "_next_check_at": now + timedelta(seconds=self.limits.confirm),
        }
        alert = notices.not_started(document, trigger, again, budget)
        return self.noting(document, HandOffChange(fields, "again", creates, keys, (alert,)), now)

    def given_up(self, document: PhaseDocument, record: HandOffRecord, now: datetime, budget: int) -> HandOffChange:
        """Return the end of all tries."""
        noted = _stored(replace(record, noted=record.noted | {"given_up"}))
        alert = notices.given_up(document, self._as_decided(document, record, now), budget)
        return self.noting(document, HandOffChange({"_trigger": noted}, "given_up", alerts=(alert,)), now)

    def noting(self, document: PhaseDocument, change: HandOffChange, now: datetime) -> HandOffChange:
        """Return a change with its alerts noted, and with a time at which the document is looked at in any case."""
        if not change.alerts:
            return change
        unsent = [*map(dict, document.unsent), *(asdict(alert) for alert in change.alerts)]
        soon = now + timedelta(seconds=self.limits.pending)
        planned = change.fields.get("_next_check_at")
        next_at = planned if isinstance(planned, datetime) else None
        at = soon if next_at is None else min(next_at, soon)
        fields = {**change.fields, "_unsent": unsent, "_next_check_at": at}
        return replace(change, fields=fields, alerted_by=at, next_at=next_at)

    def _patience(self, document: PhaseDocument, now: datetime) -> datetime:
        return max(now, (document.pending_since or now) + timedelta(seconds=self.limits.pending))

    def _trigger(
        self, transaction: Transaction, document: PhaseDocument, reason: str, now: datetime
    ) -> PhaseTrigger:  # fmt: skip
        decision = decide(document, self.expectations[document.phase], now)
        return PhaseTrigger(
            self.successors[document.phase].phase,
            document.game_date,
            attempt=1 if document.hand_off is None else document.hand_off.attempt,
            mode=mode_in_force(document, now),
            reason=reason,
            correlation_id=_correlation(document),
            partial=decision.partial or self._after_partial(transaction, document, now),
            missing=decision.missing,
            decided_at=now,
        )

    def _after_partial(self, transaction: Transaction, document: PhaseDocument, now: datetime) -> bool:
        """Say whether an earlier phase was handed on with part of its data.

        What our orchestrator noted covers all before it; another program noted nothing.
        """
        day, before = document.game_date, self._before.get(document.phase)
        while before is not None:
            found = self.parse(before, day, transaction.get(document_path(before, day)))
            if was_partial(found, self.expectations[before], now):
                return True
            before = None if is_ours(found) else self._before.get(before)
        return False

    def _as_decided(self, document: PhaseDocument, record: HandOffRecord, now: datetime) -> PhaseTrigger:
        return PhaseTrigger(
            self.successors[document.phase].phase,
            document.game_date,
            attempt=record.attempt,
            mode=mode_in_force(document, now),
            reason=document.reason,
            correlation_id=_correlation(document),
            partial=document.partial,
            missing=document.missing,
            decided_at=document.pending_at,
        )

    def _announced(
        self, transaction: Transaction, document: PhaseDocument, trigger: PhaseTrigger, key: str, now: datetime
    ) -> tuple[tuple[Create, ...], tuple[str, ...]]:
        """Return the messages to be created and the keys of all; one that is there was announced before."""
        expectation = self.expectations[document.phase]
        tables: tuple[str, ...] = ()
        if trigger.phase in _TABLES:
            done = done_names(document, expectation)
            tables = tuple(name for name in expectation.of(mode_in_force(document, now)).names if name in done)
        topic = self.successors[document.phase].topic
        messages = {
            f"{key}/{data['source_table']}" if data.get("source_table") else key: data
            for data in trigger_data(trigger, tables)
        }
        creates = [self._outbox.message(one, topic, data) for one, data in messages.items()]
        missing = tuple(create for create in creates if transaction.get(create.path) is None)
        return missing, tuple(messages)


def _stored(record: HandOffRecord) -> dict[str, Any]:
    """Return a record as the map `_trigger`."""
    fields = {**asdict(record), "messages": list(record.messages), "noted": sorted(record.noted)}
    return {name: value for name, value in fields.items() if value not in (None, [], 0)}


def _correlation(document: PhaseDocument) -> str | None:
    """Return the correlation id of the report that came last."""
    dated = {report.completed_at: report.correlation_id for report in document.processors.values()}
    known = [at for at, correlation_id in dated.items() if at is not None and correlation_id]
    return dated[max(known)] if known else None
