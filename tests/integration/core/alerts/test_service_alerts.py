"""A service that raises alerts while Slack is slow, and while it stops: real processes, a real server."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from werkzeug import Response

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.outbox.messages import pending_messages
from tests.kit.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_httpserver import HTTPServer
    from werkzeug import Request

APP = "tests.kit.small_service:app"


class Slack:
    """Takes messages once it is `open`; until then whoever posts one waits."""

    def __init__(self, server: HTTPServer) -> None:
        self.open, self.asked = threading.Event(), threading.Event()
        self.got: list[str] = []
        self.environ = {"NBACTL_SLACK_WEBHOOK_URL": f"http://127.0.0.1:{server.port}/services/T/B/secret"}
        server.expect_request("/services/T/B/secret").respond_with_handler(self._take)

    def _take(self, request: Request) -> Response:
        self.asked.set()
        assert self.open.wait(60)
        self.got.append(request.get_json()["attachments"][0]["blocks"][-1]["elements"][0]["text"])
        return Response("ok")


@pytest.fixture
def slack(httpserver: HTTPServer) -> Iterator[Slack]:
    made = Slack(httpserver)
    yield made
    made.open.set()


def eventually(what: str, holds: object) -> None:
    give_up = time.monotonic() + 60
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < give_up, what
        time.sleep(0.05)


def waiting(folder: Path) -> list[str]:
    with closing(SqliteDocuments(folder / "state" / "documents.db", clock=SystemClock(), busy_timeout=5.0)) as store:
        return [each.key for each in pending_messages(store)]


def test_no_request_waits_for_slack(tmp_path: Path, slack: Slack) -> None:
    with ServiceProcess(APP, tmp_path, slack.environ) as service:
        for key in ("a", "b", "b"):
            assert service.get(f"/alert?{key}") == (200, b"told"), "answered while Slack lets its first caller wait"
        assert slack.got == []
        assert slack.asked.wait(60), "it is told at once, not at the next sweep"
        slack.open.set()
        eventually("both conditions are told", lambda: len(slack.got) == 2)
    assert slack.got == ["critical · a", "critical · b"]


def test_what_was_raised_last_is_sent_before_the_service_ends(tmp_path: Path, slack: Slack) -> None:
    slack.open.set()
    with ServiceProcess(APP, tmp_path, {**slack.environ, "NBACTL_TIMEOUT_SERVICE_STOP_STEPS": "30s"}) as service:
        for key in ("a", "b"):
            service.get(f"/alert?{key}")
        service.stop(60.0)
    assert slack.got == ["critical · a", "critical · b"]
    assert waiting(tmp_path) == []


def test_inv_07_an_alert_outlives_the_process_that_raised_it(tmp_path: Path, slack: Slack) -> None:
    with ServiceProcess(APP, tmp_path, {**slack.environ, "NBACTL_TIMEOUT_OUTBOX_REDRIVE": "65s"}) as service:
        service.get("/alert?a")
        assert slack.asked.wait(60)
        service.kill()  # between the commit and Slack's answer
    [key] = waiting(tmp_path)
    assert key.startswith("alert/slack/a/critical/")
