"""POST requests to one endpoint, over connections that are kept for the next.

http.client, not httpx2: a message costs a quarter of the CPU, and it is plain whether anything was sent.
"""

from __future__ import annotations

import http.client
import select
import threading
import time
from typing import Final
from urllib.parse import urlsplit

from nbactl.errors import TimedOutError, UnavailableError

_HEADERS: Final = {"content-type": "application/json", "user-agent": "nbactl-push"}
_KEPT: Final = 2.0
"""Seconds for which an idle connection is kept; uvicorn closes one after five."""
_LONGEST_ANSWER: Final = 65_536
"""Bytes of an answer that are read; a connection with more to read is closed."""


class UnreachableError(UnavailableError):
    """No connection could be made: nothing was sent."""


class PushConnections:
    """Connections to an endpoint. Threads may share it; each request has a connection of its own meanwhile."""

    def __init__(self, url: str, *, connect: float, answer: float) -> None:
        """`connect` and `answer` are the seconds that making a connection and waiting for the answer may take."""
        self.url = url
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._address = parts.netloc
        self._path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        self._connect = connect
        self._answer = answer
        self._lock = threading.Lock()
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []
        self._closed = False

    def post(self, body: bytes) -> tuple[int, str]:
        """Send a body and return status and text of the answer.

        Raises UnreachableError if nothing was sent, TimedOutError or UnavailableError if there was no answer.
        """
        connection = self._take()
        try:
            connection.request("POST", self._path, body, _HEADERS)
            answer = connection.getresponse()
            text = answer.read(_LONGEST_ANSWER).decode(errors="replace")
            keep = answer.isclosed()
        except TimeoutError as error:
            connection.close()
            raise TimedOutError(f"{self.url} did not answer in time") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise UnavailableError(f"{self.url} did not answer", cause=f"{type(error).__name__}: {error}") from error
        self._put_back(connection, keep=keep)
        return answer.status, text

    def close(self) -> None:
        """Close what is idle now, and the others when they are done."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _take(self) -> http.client.HTTPConnection:
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection, since = self._idle.pop()
            if time.monotonic() - since < _KEPT and not _has_news(connection):
                return connection
            connection.close()
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        try:
            made = kind(self._address, timeout=self._connect)
            made.connect()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UnreachableError(f"{self.url} cannot be reached", cause=f"{type(error).__name__}: {error}") from error
        made.sock.settimeout(self._answer)
        return made

    def _put_back(self, connection: http.client.HTTPConnection, *, keep: bool) -> None:
        if keep and connection.sock is not None:
            with self._lock:
                if not self._closed:
                    self._idle.append((connection, time.monotonic()))
                    return
        connection.close()


def _has_news(connection: http.client.HTTPConnection) -> bool:
    """Say whether an idle connection can be read: then the other side has closed it."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
