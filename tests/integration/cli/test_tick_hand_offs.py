"""`nbactl schedule tick` hands on phases whose time limit is over."""

from __future__ import annotations

import json
import os
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nbactl.core._support.clock import SystemClock
from nbactl.ports.documents import Set
from tests.kit.bus import bus_at
from tests.kit.called import call_nbactl
from tests.kit.engines import Engine
from tests.kit.handoffs import PHASE5_TOPIC, Night
from tests.kit.production import DAY, PHASE4, phase_document

if TYPE_CHECKING:
    from pathlib import Path


def test_inv_11_a_tick_finds_what_is_due_and_takes_each_step_once(tmp_path: Path) -> None:
    state, now = tmp_path / "state", SystemClock().now()
    began: dict[str, Any] = {"_first_completion_at": now - timedelta(minutes=40)}
    due: dict[str, Any] = {"_next_check_at": now - timedelta(minutes=10)}
    with closing(Engine("sqlite", str(state)).open()) as store:
        store.commit(
            [
                Set(f"phase4_completion/{DAY}", phase_document(PHASE4[1:], **began, **due)),
                Set("phase3_completion/nonsense", due),
            ]
        )
    with closing(bus_at(state / "bus.db", PHASE5_TOPIC)):
        pass

    said: list[str] = []

    def tick(*options: str) -> dict[str, Any]:
        arguments = ["schedule", "tick", "--skip", "workflows", "-o", "json", "--state-dir", str(state), *options]
        called = call_nbactl(arguments, cwd=tmp_path, env={"PATH": os.environ["PATH"]})
        said.append(called.stderr)
        data: dict[str, Any] = json.loads(called.stdout)["data"]
        return data

    assert tick("--dry-run")["phases"] is None
    first = tick()["phases"]
    assert first["steps"] == [{"phase": "phase4", "game_date": DAY, "what": "deadline_with_4_of_5"}]
    assert [failed["path"] for failed in first["failed"]] == ["phase3_completion/nonsense"]
    assert f"phase5 of {DAY} started without all of phase4" in said[-1]
    assert tick()["phases"]["steps"] == []
    with closing(Engine("sqlite", str(state)).open()) as store, closing(bus_at(state / "bus.db")) as bus:
        night = Night(store, bus=bus)
        assert night.document("phase4").triggered
        [trigger] = night.triggers(PHASE5_TOPIC)
        assert (trigger["partial"], trigger["missing"]) == (True, ["team_defense_zone_analysis"])


def test_as_a_cloud_run_job_an_alert_of_a_tick_is_a_structured_record_in_place_of_a_line(tmp_path: Path) -> None:
    state, now = tmp_path / "state", SystemClock().now()
    began: dict[str, Any] = {"_first_completion_at": now - timedelta(minutes=40)}
    began["_next_check_at"] = now - timedelta(minutes=10)
    with closing(Engine("sqlite", str(state)).open()) as store:
        store.commit([Set(f"phase4_completion/{DAY}", phase_document(PHASE4[1:], **began))])
    called = call_nbactl(
        ["schedule", "tick", "--only", "phases", "-o", "json", "--state-dir", str(state)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "CLOUD_RUN_JOB": "nbactl-tick"},
    )
    assert called.returncode == 0, called.stderr
    assert "alert (" not in called.stderr
    records = [json.loads(line) for line in called.stderr.splitlines() if line.startswith("{")]
    [alert] = [record for record in records if "alert" in record]
    assert f"phase5 of {DAY} started without all of phase4" in alert["message"]
    assert alert["severity"] == "WARNING"
    assert alert["alert_severity"] == "warning"
