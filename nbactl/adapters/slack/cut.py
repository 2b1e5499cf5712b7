"""Ends a call of httpx2 at an instant, whatever the server does meanwhile."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

from nbactl.core._support.durations import format_duration
from nbactl.errors import TimedOutError

if TYPE_CHECKING:
    from types import TracebackType


class Cut:
    """Cuts the connection of the call in the block after `seconds`, and raises TimedOutError then.

    A client's own timeout bounds each wait for bytes, so that a server which drips them in, headers too, holds a call
    for hours. `extensions` go along with the request, and tell of the connection. To look a host up is not bounded by
    this, but by the resolver.
    """

    def __init__(self, what: str, seconds: float) -> None:
        self._what = what
        self._seconds = seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._expired = False
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    @property
    def extensions(self) -> dict[str, Any]:
        """What the request takes along ("Extensions" of httpx: trace)."""
        return {"trace": self._note}

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._socket = None
            expired = self._expired
        if expired and isinstance(error, Exception):
            raise TimedOutError(
                f"{self._what} did not answer in time",
                cause=f"The call was cut off after {format_duration(self._seconds)}.",
            ) from error

    def _note(self, event: str, info: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self._expired:
                    self._shut()

    def _expire(self) -> None:
        with self._lock:
            self._expired = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is closed already
                # The plain socket's: that of TLS would change what the thread that reads is using.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
