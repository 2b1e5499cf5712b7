"""`nbactl logs` and `nbactl services logs`, on loopback servers of Cloud Logging and Cloud Run, and on this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import pytest

from nbactl.adapters.locallogs.files import ServiceLogFiles
from tests.docs.test_contract import COMMANDS, names
from tests.integration.cli.conftest import environment
from tests.kit.called import call_nbactl
from tests.kit.cloud_logging_server import CloudLogging, cloud_logging_server
from tests.kit.cloud_run_server import PROJECT, CloudRun, cloud_run_server

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path


class World(NamedTuple):
    """A project with services and their logs."""

    logging: CloudLogging
    run: CloudRun
    folder: Path
    env: dict[str, str]

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return call_nbactl([*arguments], cwd=self.folder, env=self.env)

    def data(self, *arguments: str) -> dict[str, Any]:
        done = self(*arguments, "-o", "json")
        assert done.returncode == 0, done.stderr
        data: dict[str, Any] = json.loads(done.stdout)["data"]
        return data


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with cloud_logging_server() as logging, cloud_run_server() as run:
        env = environment(
            {
                "NBACTL_TARGET": "gcp",
                "NBACTL_PROJECT": PROJECT,
                "LOGGING_EMULATOR_HOST": logging.address,
                "CLOUD_RUN_EMULATOR_HOST": run.address,
            }
        )
        yield World(logging, run, tmp_path, env)


def _ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def test_lines_of_all_services_are_merged_in_the_order_of_time(world: World) -> None:
    for minutes, service in ((3, "worker"), (5, "coordinator"), (4, "worker"), (90, "worker")):
        world.logging.add(service, {"message": f"{minutes} minutes ago"}, at=_ago(minutes))
    done = world("logs", "search", "-v")
    assert [line.partition(" ")[2] for line in done.stdout.splitlines()[1:]] == [
        "coordinator 5 minutes ago",
        "worker 4 minutes ago",
        "worker 3 minutes ago",
    ]
    assert 'resource.type="cloud_run_revision"\ntimestamp>="' in done.stderr
    data = world.data("services", "logs", "worker", "--since", "2h")
    assert [one["message"] for one in data["records"]] == ["90 minutes ago", "4 minutes ago", "3 minutes ago"]
    assert data["more"] is False
    assert 'service_name="worker"' in data["query"]


def test_it_says_that_there_are_more_lines(world: World) -> None:
    for number in range(5):
        world.logging.add("worker", {"message": f"line {number}"}, at=_ago(9 - number))
    done = world("logs", "search", "--limit", "2")
    assert "line 4" in done.stdout
    assert "line 2" not in done.stdout
    assert "Showing the newest 2 lines. For older ones use --limit or --until." in done.stderr
    assert world.data("logs", "search", "--limit", "2")["more"] is True
    assert "newest" not in world("logs", "search", "--limit", "5").stderr


def test_each_option_is_a_filter(world: World) -> None:
    labels = {"run_id": "run-1", "task": "odds", "player": "lebronjames", "correlation_id": "req-1"}
    found = {"message": "Odds Timeout"}
    world.logging.add("worker", found, severity="ERROR", labels=labels, revision="worker-00007", at=_ago(20))
    world.logging.add("worker", {"message": "else"}, at=_ago(10))
    for options in (
        ["timeout"],
        ["--severity", "warning"],
        ["--run", "run-1"],
        ["--task", "odds"],
        ["--player", "lebronjames"],
        ["--correlation-id", "req-1"],
        ["--revision", "worker-00007"],
        ["--until", "15m"],
        ["--since", _ago(30).isoformat(timespec="seconds"), "--until", _ago(15).isoformat(timespec="seconds")],
    ):
        assert [one["message"] for one in world.data("logs", "search", *options)["records"]] == ["Odds Timeout"], (
            options
        )
    assert [one["message"] for one in world.data("logs", "id", "req-1")["records"]] == ["Odds Timeout"]


def test_an_id_is_followed_through_all_services(world: World) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    name = f"projects/{PROJECT}/traces/{trace}"
    world.logging.add("coordinator", {"message": "sent"}, labels={"correlation_id": "req-1"}, at=_ago(60 * 30))
    world.logging.add("worker", {"message": "done", "correlation_id": "req-1"}, at=_ago(60 * 29))
    world.logging.add("worker", "", request={"requestUrl": "https://x/predict"}, trace=name, at=_ago(60 * 28))
    data = world.data("logs", "id", "req-1", trace)
    assert [(one["service"], one["message"]) for one in data["records"]] == [
        ("coordinator", "sent"),
        ("worker", "done"),
        ("worker", "? /predict unanswered"),
    ]


def test_errors_are_shown_by_kind(world: World) -> None:
    world.run.deploy("worker", {})
    for number in range(3):
        failure = {"message": f"no row {number}", "failure": {"type": "DataError"}, "api_key": "abcdef123456"}
        world.logging.add("worker", failure, severity="ERROR", at=_ago(9 - number))
    world.logging.add(
        "exporter", "Traceback (most recent call last):\n  x\nKeyError: 'a'", severity="ERROR", at=_ago(1)
    )
    world.logging.add("exporter", {"message": "fine"}, at=_ago(1))
    done = world("logs", "errors")
    lines = done.stdout.splitlines()
    assert lines[1].split()[0] == "3"
    assert lines[1].endswith("worker    DataError: no row N")
    assert "KeyError" in lines[2]
    data = world.data("logs", "errors")
    assert [(kind["service"], kind["type"], kind["count"]) for kind in data["kinds"]] == [
        ("worker", "DataError", 3),
        ("exporter", "KeyError", 1),
    ]
    assert data["kinds"][0]["example"]["message"] == "no row 2"
    assert data["kinds"][0]["example"]["fields"]["api_key"] == "***"
    assert world("logs", "errors", "-s", "worker", "--until", "20m").stderr.startswith("No errors since")


def test_errors_of_several_days_have_their_dates(world: World) -> None:
    for hours in (1, 40):
        world.logging.add("worker", {"message": "gone"}, severity="ERROR", at=_ago(60 * hours))
    [_, line, *_] = world("logs", "errors", "--since", "3d", "--utc").stdout.splitlines()
    assert line.split()[:5] == ["2", *f"{_ago(60 * 40):%Y-%m-%d %H:%M:%S} {_ago(60):%Y-%m-%d %H:%M:%S}".split()]


def test_the_first_error_after_a_deployment_is_found(world: World) -> None:
    world.run.now = _ago(60 * 2)
    world.run.deploy("worker", {"A": "1"})
    deployed = world.run.now
    world.logging.add("worker", {"message": "before"}, severity="ERROR", at=_ago(60 * 3))
    assert "No error since." in world("logs", "first-error", "worker").stdout
    for seconds, severity in ((60, "WARNING"), (125, "ERROR"), (300, "ERROR")):
        world.logging.add(
            "worker", {"message": f"{severity} {seconds}"}, severity=severity, at=deployed + timedelta(seconds=seconds)
        )
    data = world.data("logs", "first-error", "worker")
    assert data["error"]["message"] == "ERROR 125"
    assert 0 < data["seconds"] <= 300
    assert "ERROR 125" in world("logs", "first-error", "worker").stdout
    assert "First error 2m" in world("logs", "first-error", "worker").stdout


def test_the_keys_of_the_contract_are_in_the_data(world: World) -> None:
    world.run.deploy("worker", {})
    for command in ("logs search", "logs errors", "logs first-error worker", "logs id req-1", "services logs worker"):
        path = f"nbactl {command.removesuffix(' worker').removesuffix(' req-1')}"
        promised = COMMANDS[path][1]
        assert set(names(promised)) <= set(world.data(*command.split())), command


def test_bad_input_is_refused_with_what_helps(world: World) -> None:
    world.run.deploy("prediction-worker", {})
    for arguments, code, says in (
        (["services", "logs", "predictoin-worker"], 4, "Did you mean 'prediction-worker'?"),
        (["services", "logs", "predictoin-worker", "-f"], 4, "Did you mean 'prediction-worker'?"),
        (["logs", "first-error", "predictoin-worker"], 4, "predictoin-worker"),
        (["logs", "search", "--severity", "eror"], 2, "Did you mean 'error'?"),
        (["logs", "search", "--since", "yesteryear"], 2, "yesteryear"),
        (["logs", "search", "--since", "1h", "--until", "2h"], 2, "--until is not after --since"),
        (["logs", "search", "-f", "--until", "1m"], 2, "-f does not go together with --until"),
        (["logs", "search", "--since", "2026-01-15T12:00:00"], 2, "has no time zone"),
    ):
        done = world(*arguments)
        assert (done.returncode, says in done.stderr) == (code, True), (arguments, done.stderr)


def test_a_missing_permission_names_the_role(world: World) -> None:
    text = "Permission 'logging.logEntries.list' denied on resource (or it may not exist)."
    world.logging.failures = [(grpc.StatusCode.PERMISSION_DENIED, text)]
    done = world("logs", "search")
    assert done.returncode == 5
    assert "roles/logging.viewer" in done.stderr


@pytest.mark.parametrize("output", ["table", "jsonl"])
def test_new_lines_are_followed_until_ctrl_c(world: World, output: str) -> None:
    world.run.deploy("worker", {})
    world.logging.add("worker", {"message": "old"}, at=_ago(1))

    def wait_for(text: bytes) -> None:
        end = time.monotonic() + 20
        buffer: Any = sys.stdout.buffer
        while time.monotonic() < end and text not in buffer.getvalue():
            time.sleep(0.01)

    def log_and_interrupt() -> None:
        world.logging.wait_for_streams()
        wait_for(b"old")
        world.logging.suppress(42)
        for number in range(3):
            world.logging.add("worker", {"message": f"new {number}"})
        wait_for(b"new 2")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=log_and_interrupt)
    thread.start()
    done = world("services", "logs", "worker", "-f", "--limit", "1", "-o", output)
    thread.join()
    assert done.returncode == 0, done.stderr
    assert re.findall(r"old|new \d", done.stdout) == ["old", "new 0", "new 1", "new 2"]
    assert "42 lines or more were not shown" in done.stderr


def test_the_logs_of_this_machine_are_read_in_the_same_way(tmp_path: Path) -> None:
    env = environment()
    done = call_nbactl(["logs", "search"], cwd=tmp_path, env=env)
    assert (done.returncode, "nbactl up" in done.stderr) == (4, True)
    files = ServiceLogFiles(tmp_path / ".nbactl" / "service-logs")
    for number in range(3):
        entry = {"message": f"line {number}", "rows": number, "logging.googleapis.com/labels": {"run_id": "run-1"}}
        files.append("worker", "ERROR", f"line {number}", entry, at=_ago(3 - number), revision="worker-00001")
    files.close()
    done = call_nbactl(["services", "logs", "worker", "-o", "jsonl"], cwd=tmp_path, env=env)
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == ["line 0", "line 1", "line 2"]
    done = call_nbactl(["logs", "errors"], cwd=tmp_path, env=env)
    assert "line N" in done.stdout
    done = call_nbactl(["trace", "run-1"], cwd=tmp_path, env=env)
    assert "log of worker" in done.stdout
    assert "ERROR: line 2" in done.stdout
    done = call_nbactl(["services", "logs", "wroker"], cwd=tmp_path, env=env)
    assert (done.returncode, "Did you mean 'worker'?" in done.stderr) == (4, True)


def test_a_trace_has_the_newest_lines_and_says_what_it_does_not_have(tmp_path: Path) -> None:
    env = environment()
    done = call_nbactl(["trace", "run-2"], cwd=tmp_path, env=env)
    assert (done.returncode, "logs of services: no service has logged anything here" in done.stderr) == (4, True)
    files = ServiceLogFiles(tmp_path / ".nbactl" / "service-logs")
    now = datetime.now(UTC)
    for number in range(230):
        entry = {"message": f"line {number}", "logging.googleapis.com/labels": {"correlation_id": "req-2"}}
        at = now - timedelta(seconds=300 - number)
        files.append("worker", "INFO", f"line {number}", entry, at=at, revision=None)
    files.close()
    done = call_nbactl(["trace", "req-2", "-o", "json"], cwd=tmp_path, env=env)
    data = json.loads(done.stdout)["data"]
    assert data["kinds"] == ["id in logs"]
    assert [event["what"] for event in data["events"]] == [f"line {number}" for number in range(30, 230)]
    assert "lines of services before the newest 200: nbactl logs id req-2" in data["not_looked_at"]
