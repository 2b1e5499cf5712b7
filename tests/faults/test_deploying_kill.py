"""`up`, or the command that changes a service, is killed between any two steps: what was written comes into force."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.localrun.running import read_running
from nbactl.errors import DeployFailedError, StillRunningError
from nbactl.ports.services import ServiceEdit
from tests.kit.local_up import open_services
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.adapters.localrun.services import LocalServices

ONE = "one"
STEPS = ("begun", "started", "switched", "recorded")


def run(*words: str, fault: str = "") -> subprocess.Popen[bytes]:
    environ = {**os.environ, "NBACTL_FAULTS": fault, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "tests.kit.local_up", *words], cwd=ROOT, env=environ)


@contextmanager
def up(folder: Path, fault: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Run `up` until it is killed, at the latest at the end."""
    process = run("up", str(folder), ONE, fault=fault)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def in_force(folder: Path, services: LocalServices) -> bool:
    """Say whether the `up` of now has brought everything into force."""
    return read_running(folder / "up.json") is not None and all(
        not one.is_reconciling and one.problem is None and serves(one.url) for one in services.list()
    )


def serves(url: str) -> bool:
    return bool(ask(url, "/pid"))


def ask(url: str, path: str) -> str:
    connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    except OSError:
        return ""
    finally:
        connection.close()


def test_a_change_comes_into_force_once_wherever_up_is_killed(tmp_path: Path) -> None:
    services, value = open_services(tmp_path), 0
    with up(tmp_path, "localrun.registered=kill") as killed:
        assert killed.wait(30) == -signal.SIGKILL
    assert [one.problem for one in services.list()] == ["it does not run: `nbactl up` is not running"]
    # Each `up` begins with what the one before left behind, and is killed at the change after that.
    for step in STEPS:
        with up(tmp_path, f"localrun.{step}=kill@2") as killed:
            wait_for(lambda: services.list() and in_force(tmp_path, services))
            assert ask(services.get(ONE).url, "/env/A") == (str(value) if value else "(none)")
            value += 1
            before = services.get(ONE)
            edit = ServiceEdit({"A": str(value)})
            if step == "recorded":
                assert services.change(ONE, edit, expected_version=before.version).env["A"] == str(value)
            else:
                with pytest.raises(StillRunningError, match="not ready yet") as still:
                    services.change(ONE, edit, expected_version=before.version)
                assert "the next one makes the change" in (still.value.cause or "")
            assert killed.wait(30) == -signal.SIGKILL
    with up(tmp_path, "localrun.failed=kill") as killed:
        wait_for(lambda: in_force(tmp_path, services))
        assert ask(services.get(ONE).url, "/env/A") == str(value)
        assert len(services.revisions(ONE)) == 1 + value, "none was made twice"
        edit = ServiceEdit({"BROKEN": "1"})
        with pytest.raises(DeployFailedError):
            services.change(ONE, edit, expected_version=services.get(ONE).version)
        assert killed.wait(30) == -signal.SIGKILL
    with up(tmp_path):
        wait_for(lambda: read_running(tmp_path / "up.json") and ask(services.get(ONE).url, "/env/A") == str(value))
        assert services.get(ONE).latest_ready_revision == f"one-{1 + value:05d}"


@pytest.mark.parametrize(("step", "value"), [("before_change", "(none)"), ("changed", "2")])
def test_a_command_that_is_killed_has_changed_all_or_nothing(tmp_path: Path, step: str, value: str) -> None:
    services = open_services(tmp_path)
    with up(tmp_path):
        wait_for(lambda: services.list() and in_force(tmp_path, services))
        assert run("set", str(tmp_path), ONE, "A=2", fault=f"localrun.{step}=kill").wait(30) == -signal.SIGKILL
        wait_for(lambda: in_force(tmp_path, services))
        wait_for(lambda: ask(services.get(ONE).url, "/env/A") == value)
        assert len(services.revisions(ONE)) == (1 if value == "(none)" else 2)
