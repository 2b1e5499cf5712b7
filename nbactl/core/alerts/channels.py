"""The channels that every process has, its log and a text for a person, and what tells of a channel's alerts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from nbactl.core.observe.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core.observe.events import Hook
    from nbactl.ports.alerts import Alert, AlertChannel

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


class HeardChannel:
    """A channel whose alerts are heard of when they have gone out, whoever sent them and whenever."""

    def __init__(self, name: str, channel: AlertChannel, hook: Hook) -> None:
        self._name = name
        self._channel = channel
        self._hook = hook

    def send(self, alert: Alert) -> None:
        """Send one. Raises what the channel raises."""
        self._channel.send(alert)
        self._hook(Event("alert.sent", self._name, {"severity": alert.severity}))
