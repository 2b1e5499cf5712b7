"""`nbactl heal` on this machine: what it prints, its exit codes, what it leaves behind, and that it survives a kill."""

from __future__ import annotations

import json
import signal
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.cli.main import main
from nbactl.config.loader import shipped_config_dir
from nbactl.core._support.clock import SystemClock
from nbactl.ports.documents import Query, Set, Update
from nbactl.testing import bigquery_server, emulator_documents
from tests.integration.cli.conftest import environment
from tests.kit.production import NIGHT
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    from pathlib import Path

DATE = "2025-01-06"
WORKFLOWS = """
version: 1
timezone: America/New_York
tasks:
  one: {description: Writes, call: "tests.kit.healing_tasks:writes", timeout: task.worker}
  two: {description: Writes, call: "tests.kit.healing_tasks:writes", timeout: task.worker}
phases:
  first: {description: Works, service: none, topic: none, tasks: [one]}
  second: {description: Works, service: none, topic: none, needs: [first], tasks: [two]}
workflows: {}
alerts:
  run_failed: {severity: critical, channels: [log]}
  run_partial: {severity: warning, channels: [log]}
healing:
  kinds:
    output_missing: {after: 30m, attempts: 2, per_day: 4, backoff: 30m, why: As the shipped file says}
    outbox_pending: {after: 15m, attempts: 3, per_day: 4, backoff: 5m, why: As the shipped file says}
    lease_stale: {after: 15m, attempts: 3, per_day: 4, backoff: 5m, auto: false, why: As the shipped file says}
"""
FIRST, SECOND = f"first/{DATE}", f"second/{DATE}"


