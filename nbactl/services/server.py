"""A service as a process: its socket, the server, and its end when the process that supervises it has gone."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import signal
import socket
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, cast

import uvicorn

from nbactl.errors import PreconditionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

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


class Admission:
    """Requests on the service's socket are taken once this is granted; until then on the process's own socket only."""

    def __init__(self, own: socket.socket) -> None:
        self.own = own
        self._granted = threading.Event()

    @property
    def is_granted(self) -> bool:
        """Whether requests may be taken."""
        return self._granted.is_set()

    def grant(self) -> None:
        """Take requests from now on."""
        self._granted.set()


def serve(app: App, listening: socket.socket, *, stop_within: float, admission: Admission | None = None) -> None:
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
    server = uvicorn.Server(config) if admission is None else _AdmittedServer(config, listening, admission)
    server.run(sockets=[listening if admission is None else admission.own])
    if not server.started:
        raise PreconditionError("the service did not start", cause="The reason is in the log above.")


class _AdmittedServer(uvicorn.Server):
    """Accepts connections on `listening` once it is admitted, in addition to the sockets that it runs on."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket, admission: Admission) -> None:
        super().__init__(config)
        self._listening: socket.socket | None = listening
        self._admission = admission

    async def on_tick(self, counter: int) -> bool:
        """Do what uvicorn does ten times a second, and look for the admission."""
        if self._listening is not None and self._admission.is_granted:
            listening, self._listening = self._listening, None
            # As uvicorn's own `startup` does for each socket.
            protocol: Callable[[], asyncio.Protocol] = partial(
                cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class),
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )
            self.servers.append(await asyncio.get_running_loop().create_server(protocol, sock=listening))
        return await super().on_tick(counter)


def follow_input(patience: float, admission: Admission | None = None) -> None:
    """Have this process stop once its standard input ends: the process that started it is gone, however it ended.

    After `patience` seconds it ends whatever it still does. Anything in the input before its end is the admission.
    """
    descriptor = os.dup(sys.stdin.fileno())

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(descriptor, 1024):
                if admission is not None:
                    admission.grant()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(patience)
        os._exit(1)

    threading.Thread(target=watch, name="nbactl-supervisor", daemon=True).start()
