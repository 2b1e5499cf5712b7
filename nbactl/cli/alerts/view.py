"""Alerts as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment

if TYPE_CHECKING:
    from nbactl.cli.alerts.command import Accepted, AlertList
    from nbactl.cli.show.console import Console
    from nbactl.reporting.conditions import Condition

_SHOWN: Final = 20
_STYLES: Final = {"critical": "bold red", "warning": "yellow", "info": "dim"}


def alert_list(found: AlertList) -> View:
    """Show conditions and alerts."""

    def show(console: Console) -> None:
        if not found.rules:
            console.note("No alert rule is declared: alerts.rules in workflows.yaml.")
        if found.open:
            _conditions(console, "Lasting", found.open)
        else:
            console.note("No alert rule has found anything that lasts.")
        if found.ended:
            console.print()
            _conditions(console, "Ended", found.ended)
        if found.sent:
            console.print()
            console.print(Styled("Sent to Slack", "bold"))
            console.table(
                ["raised", "severity", "sent", "alert"],
                [
                    (
                        moment(alert.raised_at),
                        Styled(alert.severity, _STYLES.get(alert.severity, "")),
                        "yes" if alert.sent_at else Styled("waits", "yellow"),
                        alert.title,
                    )
                    for alert in found.sent[:_SHOWN]
                ],
                optional=["sent"],
            )
            console.showing(min(len(found.sent), _SHOWN), len(found.sent), "alerts", more="Use -o json for all.")
        elif not found.slack:
            console.note("Slack is not set up, so no alert is kept. Alerts are in the logs of runs and services.")

    data = {
        "conditions": [*map(_condition_json, (*found.open, *found.ended))],
        "alerts": list(found.sent),
        "rules": list(found.rules),
        "slack": found.slack,
    }
    return View(data, show, items="conditions")


def accepted(done: Accepted) -> View:
    """Show which channels took the test alert."""
    names = " and ".join(done.channels)

    def show(console: Console) -> None:
        if done.request.dry_run:
            console.note(f"Would send a test alert to {names}.")
        else:
            console.note(f"Sent a test alert: {names} accepted it.")
        if not done.slack:
            console.note("Slack is not set up: NBACTL_SLACK_WEBHOOK_URL.")

    data = {"channels": list(done.channels), "accepted": not done.request.dry_run, "slack": done.slack, "at": done.at}
    return View(data, show, touched=f"alert channels {names}")


def _conditions(console: Console, title: str, conditions: tuple[Condition, ...]) -> None:
    console.print(Styled(title, "bold"))
    console.table(
        ["since", "severity", "rule", "what"],
        [
            (
                moment(one.since),
                Styled("waits" if one.waiting else one.severity, _STYLES.get(one.severity, "")),
                one.rule,
                one.title,
            )
            for one in conditions[:_SHOWN]
        ],
    )
    console.showing(min(len(conditions), _SHOWN), len(conditions), "conditions", more="Use -o json for all.")


def _condition_json(condition: Condition) -> dict[str, Any]:
    return {
        "rule": condition.rule,
        "subject": condition.subject or None,
        "severity": condition.severity,
        "title": condition.title,
        "state": "waiting" if condition.waiting else "open" if condition.open else "ended",
        "since": condition.since,
        "until": condition.ended_at,
        "alerted_at": condition.alerted_at,
        "past": [{"since": began, "until": ended} for began, ended in condition.past],
    }
