"""The emulator is shared, and is gone when its last user is, however that user ends."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nbactl.testing.emulators import firestore_emulator, missing_for_firestore
from tests.kit.paths import ROOT

USER = """
import sys, time
from pathlib import Path
from nbactl.testing.emulators import firestore_emulator
with firestore_emulator(Path(sys.argv[1])) as address:
    print(address, flush=True)
    time.sleep(600)
"""

pytestmark = pytest.mark.usefixtures("firestore_address")  # what is missing is said there


def answers(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=5.0)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def processes_of(folder: Path, address: str) -> list[str]:
    """The command lines of everything that serves `folder` or `address`."""
    port = address.rpartition(":")[2]
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"nbactl.testing.emulators {folder}" in line or f"--port={port}" in line or f":{port}" in line:
            found.append(line)
    return found


def java_options(address: str) -> str | None:
    """The options in the environment of the emulator at `address`."""
    port = address.rpartition(":")[2].encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program, *arguments = (process / "cmdline").read_bytes().split(b"\0")
            if program.endswith(b"java") and any(argument.endswith(port) for argument in arguments):
                variables = dict(line.split("=", 1) for line in (process / "environ").read_text().split("\0") if line)
                return variables.get("JDK_JAVA_OPTIONS")
        except OSError:
            continue
    return None


def test_the_emulator_outlives_one_user_and_ends_with_the_last_even_by_sigkill(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "JDK_JAVA_OPTIONS": "-Dours=1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        address = other.stdout.readline().strip()
        with firestore_emulator(tmp_path) as same:
            assert same == address
        assert answers(address)
        assert len(processes_of(tmp_path, address)) >= 3
        assert java_options(address) == "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dours=1"
        other.send_signal(signal.SIGKILL)
    give_up = time.monotonic() + 20.0
    while (left := processes_of(tmp_path, address)) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert left == []
    assert not answers(address)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_for_firestore() is None
    monkeypatch.setenv("PATH", "/nowhere")
    assert missing_for_firestore() == "gcloud and java not found: the Firestore emulator needs them"
