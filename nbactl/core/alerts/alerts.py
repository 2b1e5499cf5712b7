"""Sends alerts: at most one per condition and window to a channel that costs attention, and none is lost on the way.

Whether an alert is sent is decided in the transaction that puts it into the outbox, so that of two processes one tells.
The outbox delivers it, and its sweep delivers what was not (invariant 7). Documents `alerts/{channel}/{key}` hold the
window: in it an alert is sent only if it is worse than the one that began it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, get_args

from nbactl.core._support.document_ids import encode_id
from nbactl.core.alerts.channels import data_of, topic_of
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.observe.events import Event, noop_hook
from nbactl.core.observe.masking import as_text
from nbactl.errors import NbactlError
from nbactl.ports.alerts import Severity
from nbactl.ports.documents import Increment, Set, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.events import Hook
    from nbactl.core.outbox.outbox import Outbox
    from nbactl.ports.alerts import Alert, AlertChannel
    from nbactl.ports.documents import DocumentStore, Transaction

_LOG = logging.getLogger("nbactl.alerts")
COLLECTION: Final = "alerts"
_SEVERITIES: Final = get_args(Severity)


class Alerts:
    """Tells `direct` channels at once and always (a log, a console), `kept` ones through the outbox.

    `window` is for how many seconds an alert of the same key is counted instead of sent; `patience` is how many seconds
    may go into delivering one before it is left to the sweep. With a background sweep, `dispatcher` triggers it
    instead, and raising an alert costs one commit.
    """

    def __init__(
        self,
        store: DocumentStore,
        outbox: Outbox,
        clock: Clock,
        *,
        direct: Mapping[str, AlertChannel],
        kept: Mapping[str, AlertChannel],
        window: float,
        patience: float,
        dispatcher: Callable[[], object] | None = None,
        hook: Hook = noop_hook,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._direct = direct
        self._kept = kept
        self._window = timedelta(seconds=window)
        self._patience = patience
        self._courier = dispatcher
        self._hook = hook

    def send(self, alert: Alert, channels: Iterable[str]) -> None:
        """Send an alert to those of the named channels that there are. Raises nothing: the work goes on.

        What a kept channel does not take now is delivered by a sweep of the outbox. If the document store is down, the
        channel is told at once, for the store may be what the alert is about.
        """
        alert = _sayable(alert)
        for name in channels:
            try:
                if name in self._direct:
                    self._direct[name].send(alert)
                elif name in self._kept:
                    with deadline_scope(self._patience, self._clock):
                        self._keep_and_deliver(alert, name)
            except Exception as error:  # noqa: BLE001 - the work goes on whatever is wrong with who is told of it
                _LOG.warning("%s was not told of the alert %s: %s", name, alert.key, error, exc_info=error)
                self._hook(Event("alert.failed", name, {"severity": alert.severity}))

    def _keep_and_deliver(self, alert: Alert, channel: str) -> None:
        try:
            message = self._keep(alert, channel)
        except NbactlError as error:
            _LOG.warning("the alert %s could not be kept, and is sent at once", alert.key, exc_info=error)
            self._kept[channel].send(alert)
        else:
            if message is None:
                self._hook(Event("alert.suppressed", channel, {"severity": alert.severity}))
            elif self._courier is not None:
                self._courier()
            else:
                try:
                    self._outbox.drive(message)
                except NbactlError as error:
                    _LOG.warning("the alert %s waits in the outbox for %s: %s", alert.key, channel, error)
                    self._hook(Event("alert.failed", channel, {"severity": alert.severity}))

    def _keep(self, alert: Alert, channel: str) -> str | None:
        """Put the alert into the outbox and return its key there; None if its window is not over."""
        now = self._clock.now()
        path = f"{COLLECTION}/{encode_id(f'{channel}/{alert.key}')}"
        message = f"alert/{channel}/{alert.key}/{alert.severity}/{now.isoformat()}"

        def decide(transaction: Transaction) -> str | None:
            before = transaction.get(path)
            is_news = before is None or before.data["window_ends_at"] <= now or _is_worse(alert, before.data)
            if not is_news:
                transaction.write(Update(path, {"suppressed": Increment(1)}))
                return None
            held_back = 0 if before is None else before.data["suppressed"]
            ends = now + self._window
            fields = {
                "severity": alert.severity,
                "window_ends_at": ends,
                "suppressed": 0,
                "expires_at": ends + self._window,
            }
            announced = self._outbox.message(message, topic_of(channel), data_of(alert, held_back))
            transaction.write(Set(path, fields), announced)
            return message

        return self._store.transaction(decide)


def _is_worse(alert: Alert, before: Mapping[str, object]) -> bool:
    known = before.get("severity")  # what an earlier version kept has none
    return known not in _SEVERITIES or _SEVERITIES.index(alert.severity) > _SEVERITIES.index(known)


def _sayable(alert: Alert) -> Alert:
    """Return the alert with nothing in it but text that every channel can send."""
    return replace(
        alert,
        key=_text(alert.key),
        title=_text(alert.title),
        text=_text(alert.text),
        fields={_text(name): _text(value) for name, value in alert.fields.items()},
        next_step=None if alert.next_step is None else _text(alert.next_step),
    )


def _text(value: object) -> str:
    return as_text(value).encode("utf-8", "backslashreplace").decode()
