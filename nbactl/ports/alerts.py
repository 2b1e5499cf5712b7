"""The alerts port: how people learn that something went wrong."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal, Protocol

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

Severity = Literal["info", "warning", "critical"]


@frozen
class Alert:
    """Something that a person has to know.

    `key` names the condition, such as `run_failed/phase3/2024-01-15`: alerts of one key within a window are one alert.
    `fields` are shown as pairs.
    """

    key: str
    severity: Severity
    title: str
    text: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    next_step: str | None = None


class AlertChannel(Protocol):
    """A way to send alerts to people."""

    def send(self, alert: Alert) -> None:
        """Deliver an alert. Raises UnavailableError when it could not be delivered and a retry makes sense."""
        ...
