"""Google's emulators for the length of a test session: each started once, shared, and gone when its last user is.

Who uses the emulator holds a lock that the kernel takes back when the process dies, however it dies. A guard process
waits for that and then ends the emulator with all its children.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from nbactl.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_SECONDS: Final = 90.0
_LOOK_AGAIN: Final = 0.2
_QUIET: Final = {"CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true"}
_SHORT_LIVED: Final = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Options of java: what lives for minutes does not repay the optimising compiler, which takes half of its CPU time.

https://docs.oracle.com/en/java/javase/17/docs/specs/man/java.html
"""


def missing_for_firestore() -> str | None:
    """Say what the Firestore emulator needs and this machine lacks; None if nothing."""
    return _missing("Firestore")


def missing_for_pubsub() -> str | None:
    """Say what the Pub/Sub emulator needs and this machine lacks; None if nothing."""
    return _missing("Pub/Sub")


def _missing(emulator: str) -> str | None:
    lacking = [name for name in ("gcloud", "java") if shutil.which(name) is None]
    return f"{' and '.join(lacking)} not found: the {emulator} emulator needs them" if lacking else None


@contextmanager
def firestore_emulator(folder: Path) -> Iterator[str]:
    """Give the `host:port` of the Firestore emulator that all users of `folder` share; the first one starts it.

    Raises UnavailableError if it does not start.
    """
    with _shared(folder, "firestore") as address:
        yield address


@contextmanager
def pubsub_emulator(folder: Path) -> Iterator[str]:
    """Give the `host:port` of the Pub/Sub emulator that all users of `folder` share; the first one starts it.

    Raises UnavailableError if it does not start.
    """
    with _shared(folder, "pubsub") as address:
        yield address


@contextmanager
def _shared(folder: Path, emulator: str) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users").open("a") as users:
        with (folder / "starting").open("a") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)  # waits for a guard that is about to end
            address = _read(folder) or _start(folder, emulator)
        yield address


def free_port() -> int:
    """Return a port of the loopback interface that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _read(folder: Path) -> str | None:
    try:
        address: str = json.loads((folder / "address").read_text())
    except FileNotFoundError:
        return None
    return address


def _start(folder: Path, emulator: str) -> str:
    command = [sys.executable, "-m", __name__, str(folder), emulator]
    with (folder / "emulator.log").open("ab") as log:
        guard = subprocess.Popen(  # noqa: S603 - this interpreter, this module
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=_project()
        )
    give_up = time.monotonic() + _START_SECONDS
    while (address := _read(folder)) is None:
        if guard.poll() is not None or time.monotonic() > give_up:
            guard.kill()
            guard.wait()
            tail = (folder / "emulator.log").read_text(errors="replace")[-1000:]
            raise UnavailableError(f"the {emulator} emulator did not start", cause=tail)
        time.sleep(_LOOK_AGAIN)
    # The guard outlives this process if others use the emulator: no process waits for it.
    guard.returncode = 0
    return address


def _project() -> Path:
    return Path(__file__).parents[2]


_COMMANDS: Final = {
    "firestore": ("gcloud", "emulators", "firestore", "start"),
    "pubsub": ("gcloud", "beta", "emulators", "pubsub", "start", "--project=emulated"),
}


def _guard(folder: Path, name: str) -> None:
    port = free_port()
    command = [*_COMMANDS[name], f"--host-port=127.0.0.1:{port}"]
    if name == "pubsub":  # otherwise all emulators of the machine write into one folder
        (folder / "data").mkdir(exist_ok=True)
        command.append(f"--data-dir={folder / 'data'}")
    # Options of the user come last, so that they win.
    java = f"{_SHORT_LIVED} {os.environ.get('JDK_JAVA_OPTIONS', '')}".rstrip()
    emulator = subprocess.Popen(  # noqa: S603 - a fixed command
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, **_QUIET, "JDK_JAVA_OPTIONS": java},
    )
    with (folder / "users").open("a") as users:
        try:
            while not _answers(port):
                if emulator.poll() is not None or _unused(users):
                    return
                time.sleep(_LOOK_AGAIN)
            if name == "firestore":
                _warm_up(port)
            _publish(folder, f"127.0.0.1:{port}")
            while emulator.poll() is None and not _unused(users):
                time.sleep(_LOOK_AGAIN)
        finally:
            (folder / "address").unlink(missing_ok=True)
            os.killpg(emulator.pid, signal.SIGKILL)  # gcloud, a shell and java are one group
            emulator.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=1.0
    )  # nbactl: ignore[hardcoded-timeout] loopback
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _warm_up(port: int) -> None:
    """Have the emulator load what a first write and a first query need: on a busy machine that takes many seconds."""
    documents = "projects/warm-up/databases/(default)/documents"
    calls: tuple[tuple[str, Any], ...] = (
        (":commit", {"writes": [{"update": {"name": f"{documents}/warm/up", "fields": {"n": {"integerValue": "1"}}}}]}),
        (":runQuery", {"structuredQuery": {"from": [{"collectionId": "warm"}]}}),
    )
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
    try:
        for verb, body in calls:
            connection.request("POST", f"/v1/{documents}{verb}", json.dumps(body), {"Content-Type": "application/json"})
            connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass  # the first caller waits instead
    finally:
        connection.close()


def _publish(folder: Path, address: str) -> None:
    fresh = folder / "address.new"
    fresh.write_text(json.dumps(address))
    fresh.replace(folder / "address")


def _unused(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    _guard(Path(sys.argv[1]), sys.argv[2])
