"""A process that serves: container, log, identities, socket and server."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.bootstrap.service import ServiceContainer
    from nbactl.config.settings import Settings
    from nbactl.core._support.aio import App


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """What to serve and where.

    Without `host` it is the loopback, or all addresses where PORT is set, as Cloud Run does. `fd` is an inherited
    socket that listens already; with `own_fd`, another one, it is used from the first line of standard input on.
    `until_eof` stops the services when standard input ends. `structured` logs JSON.
    """

    services: tuple[str, ...]
    host: str | None = None
    port: int | None = None
    fd: int | None = None
    own_fd: int | None = None
    concurrency: int | None = None
    until_eof: bool = False
    structured: bool = False


def serve_services(
    settings: Settings, environ: Mapping[str, str], request: ServeRequest, *, announce: Callable[[str], None]
) -> None:
    """Serve on the host and port, or the socket, of the request until a signal.

    Raises ConfigError where callers would not be known, PreconditionError for a port that is taken.
    """
    from nbactl.bootstrap.service import ServiceContainer, log_service
    from nbactl.bootstrap.services import make_services
    from nbactl.services import server

    names = request.services
    with (
        ServiceContainer("-".join(names), settings, environ=environ) as app,
        contextlib.ExitStack() as sockets,
        server.open_socket(request.host or "", request.port or 0)
        if request.fd is None
        else server.inherited_socket(request.fd) as listening,
    ):
        host, port, *_ = listening.getsockname()
        app.identity = _identity(host, app)
        if request.concurrency is not None:
            app.concurrency = request.concurrency
        log_service(app, structured=request.structured)
        made = make_services(app, names)
        timeouts = app.config.timeouts
        finish = timeouts["service.finish_requests"] + timeouts["service.let_go"]
        admission = None
        if request.own_fd is not None:
            admission = server.Admission(sockets.enter_context(server.inherited_socket(request.own_fd)))
        if request.until_eof:
            server.follow_input(finish + timeouts["service.stop_steps"], admission)
        announce(f"Serving {', '.join(names)} on http://{f'[{host}]' if ':' in host else host}:{port}")
        server.serve(made, listening, stop_within=finish, admission=admission)


def _identity(host: str, app: ServiceContainer) -> Callable[[App], App] | None:
    """Return what lets only known callers in. Raises ConfigError where other machines could call without it."""
    from nbactl.bootstrap.identity import ACCOUNTS, AUDIENCE, make_identity
    from nbactl.services.server import is_loopback

    made = make_identity(app.environ, clock=app.clock, timeouts=app.config.timeouts)
    if made is None and not is_loopback(host):
        raise ConfigError(
            f"{host} can be reached from other machines, and nothing says which callers to let in",
            cause=f"{AUDIENCE} and {ACCOUNTS} are not set.",
            next_step=f"Set {AUDIENCE} to the service's URL and {ACCOUNTS} to its callers, or serve on 127.0.0.1.",
        )
    return made
