"""Invariant 22: every key of `alerts.rules` in workflows.yaml has a test that fails when the key is ignored."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.bootstrap.reporting import make_alert_rules
from nbactl.config.settings import load_settings
from tests.integration.config import task_functions
from tests.integration.config.keys import proves
from tests.integration.config.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.ports.alerts import Alert
    from nbactl.reporting.rules import RuleOutcome

RULE = {"when": "failure_rate", "window": "1h", "severity": "warning", "channels": ["log"], "next": "nbactl status"}


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Project:
    """Of two runs that have ended, one failed, at its second attempt."""
    task_functions.SEEN.clear()
    project = Project(tmp_path, capsys)
    project.workflows.pop("season", None)  # whether today is in one is not what this is about
    project.call("works", "one")
    project.call("fails", "fail")
    for name in ("works", "fails"):
        project.workflow(name)
        project.run("w")
    return project


def judged(project: Project, later: timedelta = timedelta(), **rule: Any) -> tuple[RuleOutcome, list[Any]]:
    """Evaluate the rule; returns its outcome, and severity, channels and next step of what is sent."""
    project.workflows["alerts"]["rules"] = {"failures": {**RULE, **rule}}
    project.load()
    sent: list[Any] = []

    def send(alert: Alert, channels: Any) -> None:
        sent.append((alert.severity, tuple(channels), alert.next_step))

    given = {"config_dir": str(project.folder), "state_dir": str(project.folder / "state")}
    with Container(load_settings(given, {}, project.folder), environ={}) as app:
        done = make_alert_rules(app, send).evaluate(app.clock.now() + later)
    return done.outcomes[0], sent


@proves(
    "workflows.yaml: alerts.rules.*.severity",
    "workflows.yaml: alerts.rules.*.channels",
    "workflows.yaml: alerts.rules.*.next",
)
def test_inv_22_what_an_alert_rule_says(project: Project) -> None:
    keys: dict[str, Any] = {"severity": "critical", "channels": ["slack", "console"], "next": "call ana"}
    assert judged(project, **keys)[1] == [("critical", ("slack", "console"), "call ana")]


@proves("workflows.yaml: alerts.rules.*.when", "workflows.yaml: alerts.rules.*.above")
def test_inv_22_conditions_and_limits_of_alert_rules(project: Project) -> None:
    outcome, _ = judged(project)
    assert (outcome.state, outcome.value, outcome.sample) == ("alerting", 0.5, 2)
    assert judged(project, above=0.5)[0].state == "quiet"
    assert (
        judged(project, when="error_spike", above=0.5)[0].why == "1 of 2 attempts of tasks failed (50.0%, limit 50.0%)"
    )
    reasons = {
        when: judged(project, when=when)[0].why for when in ("cost_anomaly", "health", "rollout", "late_outputs")
    }
    assert reasons["cost_anomaly"].startswith("this target keeps no history")
    assert reasons["health"].startswith("no service is deployed")
    assert reasons["rollout"] == "no rollout is under way"
    assert reasons["late_outputs"].startswith("nothing was due from ")


@proves("workflows.yaml: alerts.rules.*.window", "workflows.yaml: alerts.rules.*.minimum")
def test_inv_22_on_what_alert_rules_rest(project: Project) -> None:
    assert judged(project, minimum=3)[0].why == "2 of the 3 runs that a verdict needs"
    outcome, _ = judged(project, timedelta(hours=2), window="90m")
    assert (outcome.state, outcome.sample) == ("too_few", 0)
    assert judged(project, timedelta(hours=2), window="3h")[0].state == "alerting"


def test_rules_are_explained(project: Project) -> None:
    project.workflows["alerts"]["rules"] = {"failures": RULE}
    window = project.command("config", "explain", "alerts.rules.failures.window")["data"]
    assert (window["value"], window["is_set"]) == ("1h", True)
    assert window["meaning"].startswith("How far back it looks.")
    assert project.command("config", "explain", "alerts.rules.failures.minimum")["data"]["value"] == 1


def test_inv_21_mistakes_in_alert_rules_are_refused(project: Project) -> None:
    project.workflows["alerts"]["rules"] = {
        "a": {**RULE, "when": "failure_rates"},
        "b": {**RULE, "channels": []},
        "c": {**RULE, "window": "soon", "below": 1},
    }
    said = "\n".join(project.problems())
    for part in ("failure_rates", "alerts.rules.b.channels", "alerts.rules.c.window", "below"):
        assert part in said
