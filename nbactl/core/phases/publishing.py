"""What follows a durable change of a phase document: messages are published and alerts sent, and that is noted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core.observe.events import noop_hook
from nbactl.core.outbox.messages import published_at
from nbactl.core.phases.documents import PhaseDocument, document_path
from nbactl.errors import NbactlError, NotFoundError
from nbactl.frozen import frozen
from nbactl.ports.alerts import Alert
from nbactl.ports.documents import DELETE_FIELD, ArrayRemove, Document, FieldPath, Update

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.observe.events import Event, Hook
    from nbactl.core.outbox.outbox import Outbox
    from nbactl.ports.documents import Create, DocumentStore, Transaction

Fields = dict[FieldPath, Any]
Parse = Callable[[str, "GameDate", Document | None], PhaseDocument]
ATTEMPTS: Final = 12
"""How often a transaction on a phase document is tried: the processors of a phase end close together."""
LAPSED: Final = "handoff.lapsed"
"""The event of a deadline that would have started the next phase, had its flag been on."""
_LOG = logging.getLogger("nbactl.handoff")


@frozen
class HandOffLimits:
    """After how many seconds something is looked into, or an alert is sent.

    `pending`: a decision is not published. `confirm`: the next phase left no trace. `overdue`: a phase that began does
    not lead on.
    """

    pending: float
    confirm: float
    overdue: float


@dataclass(frozen=True, slots=True)
class HandOffChange:
    """What is written into a phase document, and what is done once it is durable.

    `what` is a word for it. `messages` are keys of the outbox that are driven then. With alerts the document is looked
    at again at `alerted_by`, so that they are not lost; once they are sent, at `next_at`.
    """

    fields: Fields
    what: str | None = None
    creates: tuple[Create, ...] = ()
    messages: tuple[str, ...] = ()
    alerts: tuple[Alert, ...] = ()
    events: tuple[Event, ...] = ()
    alerted_by: datetime | None = None
    next_at: datetime | None = None


def triggered(now: datetime, limits: HandOffLimits) -> Fields:
    """Return the fields of a hand-off that was published, as production's programs expect them."""
    return {
        "_triggered": True,
        "_triggered_at": now,
        "_trigger_succeeded": True,
        "_trigger_pending": DELETE_FIELD,
        ("_trigger", "state"): "published",
        "_next_check_at": now + timedelta(seconds=limits.confirm),
    }


class HandOffPublisher:
    """Publishes, alerts and notes both. `alert` never raises."""

    def __init__(
        self,
        store: DocumentStore,
        outbox: Outbox,
        clock: Clock,
        parse: Parse,
        *,
        limits: HandOffLimits,
        alert: Callable[[Alert], None],
        hook: Hook = noop_hook,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._parse = parse
        self._limits = limits
        self._alert = alert
        self._hook = hook

    def finish(
        self, phase: str, day: GameDate, change: HandOffChange, unsent: Collection[Mapping[str, Any]] = ()
    ) -> bool:
        """Publish and send what a durable change calls for, and note that; returns whether all was published.

        What the bus does not take now stays in the outbox, whose sweep publishes it.
        """
        for event in change.events:
            if event.kind == LAPSED:
                _LOG.warning("%s of %s is past its deadline, and the flag is off: %s", phase, day, event.fields["said"])
            self._hook(event)
        published = [self._drive(key) for key in change.messages]
        reach("phases.published")
        sent = [asdict(alert) for alert in change.alerts] + [dict(one) for one in unsent]
        for one in sent:
            self._send(one)
        done = bool(published) and all(published)
        if done or sent:
            self._note(phase, day, change, sent, published=done)
        return done

    def are_published(self, keys: Collection[str]) -> bool:
        """Say whether all messages with these keys were published."""
        try:
            return bool(keys) and all(published_at(self._store, key) is not None for key in keys)
        except NotFoundError:
            return False

    def _note(
        self, phase: str, day: GameDate, change: HandOffChange, sent: list[dict[str, Any]], *, published: bool
    ) -> None:
        path = document_path(phase, day)

        def note(transaction: Transaction) -> None:
            stored = transaction.get(path)
            if stored is None:
                return
            document = self._parse(phase, day, stored)
            fields: Fields = {"_unsent": ArrayRemove(tuple(sent))} if sent else {}
            if change.alerted_by is not None and document.next_check_at == change.alerted_by:
                fields["_next_check_at"] = change.next_at or DELETE_FIELD
            record = document.hand_off
            if published and document.pending and record is not None and record.messages == change.messages:
                fields |= triggered(self._clock.now(), self._limits)
            if fields:
                transaction.write(Update(path, fields))

        self._store.transaction(note, max_attempts=ATTEMPTS)

    def _drive(self, key: str) -> bool:
        try:
            return self._outbox.drive(key) or published_at(self._store, key) is not None
        except NbactlError as error:
            _LOG.warning("the message %s waits in the outbox: %s", key, error.message)
            return False

    def _send(self, alert: Mapping[str, Any]) -> None:
        try:
            self._alert(Alert(**alert))
        except TypeError:
            _LOG.warning("an alert in a phase document cannot be read: %r", alert)
