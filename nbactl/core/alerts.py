"""Alerts: one per condition and window to a channel that costs attention, and none is lost on the way.

Whether an alert is sent is decided in the transaction that puts it into the outbox, so that of two processes one sends
it. The outbox delivers it, and its sweep delivers what was not delivered (invariant 7). Documents
`alerts/{channel}/{key}` hold the window: within it an alert is sent only if it is more severe than the one before.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, get_args

from nbactl.core._support.ids import encode_id
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.observe.events import Event, noop_hook
from nbactl.core.observe.masking import as_text
from nbactl.errors import DataError, NbactlError, NotFoundError
from nbactl.ports.alerts import Alert, Severity
from nbactl.ports.documents import Increment, Set, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.events import Hook
    from nbactl.core.outbox.outbox import Outbox
    from nbactl.ports.alerts import AlertChannel
    from nbactl.ports.bus import MessageBus, OutgoingMessage
    from nbactl.ports.documents import Document, DocumentStore, Transaction


_PREFIX: Final = "nbactl-alerts."


def topic_of(channel: str) -> str:
    """Return the topic of a channel; no topic of the pipeline has this prefix."""
    return f"{_PREFIX}{channel}"


def channel_of(topic: str) -> str | None:
    """Return the channel of a topic, None for a topic of the pipeline."""
    return topic.removeprefix(_PREFIX) if topic.startswith(_PREFIX) else None


def data_of(alert: Alert, held_back: int) -> dict[str, Any]:
    """Return an alert as a message's data; `held_back` is how many of its key were counted instead of sent."""
    return {**asdict(alert), "fields": dict(alert.fields), "held_back": held_back}


class AlertBus:
    """Publishes to channels of alerts."""

    def __init__(self, channels: Mapping[str, AlertChannel]) -> None:
        self._channels = channels

    def publish(
        self,
        topic: str,
        data: bytes,
        attributes: Mapping[str, str] | None = None,  # noqa: ARG002 - the port's
        *,
        ordering_key: str = "",  # noqa: ARG002
    ) -> str:
        """Send an alert. Raises what the channel raises; NotFoundError where this process has no such channel."""
        name = topic.removeprefix(_PREFIX)
        channel = self._channels.get(name)
        if channel is None:
            raise NotFoundError(
                f"alerts cannot be sent to {name} from here",
                cause="This process has no such channel.",
                next_step="Configure it (docs/alerts.md), then: nbactl outbox drive",
            )
        channel.send(_alert(data))
        return name

    def publish_many(self, topic: str, messages: Sequence[OutgoingMessage]) -> list[str]:
        """Send alerts one by one; the first that fails ends it."""
        return [self.publish(topic, message.data) for message in messages]


class RoutedBus:
    """Alerts to their channels, everything else to the bus of the target, which is made when it is needed."""

    def __init__(self, alerts: AlertBus, others: Callable[[], MessageBus]) -> None:
        self._alerts = alerts
        self._others = others

    def publish(
        self, topic: str, data: bytes, attributes: Mapping[str, str] | None = None, *, ordering_key: str = ""
    ) -> str:
        """Publish to whom the topic belongs."""
        bus = self._others() if channel_of(topic) is None else self._alerts
        return bus.publish(topic, data, attributes, ordering_key=ordering_key)

    def publish_many(self, topic: str, messages: Sequence[OutgoingMessage]) -> list[str]:
        """Publish to whom the topic belongs."""
        bus = self._others() if channel_of(topic) is None else self._alerts
        return bus.publish_many(topic, messages)


def _alert(data: bytes) -> Alert:
    try:
        content = json.loads(data)
        held_back = content.pop("held_back")
        alert = Alert(**content)
    except (ValueError, TypeError, KeyError) as error:
        raise DataError("a message of the outbox is not an alert", cause=str(error)) from error
    if not held_back:
        return alert
    return replace(alert, fields={**alert.fields, "held back since the last": str(held_back)})


_LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}
_LOG = logging.getLogger("nbactl.alerts")


class LogChannel:
    """Writes alerts to the log with their severity."""

    def send(self, alert: Alert) -> None:
        """Write one."""
        extra = {"alert": alert.key, "alert_severity": alert.severity, "alert_fields": dict(alert.fields)}
        _LOG.log(_LEVELS[alert.severity], "%s", alert.title, extra=extra)


