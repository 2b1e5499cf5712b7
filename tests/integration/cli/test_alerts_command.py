"""`nbactl alerts`: what rules found, what was sent, and whether Slack takes one."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug import Response

from nbactl.bootstrap import Container
from nbactl.bootstrap.reporting import make_alert_rules
from nbactl.config.loader import FILES
from nbactl.config.settings import load_settings
from nbactl.ports.documents import Create
from nbactl.workflows.writing import run_document, run_path
from tests.kit.paths import ROOT
from tests.kit.run_records import run as a_run

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer
    from werkzeug import Request

    from tests.integration.cli.conftest import Nbactl

PATH = "/services/T/B/secret"


class Slack:
    """A webhook that answers as it is told to; `url` is its secret address."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.port}{PATH}"
        self.got: list[Any] = []
        self.answer = Response("ok")
        server.expect_request(PATH, method="POST").respond_with_handler(self._take)

    def _take(self, request: Request) -> Response:
        self.got.append(request.get_json())
        return self.answer


@pytest.fixture
def slack(httpserver: HTTPServer) -> Slack:
    return Slack(httpserver)


def test_a_test_alert_is_accepted_before_it_is_said_to_be(nbactl: Nbactl, slack: Slack) -> None:
    env = {"NBACTL_SLACK_WEBHOOK_URL": slack.url}
    assert nbactl("alerts", "test", "--dry-run", env=env).returncode == 0
    assert slack.got == []
    done = nbactl("alerts", "test", "-o", "json", env=env)
    data = json.loads(done.stdout)["data"]
    assert (done.returncode, data["channels"], data["accepted"]) == (0, ["log", "slack"], True)
    assert len(slack.got) == 1
    assert "test alert of nbactl: nothing is wrong" in slack.got[0]["text"]
    assert "secret" not in done.stdout + done.stderr
    nbactl("alerts", "test", "--channel", "log", env=env)
    assert len(slack.got) == 1


@pytest.mark.parametrize(("status", "body"), [(404, "no_service"), (400, "invalid_payload"), (302, "")])
def test_a_refusal_is_7(nbactl: Nbactl, slack: Slack, status: int, body: str) -> None:
    slack.answer = Response(body, status)
    done = nbactl("alerts", "test", "--channel", "slack", "-o", "json", env={"NBACTL_SLACK_WEBHOOK_URL": slack.url})
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"], document["data"]) == (7, False, None)
    assert document["error"]["message"].startswith("slack did not accept the test alert")
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize("address", [None, "hooks.slack.com/services/secret"])
def test_a_channel_that_is_not_set_up_is_2(nbactl: Nbactl, address: str | None) -> None:
    env = {} if address is None else {"NBACTL_SLACK_WEBHOOK_URL": address}
    done = nbactl("alerts", "test", "--channel", "slack", env=env)
    assert done.returncode == 2
    assert "services/secret" not in done.stdout + done.stderr


def test_conditions_and_sent_alerts_are_listed(nbactl: Nbactl, slack: Slack) -> None:
    for name in FILES.values():
        text = (ROOT / name).read_text()
        # Whether today is in a season is not what this is about.
        (nbactl.directory / name).write_text(re.sub(r"^season:\n(?:  .*\n)+", "", text, flags=re.MULTILINE))
    env = {"NBACTL_SLACK_WEBHOOK_URL": slack.url}
    given = {"state_dir": str(nbactl.directory / ".nbactl")}
    with Container(load_settings(given, {}, nbactl.directory), environ=env) as app:
        now = app.clock.now()
        failed = [
            a_run(run_id=f"run-{number:014d}", status="failed", started_at=now - timedelta(hours=1), finished_at=now)
            for number in range(20)
        ]
        app.documents.commit([Create(run_path(run.run_id), run_document(run)) for run in failed])
        rules = make_alert_rules(app, app.alerts().send)
        assert rules.evaluate(now).sent == ("rule/failure_rate/1",)
        assert rules.evaluate(now + timedelta(minutes=5)).sent == ()
    assert len(slack.got) == 1
    data = json.loads(nbactl("alerts", "list", "-o", "json", env=env).stdout)["data"]
    [condition] = data["conditions"]
    assert (condition["rule"], condition["state"], condition["severity"]) == ("failure_rate", "open", "warning")
    [alert] = data["alerts"]
    assert alert["key"] == "rule/failure_rate/1"
    assert alert["sent_at"] is not None
    assert "20 of 20 runs failed within 24h" in nbactl("alerts", "list", env=env).stdout


def test_nothing_to_list(nbactl: Nbactl) -> None:
    done = nbactl("alerts", "list")
    assert done.returncode == 0
    assert "No alert rule has found anything that lasts." in done.stderr
    assert not (nbactl.directory / ".nbactl").exists()
