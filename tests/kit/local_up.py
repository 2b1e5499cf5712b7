"""`nbactl up` in small: its supervisor and deployer over tiny services, in a thread or as a process that can be killed.

As a process: `local_up.py up FOLDER SERVICE` runs it, `local_up.py set FOLDER SERVICE NAME=VALUE` changes a variable.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from nbactl.adapters.localrun.deployments import LocalDeployments
from nbactl.adapters.localrun.running import UpState, read_running, write_running
from nbactl.adapters.localrun.services import LocalServices, Patience
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.faults import arm_from_environment, reach
from nbactl.ports.services import ServiceEdit
from nbactl.services.deploying import Deployer
from nbactl.services.supervisor import Supervisor, SupervisorTimings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.services.instance import LogLine

TINY: Final = Path(__file__).with_name("tiny_service.py")
TIMINGS: Final = SupervisorTimings(request=2.0, restart=0.01, longest_restart=0.02, start=30.0, stop=5.0)


def open_documents(folder: Path) -> SqliteDocuments:
    folder.mkdir(parents=True, exist_ok=True)
    return SqliteDocuments(folder / "documents.db", clock=SystemClock(), busy_timeout=20.0)


def open_services(folder: Path, *, who: str = "mia@here", deploy: float = 20.0) -> LocalServices:
    """Return the services of a folder, as a command opens them."""
    return LocalServices(
        open_documents(folder),
        running=lambda: read_running(folder / "up.json"),
        clock=SystemClock(),
        who=who,
        patience=Patience(deploy=deploy, poll=0.01),
    )


class LocalUp:
    """Takes steps in a thread while it is used as a context manager."""

    def __init__(self, folder: Path, *, start: float = TIMINGS.start) -> None:
        """`start` is how many seconds a revision has to become ready."""
        self.folder = folder
        self.lines: list[LogLine] = []
        self.error: Exception | None = None
        self.clock = SystemClock()
        self.documents = open_documents(folder)
        self.deployments = LocalDeployments(self.documents, clock=self.clock, who="up@here")
        self.supervisor = Supervisor(
            timings=replace(TIMINGS, start=start), clock=self.clock, emit=self.lines.append, changed=self.write_state
        )
        self.deployer = Deployer(
            self.supervisor,
            self.deployments,
            command=lambda _, shared, own: [sys.executable, "-I", "-S", str(TINY), str(shared), str(own)],
            environ={"API_KEY": "hidden-value"},
        )
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self.write_state()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self.supervisor.stop()
        (self.folder / "up.json").unlink()
        self.documents.close()

    def add(self, name: str, env: Mapping[str, str]) -> None:
        """Have a service as `up` has it at its start."""
        self.deployments.register(name, env, frozenset({"API_KEY"}))
        with self._lock:
            self.supervisor.open(name)
        reach("localrun.registered")

    def deploy(self, service: str, env: Mapping[str, str] | None = None) -> None:
        """Add a service and wait until it serves."""
        self.add(service, env or {})
        self.wait_for(lambda: self.supervisor.services[service].is_ready and self.deployer.is_settled)

    def set_env(self, service: str, **values: str) -> None:
        """Change a service as somebody else does."""
        services = open_services(self.folder, who="theo@there")
        services.change(service, ServiceEdit(values), expected_version=services.get(service).version)

    def wait_for(self, condition: Callable[[], object], *, fails: bool = True) -> None:
        """Wait for a condition; it `fails` when the thread has ended with an error."""
        end = time.monotonic() + 20
        while not condition():
            assert self.error is None or not fails, self.error
            assert time.monotonic() < end, [line.message for line in self.lines]
            time.sleep(0.005)

    def step(self) -> None:
        with self._lock:
            self.deployer.step()

    def _run(self) -> None:
        try:
            while not self._stopped.wait(0.01):
                self.step()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    def write_state(self) -> None:
        services = {name: service.running for name, service in self.supervisor.services.items()}
        write_running(self.folder / "up.json", UpState(self.clock.now(), None, services))


def main(verb: str, folder: Path, name: str, change: str = "") -> None:
    arm_from_environment(os.environ.get("NBACTL_FAULTS", ""))
    if verb == "set":
        variable, _, value = change.partition("=")
        services = open_services(folder)
        edit = ServiceEdit({variable: value})
        services.change(name, edit, expected_version=services.get(name).version)
        return
    up = LocalUp(folder)
    up.write_state()
    up.add(name, {})
    while True:
        up.step()
        time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