def said_once(channels: Iterable[str]) -> list[str]:
    """Return the channels without the log, if the console says it and the log would be a second line beside it.

    Without a handler Python writes records to standard error (https://docs.python.org/3/library/logging.html).
    """
    found = list(channels)
    if "console" in found and not _LOG.hasHandlers():
        return [channel for channel in found if channel != "log"]
    return found


def said_in_log(channels: Iterable[str]) -> list[str]:
    """Return the channels of a process without a console: the log takes its place, if it has a handler."""
    found = list(channels)
    if not _LOG.hasHandlers():
        return found
    return list(dict.fromkeys("log" if channel == "console" else channel for channel in found))


class TextChannel:
    """Passes alerts as one line to a function that takes text, such as a console's."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def send(self, alert: Alert) -> None:
        """Write one."""
        self._write(f"alert ({alert.severity}): {alert.title}")


class InstrumentedChannel:
    """A channel that emits an event for every alert that it has delivered."""

    def __init__(self, name: str, channel: AlertChannel, hook: Hook) -> None:
        self._name = name
        self._channel = channel
        self._hook = hook

    def send(self, alert: Alert) -> None:
        """Send one. Raises what the channel raises."""
        self._channel.send(alert)
        self._hook(Event("alert.sent", self._name, {"severity": alert.severity}))


COLLECTION: Final = "alerts"
CONDITIONS: Final = "alert_conditions"
"""The collection of the conditions that alert rules found."""
_SEVERITIES: Final = get_args(Severity)


class Alerts:
    """Sends to `direct` channels at once and always (a log, a console), to `kept` ones through the outbox.

    `window` is for how many seconds an alert of the same key is counted instead of sent; `delivery_timeout` is how many
    seconds delivering one may take before it is left to the sweep. Where a background task sweeps the outbox,
    `dispatcher` wakes it instead, and raising an alert costs one commit.
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
        delivery_timeout: float,
        dispatcher: Callable[[], object] | None = None,
        hook: Hook = noop_hook,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._direct = direct
        self._kept = kept
        self._window = timedelta(seconds=window)
        self._delivery_timeout = delivery_timeout
        self._courier = dispatcher
        self._hook = hook

    def send(self, alert: Alert, channels: Iterable[str]) -> None:
        """Send an alert to those of the named channels that there are. Raises nothing: the work continues.

        What a kept channel does not take now is delivered by a sweep of the outbox. If the document store is down, the
        alert is sent directly, because it may be about the store.
        """
        alert = _sanitized(alert)
        for name in channels:
            try:
                if name in self._direct:
                    self._direct[name].send(alert)
                elif name in self._kept:
                    with deadline_scope(self._delivery_timeout, self._clock):
                        self._keep_and_deliver(alert, name)
            except Exception as error:  # noqa: BLE001 - the work continues whatever is wrong with a channel
                _LOG.warning("%s did not get the alert %s: %s", name, alert.key, error, exc_info=error)
                self._hook(Event("alert.failed", name, {"severity": alert.severity}))

    def _keep_and_deliver(self, alert: Alert, channel: str) -> None:
        try:
            message = self._keep(alert, channel)
        except NbactlError as error:
            _LOG.warning("the alert %s could not be kept and is sent directly", alert.key, exc_info=error)
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
            before = _window_of(transaction.get(path))
            if before is not None and before["window_ends_at"] > now and not _is_worse(alert, before):
                transaction.write(Update(path, {"suppressed": Increment(1)}))
                return None
            held_back = 0 if before is None else before["suppressed"]
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


def _window_of(document: Document | None) -> Mapping[str, Any] | None:
    """Return the window of an alert's key, None if there is none, or none that can be read: the alert is sent then."""
    if document is None:
        return None
    try:
        data = document.data
    except DataError as error:
        _LOG.warning("the window of an alert begins again: %s", error.message)
        return None
    if isinstance(data.get("window_ends_at"), datetime) and isinstance(data.get("suppressed"), int):
        return data
    _LOG.warning("the window of an alert begins again: %s lacks its end or its count", document.path)
    return None


def _is_worse(alert: Alert, before: Mapping[str, object]) -> bool:
    known = before.get("severity")  # what an earlier version kept has none
    return known not in _SEVERITIES or _SEVERITIES.index(alert.severity) > _SEVERITIES.index(known)


def _sanitized(alert: Alert) -> Alert:
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
