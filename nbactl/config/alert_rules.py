"""The rules of `alerts.rules` in workflows.yaml: conditions that every `schedule tick` judges."""

from __future__ import annotations

from typing import Annotated, Literal

from nbactl.config.base import NOT_EMPTY, Seconds, Strict, at_least, characters

AlertCondition = Literal[
    "failure_rate", "error_spike", "cost_anomaly", "health", "rollout", "late_outputs", "services", "jobs"
]


class AlertRule(Strict):
    """A condition that every `schedule tick` judges from what is stored, and alerts of once when it begins."""

    when: AlertCondition
    """failure_rate: failed among the runs. error_spike: failed among the attempts of tasks. cost_anomaly: how much more
    the last 24 hours were billed than the median day. health: unhealthy among the services. rollout: paused or overdue
    among the open rollouts. late_outputs: missing, failed or late among the required outputs of a date that are due.
    services: not as declared, not getting requests, or not working among the declared services. jobs: scheduled jobs
    that are paused without a reason, fail, or send what their target does not take.
    """
    above: Annotated[float, at_least(0)] = 0.0
    """The share, or for cost_anomaly the increase, above which it is an alert: 0.02 is 2 %."""
    window: Seconds
    """How far back it looks. For health, rollout, services and jobs: how long the condition must last. While it lasts,
    the alert is sent again once a window, and at most once in the timeout alert.window.
    """
    minimum: Annotated[int, at_least(1)] = 1
    """With fewer runs, attempts, days, services, rollouts or outputs there is no verdict."""
    severity: Literal["info", "warning", "critical"]
    channels: Annotated[tuple[Literal["console", "log", "slack"], ...], NOT_EMPTY]
    next: Annotated[str, characters(1)]
    """What to do about it: the last line of the alert."""
