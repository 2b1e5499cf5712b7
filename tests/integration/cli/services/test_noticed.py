"""Incidents 8 to 11 are noticed by `schedule tick`: the alert rule `services` on services of the loopback Cloud Run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nbactl.bootstrap import Container
from nbactl.bootstrap.reporting import make_alert_rules
from nbactl.config.settings import load_settings
from tests.kit.cloud_run_server import PROJECT

if TYPE_CHECKING:
    from nbactl.ports.alerts import Alert
    from tests.integration.cli.services.conftest import Deployed

COORDINATOR, EXPORT, SCRAPERS, GRADING = (
    "prediction-coordinator",
    "phase6-export",
    "nba-scrapers",
    "nba-grading-service",
)
CI = "ci@example.com"


def test_incidents_8_to_11_are_alerts_once_they_last(deployed: Deployed) -> None:
    deployed.declared = {
        COORDINATOR: {"min_instances": 1},
        SCRAPERS: {"smoke": {"path": "/ready", "method": "GET"}},
    }
    deployed.routes.answers[SCRAPERS, "/ready"] = (500, "No module named 'shared'")
    container = deployed.cloud.services[EXPORT]["template"]["containers"][0]
    deployed.cloud.redeploy(EXPORT, by=CI, containers=[{**container, "env": [{"name": "MODE", "value": "slow"}]}])
    deployed.cloud.pin(GRADING)
    deployed.cloud.redeploy(GRADING, by=CI)
    deployed.nbactl("list")  # writes the files
    sent: list[str] = []

    def send(alert: Alert, _: Any) -> None:
        sent.append(f"{alert.severity}: {alert.title}")

    given = {"config_dir": deployed.folder, "state_dir": str(deployed.folder / "state"), "target": "gcp"}
    settings = load_settings({**given, "project": PROJECT}, {}, deployed.folder)
    environ = {"CLOUD_RUN_EMULATOR_HOST": deployed.cloud.address, "FIRESTORE_EMULATOR_HOST": deployed.firestore}
    with Container(settings, environ=environ) as app:
        shipped = app.config.workflows.alerts.rules
        for name in [name for name in shipped if name != "services"]:
            del shipped[name]
        app.config.workflows.season.clear()
        rules, now = make_alert_rules(app, send), app.clock.now()
        first = rules.evaluate(now).outcomes[0]
        assert (first.state, first.why) == ("waiting", "4 of 7 declared services are not as they should be")
        assert rules.evaluate(now + timedelta(minutes=14)).outcomes[0].state == "resting"
        assert sent == []
        assert rules.evaluate(now + timedelta(minutes=31)).outcomes[0].state == "alerting"
    failure = "GET /ready answered 500, not 200: No module named 'shared'. Its /health is green all the same."
    assert sorted(sent) == [
        f"critical: {GRADING}: its newest revision gets 0 % of requests",
        f"critical: {SCRAPERS}: {failure}",
        f"critical: {EXPORT}: lost 3 variables: API_KEY, GCP_PROJECT, TOPIC",
        f"critical: {COORDINATOR}: min_instances is 0, declared 1",
    ]
