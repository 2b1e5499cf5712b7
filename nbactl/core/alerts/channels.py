"""The channels that every process has, its log and a text for a person, and what tells of a channel's alerts."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.observe.events import Event
from nbactl.errors import DataError, NotFoundError
from nbactl.ports.alerts import Alert

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.core.observe.events import Hook
    from nbactl.ports.alerts import AlertChannel
    from nbactl.ports.bus import MessageBus

_PREFIX: Final = "nbactl-alerts."


def topic_of(channel: str) -> str:
    """Return the topic that stands for a channel; no topic of the pipeline begins like it."""
    return f"{_PREFIX}{channel}"


def channel_of(topic: str) -> str | None:
    """Return the channel that a topic stands for, None if it is one of the pipeline's."""
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


def _alert(data: bytes) -> Alert:
    try:
        content = json.loads(data)
        held_back = content.pop("held_back")
        alert = Alert(**content)
    except (ValueError, TypeError, KeyError) as error:
        raise DataError("a message of the outbox is no alert", cause=str(error)) from error
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


class TextChannel:
    """Tells alerts as one line to whatever takes a text, such as a console."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell

    def send(self, alert: Alert) -> None:
        """Tell one."""
        self._tell(f"alert ({alert.severity}): {alert.title}")


class InstrumentedChannel:
    """A channel whose alerts are heard of when they have gone out, whoever sent them and whenever."""

    def __init__(self, name: str, channel: AlertChannel, hook: Hook) -> None:
        self._name = name
        self._channel = channel
        self._hook = hook

    def send(self, alert: Alert) -> None:
        """Send one. Raises what the channel raises."""
        self._channel.send(alert)
        self._hook(Event("alert.sent", self._name, {"severity": alert.severity}))
