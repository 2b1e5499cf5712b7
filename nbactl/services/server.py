"""A service as a process: its socket, the server, and its end when the process that supervises it has gone."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import uvicorn

from nbactl.errors import PreconditionError, UsageError

if TYPE_CHECKING:
    from nbactl.core._support.aio import App

LOOPBACK = "127.0.0.1"
_BACKLOG = 2048


def is_loopback(host: str) -> bool:
    """Say whether only programs on this machine can reach a server on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises PreconditionError if the port is taken, UsageError for a wrong host."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(f"'{host}' is not an address of this machine", cause=str(error)) from error
        raise PreconditionError(
            f"{host}:{port} cannot be served",
            cause=error.strerror or str(error),
            next_step="Stop the program that uses the port, or choose another: --port PORT.",
        ) from error
    return opened


def inherited_socket(descriptor: int) -> socket.socket:
    """Return a socket that was inherited. Raises UsageError if the descriptor is none that listens."""
    try:
        inherited = socket.socket(fileno=descriptor)
        listens = inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise UsageError(f"--fd {descriptor} is not a socket of this process", cause=error.strerror) from error
    if not listens:
        inherited.close()
        raise UsageError(f"--fd {descriptor} is a socket that does not listen")
    return inherited


def serve(app: App, listening: socket.socket, *, stop_within: float) -> None:
    """Serve until SIGTERM or Ctrl-C; a request has at most `stop_within` seconds then.

    The signal is raised again at the end, as uvicorn does.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=max(1, int(stop_within)),
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listening])
    if not server.started:
        raise PreconditionError("the service did not start", cause="The reason is in the log above.")


def stop_at_end_of_input(patience: float) -> None:
    """Have this process stop once its standard input ends: the process that started it is gone, however it ended.

    After `patience` seconds it ends whatever it still does.
    """
    descriptor = os.dup(sys.stdin.fileno())

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(descriptor, 1024):
                continue
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(patience)
        os._exit(1)

    threading.Thread(target=watch, name="nbactl-supervisor", daemon=True).start()
