"""Tells somebody that a run went wrong, as `alerts` in workflows.yaml says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.ports.alerts import Alert
from nbactl.workflows.eventlog import run_context
from nbactl.workflows.model import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbactl.config.workflows import Alerts
    from nbactl.workflows.model import RunEvent, RunRecord


class RunAlerts:
    """Observes runs and sends an alert through each channel of its kind when one fails or is partial."""

    def __init__(self, alerts: Alerts, send: Callable[[Alert, Iterable[str]], None]) -> None:
        self._rules = {
            RunStatus.FAILED: ("run_failed", alerts.run_failed),
            RunStatus.PARTIAL: ("run_partial", alerts.run_partial),
        }
        self._send = send

    def __call__(self, event: RunEvent) -> None:
        """Observe an event."""
        if event.kind != "run_finished" or event.run.status not in self._rules:
            return
        name, rule = self._rules[event.run.status]
        run = event.run
        undone = [f"{task.name} {task.status.value.replace('_', ' ')}" for task in run.tasks if not task.status.done]
        told = ", ".join(undone) or run.reason or "no task is open"
        alert = Alert(
            key=f"{name}/{run.name}/{run.game_date}",
            severity=rule.severity,
            title=f"{run.name} {run.game_date} {run.status.value}: {told}",
            text=_first_error(run),
            fields={"run": run.run_id, "game date": str(run.game_date), "target": run.target},
            next_step=f"nbactl runs show {run.run_id} -v",
        )
        with run_context(run):
            self._send(alert, rule.channels)


def _first_error(run: RunRecord) -> str:
    return next((f"{task.name}: {task.error['message']}" for task in run.tasks if task.error is not None), "")
