"""A service that is killed between the ledger and the announcement: the next delivery announces, once."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import environment
from tests.kit.asgi_client import envelope
from tests.kit.paths import ROOT
from tests.kit.service_project import DAY, served

if TYPE_CHECKING:
    from pathlib import Path

TRIGGER = {"game_date": DAY, "attempt": 1}


@pytest.mark.parametrize("instant", ["services.announcing", "services.announced", "services.ran"])
def test_inv_07_no_completion_is_lost_when_the_service_is_killed_at(instant: str, tmp_path: Path) -> None:
    with served(tmp_path, "processors"):
        pass  # the files of the project
    variables = {
        "NBACTL_FAULTS": f"{instant}=kill",
        "NBACTL_CONFIG_DIR": str(tmp_path),
        "NBACTL_STATE_DIR": str(tmp_path / "state"),
        "PYTHONPATH": str(ROOT),
    }
    words = ["-m", "nbactl", "serve", "processors", "--port", "0"]
    with subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=environment(variables), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            address = re.search(r"http://127\.0\.0\.1:(\d+)", process.stderr.readline())
            assert address is not None
            connection = HTTPConnection("127.0.0.1", int(address[1]), timeout=60)
            connection.request("POST", "/phase3", envelope(TRIGGER))
            with pytest.raises((OSError, HTTPException)):
                connection.getresponse()
            connection.close()
            assert process.wait(30) == -signal.SIGKILL
        finally:
            process.kill()
    with served(tmp_path, "processors") as project:
        for message_id in ("1", "1", "2"):
            assert project.push("/phase3", TRIGGER, message_id=message_id).status == 204
        project.app.outbox.sweep()
        announced = project.app.bus.messages("three")  # type: ignore[attr-defined]
        keys = {message.attributes["outbox_key"] for message in announced}
        assert sorted(key.split("/")[3] for key in keys) == ["player_game_summary", "team_summary"]
        assert {status for _, status in project.statuses("three")} == {"success"}
