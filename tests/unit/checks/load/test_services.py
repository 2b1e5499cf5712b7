"""The services of a running `nbactl up`: which are killed, and which are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.checks.load.services import Chaos, find_up
from nbactl.errors import PreconditionError
from tests.kit.http_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


NOBODY = 999_999_999
"""A process that cannot be there."""


def write(folder: Path, up: int, **services: tuple[int, int]) -> None:
    found = {name: {"pid": pid, "port": port} for name, (pid, port) in services.items()}
    (folder / "up.json").write_text(json.dumps({"pid": up, "services": found, "started_at": "2025-01-01T00:00:00Z"}))


@contextmanager
def ready(status: int) -> Iterator[int]:
    """Serve `/ready` with a status; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/ready" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with LoopbackServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving.server_port
        serving.shutdown()
        thread.join()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def chaos(folder: Path, *, kills: bool = True) -> Chaos:
    return Chaos(folder, every=0.02, limit=1.0, seed=1, seconds=time.monotonic, kills=kills)


def until(condition: Any) -> None:
    end = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_ready_child_of_up_is_killed_and_its_restart_is_counted(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    with ready(200) as port:
        write(tmp_path, os.getpid(), worker=(child.pid, port))
        running = chaos(tmp_path)
        running.start()
        assert child.wait(10.0) == -9
        until(lambda: running.killed)
        write(tmp_path, os.getpid(), worker=(NOBODY, port))  # restarted
        until(lambda: running.restarts)
        running.stop()
    assert [(kill.service, kill.pid) for kill in running.killed] == [("worker", child.pid)]
    assert running.restarts == 1


@pytest.mark.parametrize(("status", "up", "kills"), [(503, None, True), (200, 1, True), (200, None, False)])
def test_what_is_not_ready_or_not_a_child_of_up_is_left_alone(
    status: int, up: int | None, kills: bool, tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    with ready(status) as port:
        write(tmp_path, up or os.getpid(), worker=(child.pid, port))
        running = chaos(tmp_path, kills=kills)
        looks = 0
        look = running.look

        def counted() -> Any:
            nonlocal looks
            looks += 1
            return look()

        running.look = counted  # type: ignore[method-assign]
        running.start()
        until(lambda: looks >= 4)
        running.stop()
    assert child.poll() is None
    assert running.killed == []


@pytest.mark.parametrize("text", ["", "{}", '{"pid": 1, "services": 3}', '{"pid": 999999999, "services": {}}', "[]"])
def test_up_must_be_running(text: str, tmp_path: Path) -> None:
    if text:
        (tmp_path / "up.json").write_text(text)
    with pytest.raises(PreconditionError, match="is not running on"):
        find_up(tmp_path)
