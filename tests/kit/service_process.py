"""A service of this project as a process of its own, served by uvicorn on loopback."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self

from nbactl.testing.emulators import free_port
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class ServiceProcess:
    """Serves `app` (`module:name`) until it is stopped; `environ` is added to this process's environment."""

    def __init__(self, app: str, folder: Path, environ: Mapping[str, str]) -> None:
        self.port = free_port()
        self._app = app
        self._log = folder / "service.log"
        state = {"NBACTL_STATE_DIR": str(folder / "state"), "NBACTL_TARGET": "local"}
        self._environ = {**os.environ, **state, **environ}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = ["-m", "uvicorn", self._app, "--port", str(self.port), "--log-level", "warning", "--no-access-log"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=self._environ, stdout=log, stderr=log
            )
        give_up = time.monotonic() + 60
        while True:
            try:
                self.get("/live")
            except OSError:
                assert self.process.poll() is None, self.output()
                assert time.monotonic() < give_up, self.output()
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """End it as a machine does that loses its power."""
        self.process.kill()
        self.process.wait()

    def stop(self, timeout: float = 20.0) -> int:
        """End it as Cloud Run does; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def output(self) -> str:
        """Return all that it printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of a request. Raises OSError if there is no answer."""
        return self._ask("GET", path, None, {})

    def push(
        self, path: str, attributes: Mapping[str, str], *, data: bytes = b"", message_id: str = "1",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:  # fmt: skip
        """Push a message as Pub/Sub does. Raises OSError if there is no answer."""
        message = {"data": base64.b64encode(data).decode(), "attributes": dict(attributes), "messageId": message_id}
        return self._ask("POST", path, json.dumps({"message": message, "subscription": "s"}).encode(), headers or {})

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()
