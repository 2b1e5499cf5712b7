"""`nbactl serve`: where it listens, whom it lets in, how it ends."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import environment
from tests.kit.called import call_nbactl

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def refused(folder: Path, *arguments: str, code: int = 2, variables: Mapping[str, str] | None = None) -> str:
    done = call_nbactl(["serve", *arguments], cwd=folder, env=environment(dict(variables or {})))
    assert done.returncode == code, done.stderr
    return done.stderr


def test_an_unknown_service_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    assert "Did you mean 'collector'?" in refused(tmp_path, "colector")


def test_a_wrong_port_and_a_port_that_is_taken_are_refused(tmp_path: Path) -> None:
    assert "PORT: 'http' is not a port" in refused(tmp_path, "collector", variables={"PORT": "http"})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = refused(tmp_path, "collector", "--port", str(taken.getsockname()[1]), code=6)
    assert "Address already in use" in text
    assert "--port PORT" in text


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [(("--host", "0.0.0.0", "--port", "0"), {}), ((), {"PORT": "0"}), (("--host", "::"), {"PORT": "0"})],  # noqa: S104
)
def test_other_machines_are_let_in_only_where_callers_identify_themselves(
    tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str]
) -> None:
    text = refused(tmp_path, "collector", *arguments, variables=variables)
    assert "NBACTL_PUSH_AUDIENCE" in text
    assert "serve on 127.0.0.1" in text


def test_what_cannot_be_served_on_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert "--fd 900 is not a socket of this process" in refused(tmp_path, "collector", "--fd", "900")
    assert "--own-fd goes together with --until-eof" in refused(tmp_path, "collector", "--own-fd", "900")
    with socket.socket() as deaf:
        assert "does not listen" in refused(tmp_path, "collector", "--fd", str(os.dup(deaf.fileno())))
    # TEST-NET-1 of RFC 5737 is no address of any machine.
    text = refused(tmp_path, "collector", "--host", "192.0.2.1", "--port", "0")
    assert "is not an address of this machine" in text
    assert "program that uses the port" not in text


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_services_are_served_together_until_their_supervisor_has_gone(tmp_path: Path) -> None:
    words = ["-m", "nbactl", "serve", "collector", "orchestrator", "--port", "0", "--until-eof", "-o", "jsonl"]
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        address = re.search(r"http://127\.0\.0\.1:(\d+)", process.stderr.readline())
        assert address is not None
        port, end = int(address[1]), time.monotonic() + 60
        while get(port, "/ready")[0] != 200:
            assert time.monotonic() < end
            time.sleep(0.05)
        # Each path belongs to one of them; POST only.
        assert [get(port, path)[0] for path in ("/scrape", "/completions/phase2", "/nowhere")] == [405, 405, 404]
        out, err = process.communicate("", timeout=30)  # its standard input ends
    finally:
        process.kill()
    assert process.returncode == 143, err
    assert {json.loads(line)["severity"] for line in err.splitlines()} <= {"INFO", "DEBUG"}
    assert json.loads(out)["services"] == ["collector", "orchestrator"]
