"""`nbactl load` on a running `nbactl up` whose services are killed: every player is done once, phase 6 starts once."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

from tests.acceptance.test_up import running
from tests.integration.cli.conftest import environment
from tests.kit.called import call_nbactl

if TYPE_CHECKING:
    from pathlib import Path


def test_inv_01_inv_08_a_load_under_chaos_loses_no_player_and_does_none_twice(tmp_path: Path) -> None:
    words = ["load", "--players", "30", "--duration", "6s", "--duplicates", "0.5", "--reorder", "0.5", "--chaos"]
    limits = {"NBACTL_TIMEOUT_LOAD_CHAOS": "1500ms", "NBACTL_TIMEOUT_LOAD_SETTLE": "60s"}
    with running(["-m", "nbactl", "up", "--date", "none"], tmp_path) as up:
        assert up.stdout is not None
        for line in up.stdout:
            if "all services are ready" in line:
                break
        done = call_nbactl([*words, "--seed", "1", "-o", "json"], cwd=tmp_path, env=environment(limits))
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 130
    found = json.loads(done.stdout)["data"]
    assert (done.returncode, found["problems"]) == (0, []), done.stderr
    assert (found["done"], found["lost"], found["done_twice"]) == (30, 0, 0)
    assert (found["merged_rows"], found["phase6_triggers"]) == (90, 1)
    assert found["kills"]
    assert found["restarts"] >= 1
