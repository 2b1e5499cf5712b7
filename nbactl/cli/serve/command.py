"""Serve services of the pipeline in this process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nbactl.bootstrap.serving import ServeRequest, serve_services
from nbactl.core._support.names import did_you_mean
from nbactl.errors import UsageError
from nbactl.services.routes import SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.config.settings import Settings

LOOPBACK: Final = "127.0.0.1"
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - Cloud Run asks a container on any of its addresses
DEFAULT_PORT: Final = 8080
_LAST_PORT: Final = 65535


def serve(
    settings: Settings, environ: Mapping[str, str], request: ServeRequest, *, announce: Callable[[str], None]
) -> None:
    """Serve until a signal. `announce` gets the address.

    Raises UsageError for an unknown service, a wrong port, and for another host than the loopback without identities;
    PreconditionError if the port is taken.
    """
    names = _known(request.services)
    host, port = _address(request, environ)
    serve_services(settings, environ, replace(request, services=names, host=host, port=port), announce=announce)


def _known(services: tuple[str, ...]) -> tuple[str, ...]:
    for name in services:
        if name not in SERVICES:
            raise UsageError(f"there is no service '{name}'", next_step=did_you_mean(name, SERVICES))
    return tuple(dict.fromkeys(services))


def _address(request: ServeRequest, environ: Mapping[str, str]) -> tuple[str, int]:
    given = environ.get("PORT")
    if given and not (given.isascii() and given.isdigit() and int(given) <= _LAST_PORT):
        raise UsageError(f"PORT: '{given}' is not a port", next_step="Set a number from 1 to 65535, or unset it.")
    host = request.host or (EVERYWHERE if given else LOOPBACK)
    port = request.port if request.port is not None else int(given) if given else DEFAULT_PORT
    return host, port
