"""Tells somebody that a run went wrong, as `alerts` in workflows.yaml says."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.workflows.eventlog import run_context
from nbactl.workflows.model import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.config.workflows import Alerts
    from nbactl.workflows.model import RunEvent, RunRecord

_LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunAlert:
    """One alert. `event` is its key in workflows.yaml."""

    event: str
    severity: str
    message: str
    run: RunRecord


class RunAlerts:
    """Observes runs and sends an alert through each channel of its kind when one fails or is partial."""

    def __init__(self, alerts: Alerts, channels: Mapping[str, Callable[[RunAlert], None]]) -> None:
        self._rules = {
            RunStatus.FAILED: ("run_failed", alerts.run_failed),
            RunStatus.PARTIAL: ("run_partial", alerts.run_partial),
        }
        self._channels = channels

    def __call__(self, event: RunEvent) -> None:
        """Observe an event."""
        if event.kind != "run_finished" or event.run.status not in self._rules:
            return
        name, rule = self._rules[event.run.status]
        alert = RunAlert(name, rule.severity, _message(event.run), event.run)
        with run_context(event.run):
            for channel in rule.channels:
                self._channels[channel](alert)


def log_alert(alert: RunAlert) -> None:
    """Write an alert to the log (channel `log`)."""
    _log.log(
        _LEVELS[alert.severity], "%s", alert.message, extra={"alert": alert.event, "alert_severity": alert.severity}
    )


def _message(run: RunRecord) -> str:
    undone = [f"{task.name} {task.status.value.replace('_', ' ')}" for task in run.tasks if not task.status.done]
    return f"{run.name} {run.game_date} {run.status.value}: {', '.join(undone) or run.reason or 'no task is open'}"
