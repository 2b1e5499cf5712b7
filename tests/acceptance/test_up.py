"""`nbactl up`: one command runs a game date through all services, whatever dies, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import closing, contextmanager, suppress
from datetime import date
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.bootstrap import Container
from nbactl.config.settings import load_settings
from nbactl.core._support.clock import SystemClock
from nbactl.ports.documents import Query
from nbactl.ports.measurements import Backlog
from nbactl.ports.services import ServiceEdit
from nbactl.testing import bigquery_server
from tests.integration.cli.conftest import environment
from tests.kit.bigquery import bigquery_warehouse
from tests.kit.called import call_nbactl
from tests.kit.engines import Engine
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DAY = "2024-10-25"


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def state_of(folder: Path) -> dict[str, Any]:
    """Return what up.json says; empty while it is not there."""
    with suppress(FileNotFoundError):
        found: dict[str, Any] = json.loads((folder / "up.json").read_text())
        return found
    return {}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pids_of(folder: Path) -> list[int]:
    return [service["pid"] for service in state_of(folder).get("services", {}).values()]


@contextmanager
def running(
    words: list[str], folder: Path, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            env=environment({"PYTHONPATH": str(ROOT), **(environ or {})}),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def test_a_game_date_goes_from_its_scrapers_to_graded_predictions_though_services_are_killed(tmp_path: Path) -> None:
    state, lines = tmp_path / ".nbactl", []
    words = ["-m", "nbactl", "up", "--date", DAY, "--once", "--timeout", "240s", "-o", "jsonl"]
    with running(words, tmp_path) as up:
        assert up.stdout is not None
        killed: list[str] = []
        for line in up.stdout:
            lines.append(json.loads(line))
            if lines[-1].get("message", "").startswith("all services are ready"):
                second = call_nbactl(["up", "--date", "none"], cwd=tmp_path, env=environment())
                assert (second.returncode, "is running on" in second.stderr) == (6, True)
                assert state_of(state)["pid"] == up.pid
            for name, moment in (("processors", "p2_player_boxscores"), ("orchestrator", "player_daily_cache")):
                labels = lines[-1].get("labels") or {}
                if name not in killed and labels.get("task") == moment:
                    killed.append(name)
                    os.kill(state_of(state)["services"][name]["pid"], signal.SIGKILL)
        assert up.wait(30) == 0, lines[-5:]
    assert lines[-1]["outcome"] == "done"
    assert lines[-1]["restarts"] == len(killed) == 2
    assert not (state / "up.json").exists()
    store = SqliteDocuments(state / "documents.db", clock=SystemClock(), busy_timeout=5.0)
    for phase in ("phase2", "phase3", "phase4", "phase5"):
        document = store.get(f"{phase}_completion/{DAY}")
        assert document is not None
        assert document.data["_triggered"] is True, phase
    [batch] = store.query(Query("prediction_batches"))
    assert batch.data["game_date"] == DAY
    store.close()
    board = call_nbactl(["status", "--date", DAY, "-o", "json"], cwd=tmp_path, env=environment())
    phases = {phase["name"]: phase["state"] for phase in json.loads(board.stdout)["data"]["phases"]}
    assert {phases[f"phase{number}"] for number in (1, 2, 3, 4, 6)} == {"succeeded"}, phases
    followed = call_nbactl(
        ["logs", "id", str(batch.data["correlation_id"]), "-o", "jsonl"], cwd=tmp_path, env=environment()
    )
    kept = [json.loads(line) for line in followed.stdout.splitlines()]
    assert {"collector", "processors", "orchestrator", "coordinator"} & {line["service"] for line in kept}
    assert any(line["message"].endswith("players requested") for line in kept)
    assert all(line["revision"] == f"{line['service']}-00001" for line in kept)


@pytest.mark.timeout(420)
def test_the_same_date_goes_through_the_emulators_and_the_warehouse_server(
    tmp_path: Path, firestore_address: str, pubsub_address: str
) -> None:
    project = f"up-{uuid.uuid4().hex[:12]}"
    with bigquery_server(project=project, location="us-west2") as bigquery:
        gcp = {
            "NBACTL_TARGET": "gcp",
            "NBACTL_PROJECT": project,
            "NBACTL_YES": "1",
            "FIRESTORE_EMULATOR_HOST": firestore_address,
            "PUBSUB_EMULATOR_HOST": pubsub_address,
            "BIGQUERY_EMULATOR_HOST": bigquery.address,
        }
        words = ["-m", "nbactl", "up", "--date", DAY, "--once", "--timeout", "300s", "-o", "jsonl"]
        with running([*words, "--source", "sample"], tmp_path, gcp) as up:
            assert up.stdout is not None
            lines = [json.loads(line) for line in up.stdout]
            assert up.wait(30) == 0, lines[-20:]
        [batch] = Engine("firestore", project, firestore_address).open().query(Query("prediction_batches"))
        assert (batch.data["game_date"], batch.data["is_complete"]) == (DAY, True)
        with closing(bigquery_warehouse(bigquery.address, project=project)) as warehouse:
            sql = (
                "SELECT COUNT(DISTINCT player_lookup) FROM nba_predictions.player_prop_predictions "
                "WHERE game_date = @day"
            )
            [(players,)] = warehouse.query(sql, {"day": date.fromisoformat(DAY)}, timeout=30).rows
        assert players == batch.data["expected_players"]


def test_no_service_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with running(["-m", "tests.kit.up_process", str(tmp_path), "collector", "orchestrator"], tmp_path) as up:
        wait_for(lambda: len(pids_of(tmp_path)) == 2)
        pids = pids_of(tmp_path)
        assert up.stdout is not None
        for line in up.stdout:
            if "all services are ready" in line:
                break
        assert all(map(is_alive, pids))
        up.kill()
        up.wait()
        wait_for(lambda: not any(map(is_alive, pids)))
    # Nothing of it is in the way of the next one.
    with running(["-m", "tests.kit.up_process", str(tmp_path), "collector"], tmp_path) as again:
        wait_for(lambda: state_of(tmp_path).get("pid") == again.pid)
        change_collector(tmp_path)
        again.send_signal(signal.SIGTERM)
        assert again.stdout is not None
        assert again.stdout.read().splitlines()[-1] == "stopped"


def change_collector(folder: Path) -> None:
    """Change the collector of a running `up` as a command does: its process is another one then."""
    with Container(load_settings({"state_dir": str(folder)}, environment(), folder)) as app:
        services, measured = app.deployed_services, app.target.measurements(app)
        wait_for(lambda: services.get("collector").problem is None)
        edit = ServiceEdit({"ENABLE_IDEMPOTENCY_KEYS": "true", "NBACTL_TIMEOUT_LOG_SLOW": "7s"}, {"concurrency": 3})
        after = services.change("collector", edit, expected_version=services.get("collector").version)
        assert after.latest_ready_revision == "collector-00002"
        [process] = state_of(folder)["services"]["collector"]["processes"]
        command = Path(f"/proc/{process['pid']}/cmdline").read_bytes().split(b"\0")
        assert command[command.index(b"--concurrency") + 1] == b"3"
        assert b"NBACTL_TIMEOUT_LOG_SLOW=7s" in Path(f"/proc/{process['pid']}/environ").read_bytes().split(b"\0")
        with closing(HTTPConnection(after.url.removeprefix("http://"), timeout=10)) as connection:
            connection.request("GET", "/nothing")
            assert connection.getresponse().status == 404
        now = app.clock.now()
        assert [stats.requests for stats in measured.requests("collector", now, now).values()] == [1]
        assert (measured.instances("collector", now, now), set(measured.backlogs().values())) == (
            1.0,
            {Backlog(0, None)},
        )


def test_ctrl_c_stops_all_services_and_is_what_the_exit_code_says(tmp_path: Path) -> None:
    with running(["-m", "nbactl", "up", "--date", "none"], tmp_path) as up:
        wait_for(lambda: len(pids_of(tmp_path / ".nbactl")) == 6)
        pids = pids_of(tmp_path / ".nbactl")
        up.send_signal(signal.SIGINT)
        assert up.wait(30) == 130
    assert not any(map(is_alive, pids))
    assert not (tmp_path / ".nbactl" / "up.json").exists()
    assert "All services are stopped." in (tmp_path / "log").read_text()


def test_a_state_directory_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = call_nbactl(["up", "--date", DAY, "--state-dir", "file"], cwd=tmp_path, env=environment())
    assert (done.returncode, "--state-dir" in done.stderr) == (2, True), done.stderr


def test_the_public_bus_cannot_push_to_this_machine(tmp_path: Path) -> None:
    gcp = {"NBACTL_TARGET": "gcp", "NBACTL_PROJECT": "p", "NBACTL_YES": "1"}
    done = call_nbactl(["up", "--date", DAY], cwd=tmp_path, env=environment(gcp))
    assert (done.returncode, "PUBSUB_EMULATOR_HOST" in done.stderr) == (6, True)
