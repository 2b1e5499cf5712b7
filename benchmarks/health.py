"""`/health` of a service under uvicorn: CPU of the server's process a request, beside an app that says hello."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Line
from nbactl.testing.emulators import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT: Final = Path(__file__).resolve().parents[1]
_CALLERS, _REQUESTS, _WARM_UP = 4, 5_000, 500
_TARGET: Final = 1e6 / 10_000
"""Microseconds a request: TARGETS wants 10,000 requests per CPU second."""


def measure(runs: int) -> Iterator[Line]:
    """Measure both apps in turn."""
    best = {"ours": float("inf"), "bare": float("inf")}
    for _ in range(runs):
        for name, (app, path) in {
            "ours": (["benchmarks.health_apps:ours", "--factory"], "/health"),
            "bare": (["benchmarks.health_apps:bare"], "/"),
        }.items():
            with _served(app) as (port, pid):
                _call(port, path, _WARM_UP)
                before = _cpu(pid)
                with ThreadPoolExecutor(_CALLERS) as pool:
                    list(pool.map(partial(_call, port, path), [_REQUESTS] * _CALLERS))
                taken = (_cpu(pid) - before) / (_CALLERS * _REQUESTS) * 1e6
                best[name] = min(best[name], taken)
    ours, bare = best["ours"], best["bare"]
    yield Line("health: /health", ours, "µs CPU a request", _TARGET, f"{1e6 / ours:,.0f} requests per CPU second")
    yield Line("health: hello", bare, "µs CPU a request", None, f"{1e6 / bare:,.0f} requests per CPU second")
    yield Line("health: /health", ours / bare, "x hello", None)


@contextmanager
def _served(app: list[str]) -> Iterator[tuple[int, int]]:
    """Serve an app on loopback; yields port and process id."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", *app, "--port", str(port), "--log-level", "warning", "--no-access-log"],
            cwd=_ROOT, env={**os.environ, "NBACTL_STATE_DIR": folder, "NBACTL_TARGET": "local"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            _wait_for(port, process)
            yield port, process.pid
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > give_up:
                raise
            time.sleep(0.05)
        else:
            return


def _call(port: int, path: str, times: int) -> None:
    """Ask one after the other on one connection. Raises RuntimeError for an answer that is not 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(times):
            connection.sendall(request)
            answer = connection.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(f"an answer of 200 was wanted: {answer[:100]!r}")
            length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = len(answer.partition(b"\r\n\r\n")[2])
            while body < length:
                body += len(connection.recv(65536))


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])  # utime and stime: fields 14 and 15, the name was 2
    return (user + system) / os.sysconf("SC_CLK_TCK")
