"""The services of a running `nbactl up`, and chaos: killing them at random, as `up` must survive."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nbactl.errors import PreconditionError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

_FILE: Final = "up.json"
_READY: Final = 200


@frozen
class RunningUp:
    """A running `nbactl up`: its process, and process and port of each service."""

    pid: int
    services: dict[str, tuple[int, int]]


@frozen
class Kill:
    """A service that was killed, `at` seconds after the start of the load."""

    at: float
    service: str
    pid: int


def find_up(state_dir: Path) -> RunningUp:
    """Return the `nbactl up` of a state directory. Raises PreconditionError if none is running."""
    try:
        found = json.loads((state_dir / _FILE).read_text(encoding="utf-8"))
        services = {str(name): (int(one["pid"]), int(one["port"])) for name, one in found["services"].items()}
        running = RunningUp(int(found["pid"]), services)
        os.kill(running.pid, 0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PreconditionError(
            f"`nbactl up` is not running on {state_dir}",
            next_step="Start it in another terminal: nbactl up --date none. Or give --url URL.",
        ) from error
    return running


class Chaos:
    """Kills a random service every so often, in a thread, between `start` and `stop`; counts restarts.

    A service that is not ready is left alone: `up` gives one up that keeps dying while it starts.
    """

    def __init__(
        self, state_dir: Path, *, every: float, limit: float, seed: int, seconds: Callable[[], float], kills: bool
    ) -> None:
        """`every` and `limit`, of one question whether a service is ready, are in seconds; `seconds` is the time."""
        self._state_dir = state_dir
        self._every = every
        self._limit = limit
        self._rng = random.Random(seed)  # noqa: S311 - no secret
        self._seconds = seconds
        self._kills = kills
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nbactl-chaos", daemon=True)
        self._pids: dict[str, set[int]] = {}
        self.killed: list[Kill] = []

    @property
    def restarts(self) -> int:
        """How many processes of services were started after the first ones, as far as that was seen."""
        return sum(len(pids) - 1 for pids in self._pids.values())

    def start(self) -> None:
        """Begin."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until nothing more is killed."""
        self._stopped.set()
        self._thread.join()
        self.look()

    def look(self) -> RunningUp | None:
        """Note the processes there are; None if `up` is not running."""
        try:
            up = find_up(self._state_dir)
        except PreconditionError:
            return None
        for name, (pid, _) in up.services.items():
            self._pids.setdefault(name, set()).add(pid)
        return up

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            up = self.look()
            if up is None or not self._kills:
                continue
            name = self._rng.choice(sorted(up.services))
            pid, port = up.services[name]
            if _is_child(pid, up.pid) and self._is_ready(port):
                os.kill(pid, signal.SIGKILL)
                self.killed.append(Kill(round(self._seconds(), 1), name, pid))

    def _is_ready(self, port: int) -> bool:
        connection = HTTPConnection("127.0.0.1", port, timeout=self._limit)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == _READY
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def _is_child(pid: int, parent: int) -> bool:
    """Say whether a process was started by `parent`: a pid in a file may be another process's by now."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[1] == str(parent)
