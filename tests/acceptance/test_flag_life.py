"""The whole life of a flag, by the commands an operator and cron give, on both engines.

Dark, 10 %, 50 %, a breach that takes it back by itself, 10, 50, 100 %, done, expired, removed.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from werkzeug import Response

from tests.integration.cli.flags.test_rollout_commands import FLAG, Place

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_httpserver import HTTPServer
    from werkzeug import Request

BAKED = 1.2


class World:
    """What Prometheus and a service say."""

    def __init__(self, server: HTTPServer) -> None:
        self.failing = 0.0
        self.status = "pass"
        server.expect_request("/api/v1/query").respond_with_handler(self._number)
        server.expect_request("/health").respond_with_handler(lambda _: Response(json.dumps({"status": self.status})))

    def _number(self, request: Request) -> Response:
        value = self.failing if " / " in request.args["query"] else 100
        return Response(json.dumps({"data": {"result": [{"metric": {}, "value": [0, str(value)]}]}}))


@pytest.mark.parametrize("engine", ["local", "gcp"])
def test_the_whole_life_of_a_flag(
    request: pytest.FixtureRequest, tmp_path: Path, httpserver: HTTPServer, engine: str
) -> None:
    place = Place(tmp_path, request.getfixturevalue("firestore_address") if engine == "gcp" else None)
    world, url = World(httpserver), f"http://127.0.0.1:{httpserver.port}"
    place.environ |= {"NBACTL_PROMETHEUS_URL": url, "NBACTL_HEALTH_URLS": f"worker={url}"}

    def tick(expected: str, percent: float, code: int = 0) -> None:
        [decision] = place.run("schedule", "tick", "--skip", "workflows", code=code)["data"]["decisions"]
        assert decision["action"] == expected, decision
        assert place.percent() == percent

    assert place.percent() == 0.0
    place.run("flags", "rollout", "start", FLAG, "--reason", "first")
    time.sleep(BAKED)
    world.status = "fail"
    tick("hold", 10.0)
    world.status = "pass"
    tick("advance", 50.0)
    world.failing = 0.03
    tick("abort", 0.0, code=1)
    world.failing = 0.01
    place.run("flags", "rollout", "start", FLAG, "--reason", "mended")
    for percent in (50.0, 100.0):
        time.sleep(BAKED)
        tick("advance", percent)
    time.sleep(BAKED)
    tick("complete", 100.0)
    assert place.run("schedule", "tick", "--skip", "workflows")["data"]["decisions"] == []
    changes = place.run("flags", "history", FLAG)["data"]["history"]
    assert [change["percent"] for change in reversed(changes)] == [10.0, 50.0, 0.0, 10.0, 50.0, 100.0]

    file = tmp_path / "flags.yaml"
    text = file.read_text()
    at = text.index(f"  {FLAG}:")
    end = text.index("  idempotency_keys:")
    file.write_text(text[:at] + text[at:end].replace("2027-06-30", "2024-06-30") + text[end:])
    found = place.run("flags", "check", code=1)["data"]["findings"]
    assert [(each["key"], each["kind"]) for each in found] == [(FLAG, "expired")]

    place.run("flags", "rollback", FLAG, "--reason", "out of the code")
    file.write_text((text[:at] + text[end:]).replace(f"active: [{FLAG}, ", "active: ["))
    assert place.run("flags", "check")["data"]["findings"] == []
