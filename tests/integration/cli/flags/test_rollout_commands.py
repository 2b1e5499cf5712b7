"""The commands of a rollout, on both engines, and ticks by real processes that are killed."""

from __future__ import annotations

import json
import os
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.paths import ROOT
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    from pathlib import Path

FLAG = "query_caching"
TICK = ("schedule", "tick", "--only", "rollouts")


class Place:
    def __init__(self, folder: Path, address: str | None) -> None:
        self.folder = folder
        for name in ("workflows.yaml", "timeouts.yaml"):
            (folder / name).write_text((ROOT / name).read_text())
        flags = (ROOT / "flags.yaml").read_text()
        flags = re.sub(r"guards: \[workflow_failures.*\]", "guards: [workflow_failures]", flags)
        flags = flags.replace("window: 4h, minimum_sample: 50}", "window: 4h, minimum_sample: 1}")
        (folder / "flags.yaml").write_text(flags.replace("bake: 4h", "bake: 1ms").replace("bake: 24h", "bake: 1ms"))
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("NBACTL_")}
        self.environ |= {"PYTHONPATH": str(ROOT), "NBACTL_STATE_DIR": str(folder / "state"), "COLUMNS": "100"}
        self.options: tuple[str, ...] = ("--yes",)
        if address is not None:
            self.environ["FIRESTORE_EMULATOR_HOST"] = address
            self.options += ("--target", "gcp", "--project", f"test-{uuid.uuid4().hex[:16]}")

    def run(self, *words: str, code: int = 0, faults: str = "") -> dict[str, Any]:
        done = run_nbactl(
            [*words, *self.options, "-o", "json"],
            cwd=self.folder,
            env={**self.environ, "NBACTL_FAULTS": faults},
        )
        assert done.returncode == code, done.stderr
        document: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        return document

    def percent(self) -> float:
        flags = self.run("flags", "list")["data"]["flags"]
        percent: float = next(each["percent"] for each in flags if each["key"] == FLAG)
        return percent

    def refused(self, key: str) -> str:
        message: str = self.run("flags", "rollout", "start", key, code=6)["error"]["message"]
        return message

    def fail_a_run(self) -> None:
        text = (self.folder / "workflows.yaml").read_text()
        broken = text.replace("    processor: collect\n    with: {dataset: schedule}\n", "    command: ['false']\n", 1)
        (self.folder / "workflows.yaml").write_text(broken)
        self.run("run", "schedule", "--date", "2024-12-25", code=1)
        (self.folder / "workflows.yaml").write_text(text)


@pytest.fixture
def local(tmp_path: Path) -> Place:
    return Place(tmp_path, None)


