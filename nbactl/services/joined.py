"""Several services in one process: each request goes to the one that has its path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.core._support.aio import Receive, Scope, Send
    from nbactl.core.service.service import Service


class Joined:
    """An ASGI app of services. Raises ConfigError if two have the same path."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._first = services[0]
        self._by_path: dict[str, Service] = {}
        for service in services:
            for path in service.paths:
                if (other := self._by_path.setdefault(path, service)) is not service:
                    raise ConfigError(f"{other.name} and {service.name} cannot be served together: both have {path}")
        self.paths = tuple(self._by_path)
        self.probed = tuple(probed for service in services for probed in service.probed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the first service refuses a path that none has."""
        await self._by_path.get(scope["path"], self._first).endpoints(scope, receive, send)
