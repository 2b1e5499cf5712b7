"""The alerts of workflows that were due and did not run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.frozen import frozen
from nbactl.ports.alerts import Alert
from nbactl.schedule.decide import NOT_RUN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.config.workflows import AlertSpec, AlertsSpec, Workflow
    from nbactl.schedule.decide import Decision
    from nbactl.schedule.log import Recorded

_TITLES: Final = {
    "stale": "not run, because the schedule of games is not up to date",
    "missed": "missed",
    "waited": "not run, because what was waited for did not happen",
}


@frozen
class ScheduleAlerts:
    """Sends them to the channels of each workflow; `common` are those of the file."""

    workflows: Mapping[str, Workflow]
    common: AlertsSpec
    send: Callable[[Alert, Sequence[str]], None]

    def not_run(self, decisions: Sequence[Decision]) -> None:
        """Send one alert for all workflows that did not run for the same reason and are alerted of alike."""
        for why in NOT_RUN:
            groups: list[tuple[AlertSpec, list[Decision]]] = []
            for decision in decisions:
                if decision.why != why:
                    continue
                spec = self.workflows[decision.workflow].alert("not_run", self.common)
                group = next((group for known, group in groups if known == spec), None)
                if group is None:
                    groups.append((spec, group := []))
                group.append(decision)
            for spec, group in groups:
                names = ", ".join(dict.fromkeys(decision.workflow for decision in group))
                first = group[0]
                key = f"not_run/{why}/{first.workflow}/{first.game_date}"
                title = f"{names} {_TITLES[why]}"
                alert = Alert(key, spec.severity, title, first.reason, next_step="nbactl schedule decisions")
                self.send(alert, spec.channels)

    def orphan(self, decision: Recorded, what: str) -> None:
        """Send an alert of a decision whose run never began; `what` says what is done about it."""
        flow = self.workflows.get(decision.workflow)
        if flow is None:
            return
        spec = flow.alert("not_run", self.common)
        alert = Alert(
            f"orphan/{decision.id}",
            spec.severity,
            f"{decision.workflow} {decision.game_date} was due and its run never began: {what}",
            "The tick was killed.",
            {"decision": decision.id, "game date": str(decision.game_date)},
            "nbactl schedule decisions --orphans",
        )
        self.send(alert, spec.channels)