class Place:
    """A folder with configuration and state."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        self.log = folder / "log"
        (folder / "workflows.yaml").write_text(WORKFLOWS)
        for name in ("timeouts.yaml", "flags.yaml"):
            (folder / name).write_text((shipped_config_dir() / name).read_text())

    def call(self, *words: str, code: int = 0) -> dict[str, Any]:
        returned = main([*words, "-o", "json"])
        captured = self.capsys.readouterr()
        assert returned == code, captured
        document: dict[str, Any] = json.loads(captured.out)
        return document

    def heal(self, *words: str, code: int = 0) -> dict[str, str]:
        data = self.call("heal", "--date", DATE, *words, code=code)["data"]
        return {found["object"]: found["state"] for found in data["findings"]}

    def documents(self, collection: str) -> list[dict[str, Any]]:
        file = self.folder / ".nbactl" / "documents.db"
        if not file.exists():
            return []
        with closing(SqliteDocuments(file, clock=SystemClock(), busy_timeout=5.0)) as store:
            return [document.data for document in store.query(Query(collection))]

    def hasten(self) -> None:
        """Let the waits of all faults be over."""
        file = self.folder / ".nbactl" / "documents.db"
        with closing(SqliteDocuments(file, clock=SystemClock(), busy_timeout=5.0)) as store:
            for document in list(store.query(Query("healing"))):
                store.commit([Update(document.path, {"next_at": SystemClock().now()})])

    def down(self, task: str, *, up: bool = False) -> None:
        file = self.log.with_suffix(f".{task}")
        file.unlink() if up else file.touch()

    @property
    def done(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", None)
    found = Place(tmp_path, capsys)
    monkeypatch.setenv("NBA_HEALING_LOG", str(found.log))
    return found


def test_a_dry_run_plans_and_leaves_nothing_and_a_real_one_heals_in_order(place: Place) -> None:
    assert place.heal("--dry-run") == {FIRST: "planned", SECOND: "waiting"}
    assert place.documents("healing") == place.documents("audit") == place.documents("runs") == []
    document = place.call("heal", "--date", DATE, "--auto")
    assert document["data"]["summary"] == {"planned": 0, "healed": 2, "failed": 0, "waiting": 0, "stopped": 0}
    [first, second] = document["data"]["findings"]
    assert set(first) >= {
        "kind", "object", "game_date", "since", "plan", "action", "attempts", "budget", "state", "effect",
    }  # fmt: skip
    assert (first["kind"], first["object"], first["game_date"]) == ("output_missing", FIRST, DATE)
    assert (first["attempts"], first["budget"], first["state"]) == (1, 2, "healed")
    assert first["effect"] == "every required output is there (1)"
    assert second["action"].startswith("second succeeded (run-")
    assert place.done == ["one", "two"]
    assert [entry["by"] for entry in place.documents("audit")] == ["heal", "heal"]
    assert place.heal() == {}
    assert place.done == ["one", "two"]


def test_inv_24_a_date_of_which_nobody_knows_is_not_healed(place: Place) -> None:
    document = place.call("heal", "--date", "2030-01-07", code=4)
    assert document["error"]["message"] == "nothing is known of 2030-01-07"
    recent = place.call("heal")
    assert recent["data"]["findings"] == []
    assert "neither the schedule nor any run covers them" in recent["warnings"][0]


def test_the_exit_code_is_1_for_a_failure_3_for_what_waits_and_1_for_a_final_stop(place: Place) -> None:
    place.down("two")
    assert place.heal("--auto", code=1) == {FIRST: "healed", SECOND: "failed"}
    assert place.heal("--auto", code=3) == {SECOND: "waiting"}
    place.hasten()
    assert place.heal("--auto", code=1) == {SECOND: "failed"}
    place.hasten()
    stopped = place.call("heal", "--date", DATE, "--auto", code=1)
    assert [found["state"] for found in stopped["data"]["findings"]] == ["stopped"]
    assert stopped["error"]["next"] == f"By hand: nbactl run second --date {DATE}"
    assert place.heal("--auto", code=1) == {SECOND: "stopped"}
    assert len([entry for entry in place.documents("audit") if entry["outcome"] == "failed"]) == 2
    place.down("two", up=True)
    assert main(["run", "second", "--date", DATE, "-q"]) == 0
    place.capsys.readouterr()
    assert place.heal("--auto") == {SECOND: "healed"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_after_the_repair_and_says_what_is_left(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    monkeypatch.setattr("nbactl.cli.heal.view.progress", lambda *_: signal.raise_signal(number))
    document = place.call("heal", "--date", DATE, "--auto", code=code)
    assert {found["object"]: found["state"] for found in document["data"]["findings"]} == {
        FIRST: "healed", SECOND: "waiting",
    }  # fmt: skip
    assert document["error"]["next"] == f"The same command carries on: nbactl heal --auto --date {DATE}"
    monkeypatch.undo()
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("NBA_HEALING_LOG", str(place.log))
    assert place.heal("--auto") == {SECOND: "healed"}
    assert place.done == ["one", "two"]


@pytest.mark.parametrize("point", ["heal.claimed", "heal.repaired"])
def test_inv_20_the_same_command_carries_on_after_kill_9_and_repairs_nothing_twice(place: Place, point: str) -> None:
    command = ["heal", "--date", DATE, "--auto"]
    variables = environment({"NBA_HEALING_LOG": str(place.log), "NBACTL_FAULTS": f"{point}=kill@2"})
    assert run_nbactl(command, cwd=place.folder, env=variables).returncode == -9
    repaired = point == "heal.repaired"
    assert place.done == (["one", "two"] if repaired else ["one"])
    assert place.heal("--auto", code=0 if repaired else 3) == {SECOND: "healed" if repaired else "waiting"}
    if not repaired:
        place.hasten()
        assert place.heal("--auto") == {SECOND: "healed"}
    assert place.done == ["one", "two"]
    assert sorted(record["attempts"] for record in place.documents("healing")) == ([1, 1] if repaired else [1, 2])
    assert {record["state"] for record in place.documents("healing")} == {"healed"}


def test_a_person_is_asked_on_gcp_and_cron_is_not(
    place: Place, monkeypatch: pytest.MonkeyPatch, firestore_address: str
) -> None:
    project = f"test-{uuid.uuid4().hex[:20]}"
    without = [line for line in WORKFLOWS.splitlines() if "output_missing" not in line]
    (place.folder / "workflows.yaml").write_text("\n".join(without))
    with (
        closing(emulator_documents(firestore_address, project)) as store,
        bigquery_server(project=project, location="us-west2") as warehouse,
    ):
        for name, value in {
            "NBACTL_TARGET": "gcp",
            "NBACTL_PROJECT": project,
            "FIRESTORE_EMULATOR_HOST": firestore_address,
            "BIGQUERY_EMULATOR_HOST": warehouse.address,
        }.items():
            monkeypatch.setenv(name, value)
        lease = {"owner": "elsewhere:boot:1:1:x", "token": 1, "expires_at": NIGHT}
        store.commit([Set("leases/batches", lease)])
        assert main(["heal"]) == 2
        said = place.capsys.readouterr().err
        assert f"confirmation needed: Repair 1 fault on gcp ({project})?" in said
        assert "lease_stale batches: release it" in said
        assert main(["heal", "--auto"]) == 3
        assert "it is not repaired automatically" in place.capsys.readouterr().out
        assert main(["heal", "--yes"]) == 0
        [entry] = [document.data for document in store.query(Query("audit"))]
        assert entry["action"] == "heal.lease_stale"
        assert "@" in entry["by"]


def test_without_a_declaration_nothing_is_healed_and_that_is_said(place: Place) -> None:
    (place.folder / "workflows.yaml").write_text(WORKFLOWS.partition("healing:")[0])
    refused = place.call("heal", "--dry-run", code=2)
    assert refused["error"]["code"] == "config"
    assert "declares nothing that is to be healed" in refused["error"]["message"]