@pytest.fixture(params=["local", "gcp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, None if request.param == "local" else request.getfixturevalue("firestore_address"))


def test_a_rollout_is_begun_looked_at_paused_and_aborted(place: Place) -> None:
    if "gcp" in place.options:
        refused = place.run("flags", "rollout", "start", FLAG, code=6)
        assert "no service is declared" in refused["error"]["message"]
    planned = place.run("flags", "rollout", "start", FLAG, "--dry-run", "--force")["data"]
    assert (planned["plan"], planned["applied"]) == ([f"{FLAG}: to 10 %"], False)
    assert place.percent() == 0.0
    begun = place.run("flags", "rollout", "start", FLAG, "--force", "--reason", "new")["data"]
    assert begun["rollouts"][0]["percent"] == 10.0
    assert begun["undo"].startswith(f"nbactl flags rollout abort {FLAG}")
    assert place.percent() == 10.0
    assert place.run("flags", "rollout", "start", FLAG, code=6)["error"]["code"] == "precondition"
    [shown] = place.run("flags", "rollout", "status")["data"]["rollouts"]
    assert (shown["status"], shown["stage"], shown["next"]["action"]) == ("running", 1, "hold")
    assert shown["guards"][0]["verdict"] == "unknown"
    assert place.run(*TICK)["data"]["decisions"][0]["action"] == "hold"
    place.run("flags", "rollout", "pause", FLAG)
    assert place.run(*TICK)["data"]["decisions"] == []
    place.run("flags", "rollout", "start", FLAG, "--force")
    place.run("flags", "rollout", "advance", FLAG, code=6)
    place.run("flags", "rollout", "advance", FLAG, "--force", "--reason", "seen enough")
    assert place.percent() == 50.0
    place.run("flags", "rollout", "abort", FLAG, "--reason", "stale")
    assert place.percent() == 0.0
    assert place.run("flags", "rollout", "abort", FLAG, code=6)["error"]["message"].endswith("is aborted")
    history = place.run("flags", "rollout", "status", FLAG)["data"]["rollouts"][0]["history"]
    assert [entry["action"] for entry in history][-2:] == ["advance", "abort"]


def test_names_that_are_none_get_a_suggestion(local: Place) -> None:
    assert "query_caching" in local.run("flags", "rollout", "start", "query_cachign", code=4)["error"]["next"]
    assert local.run("flags", "rollout", "status", FLAG, code=4)["error"]["code"] == "not_found"
    started = local.run("flags", "rollout", "start", "--dry-run")["data"]
    assert "query_caching" in str(started)
    assert local.run(*TICK, "--at", "noon", code=2)["error"]["code"] == "usage"
    assert local.run(*TICK, "--at", "2024-01-15T12:00:00", code=2)["error"]["code"] == "usage"


def test_a_rollout_that_would_not_show_what_it_does_is_refused(local: Place) -> None:
    assert (
        "subcollection_completions"
        in local.run("flags", "rollout", "start", "dual_write_mode", code=6)["error"]["message"]
    )
    local.run("flags", "rollout", "start", FLAG)
    assert "over request at the same time" in local.refused("structured_logging")
    local.run("flags", "rollout", "start", "structured_logging", "--force")
    environ = {**local.environ, "NBACTL_HEALTH_URLS": "worker=http://127.0.0.1:9"}
    local.environ = environ
    assert (
        "not every service is healthy"
        in local.run("flags", "rollout", "start", "parallel_config", code=6)["error"]["message"]
    )


def test_a_try_with_another_time_changes_nothing(local: Place) -> None:
    local.run("run", "schedule", "--date", "2024-12-25")
    local.run("flags", "rollout", "start", FLAG)
    local.run("run", "schedule", "--date", "2024-12-26")
    later = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    [decision] = local.run(*TICK, "--at", later)["data"]["decisions"]
    assert (decision["action"], decision["done"]) == ("advance", False)
    assert local.percent() == 10.0


def test_inv_20_a_tick_that_is_killed_is_carried_on_and_a_breach_rolls_back(local: Place) -> None:
    local.run("flags", "rollout", "start", FLAG)
    local.run("run", "schedule", "--date", "2024-12-26")
    for point, percent in (("rollout.before_step", 10.0), ("rollout.after_step", 50.0)):
        local.run(*TICK, code=-9, faults=f"{point}=kill")
        assert local.percent() == percent
    local.fail_a_run()
    failed = local.run(*TICK, code=1)
    assert failed["data"]["decisions"][0]["action"] == "abort"
    assert "is above" in failed["error"]["cause"]
    assert local.percent() == 0.0
    assert local.run(*TICK)["data"]["decisions"] == []


def test_inv_08_of_ticks_that_have_all_decided_the_same_one_takes_the_step(local: Place) -> None:
    local.run("flags", "rollout", "start", FLAG)
    local.run("run", "schedule", "--date", "2024-12-26")
    with ThreadPoolExecutor(4) as pool:  # each stands still between its decision and its step
        ticks = list(
            pool.map(
                lambda _: local.run(*TICK, faults="rollout.before_step=sleep:5"),
                range(4),
            )
        )
    decisions = [tick["data"]["decisions"] for tick in ticks]
    assert sorted(each["done"] for [each] in decisions) == [False, False, False, True]
    assert {each["action"] for [each] in decisions if not each["done"]} == {"hold"}
    assert local.percent() == 50.0
    [shown] = local.run("flags", "rollout", "status")["data"]["rollouts"]
    assert [entry["action"] for entry in shown["history"]] == ["start", "advance"]
