"""A run that fails tells Slack, or leaves the alert for the sweep: by real processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from werkzeug import Response

from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_httpserver import HTTPServer
    from werkzeug import Request


def nbactl(folder: Path, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NBACTL_")}
    environ |= {"PYTHONPATH": str(ROOT), "NBACTL_SLACK_WEBHOOK_URL": url, "NBACTL_STATE_DIR": str(folder / "state")}
    return subprocess.run(
        [sys.executable, "-m", "nbactl", *words, "-o", "json"],
        cwd=folder, env=environ, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def failing_project(folder: Path) -> None:
    """A workflow whose only task fails."""
    text = (ROOT / "workflows.yaml").read_text()
    (folder / "workflows.yaml").write_text(
        text.replace(
            "    description: Games of the date, with scores as far as they are known\n    processor: collect\n"
            "    with: {dataset: schedule}\n",
            "    description: Games of the date, with scores as far as they are known\n    command: ['false']\n",
        )
    )
    for name in ("timeouts.yaml", "flags.yaml"):
        (folder / name).write_text((ROOT / name).read_text())


def test_a_failed_run_tells_slack_once_within_the_window(tmp_path: Path, httpserver: HTTPServer) -> None:
    got: list[Any] = []

    def take(request: Request) -> Response:
        got.append(request.get_json())
        return Response("ok")

    httpserver.expect_request("/services/T/B/secret").respond_with_handler(take)
    failing_project(tmp_path)
    url = f"http://127.0.0.1:{httpserver.port}/services/T/B/secret"
    for _ in range(2):
        done = nbactl(tmp_path, url, "run", "schedule", "--date", "2024-12-25")
        assert done.returncode == 1, done.stderr
    assert len(got) == 1
    assert "schedule 2024-12-25 failed: schedule failed" in got[0]["text"]
    assert json.loads(nbactl(tmp_path, url, "outbox", "list").stdout)["data"]["messages"] == []


def test_an_address_that_is_none_stops_no_run_and_is_said(tmp_path: Path) -> None:
    failing_project(tmp_path)
    done = nbactl(tmp_path, "hooks.slack.com/services/secret", "run", "schedule", "--date", "2024-12-25", "-v")
    assert done.returncode == 1, done.stderr
    assert "no alert goes to Slack" in done.stderr
    assert "services/secret" not in done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["data"]["runs"][0]["status"] == "failed"


def test_inv_07_while_slack_is_down_the_run_ends_all_the_same_and_the_alert_waits(
    tmp_path: Path, httpserver: HTTPServer
) -> None:
    failing_project(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        dead = f"http://127.0.0.1:{probe.getsockname()[1]}/services/T/B/secret"
    done = nbactl(tmp_path, dead, "run", "schedule", "--date", "2024-12-25")
    assert done.returncode == 1, done.stderr
    assert "secret" not in done.stdout + done.stderr
    [waiting] = json.loads(nbactl(tmp_path, dead, "outbox", "list").stdout)["data"]["messages"]
    assert waiting["key"].startswith("alert/slack/run_failed/schedule/2024-12-25/")
    got: list[int] = []

    def take(_: Request) -> Response:
        got.append(1)
        return Response("ok")

    httpserver.expect_request("/services/T/B/secret").respond_with_handler(take)
    alive = f"http://127.0.0.1:{httpserver.port}/services/T/B/secret"
    driven = nbactl(tmp_path, alive, "outbox", "drive", waiting["key"], "--yes")
    assert driven.returncode == 0, driven.stderr
    assert got == [1]
