"""Waking those who wait for messages, in this process and in others, as soon as something was committed for them."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_LOOPBACK: Final = "127.0.0.1"
_LISTED: Final = 60_000_000
"""Microseconds for which a listener is in the table; it renews its entry while somebody waits."""
_LONGEST_WAIT: Final = 1.0
"""Seconds after which a waiting thread looks again: a datagram may be lost."""
_NEWS, _END = b"n", b"e"
_wake_ups: weakref.WeakSet[WakeUp] = weakref.WeakSet()


class WakeUp:
    """Threads wait, and `notify` ends their wait: in this process at once, in others by a datagram on the loopback.

    The ports are in the table `listeners`. A process listens from its first wait on, also one that was forked: the port
    that it inherited is that of its parent.
    """

    def __init__(self) -> None:
        self._count = 0
        self.begin()
        _wake_ups.add(self)

    def begin(self) -> None:
        """Listen nowhere yet."""
        self._changed = threading.Condition()
        self._port: int | None = None
        self._listed_until = 0

    @property
    def count(self) -> int:
        """How often something was announced; `wait` takes it, so that nothing in between is missed."""
        return self._count

    def notify(self, ports: Iterable[int] = ()) -> None:
        """End every wait of this process, and of those that listen on `ports`."""
        self._wake()
        for port in ports:
            if port != self._port:
                _send(port, _NEWS)

    def wait(self, seen: int, seconds: float) -> None:
        """Wait at most `seconds` until something is announced that is not counted in `seen`."""
        with self._changed:
            self._changed.wait_for(lambda: self._count != seen, timeout=min(seconds, _LONGEST_WAIT))

    def entry(self, now: int) -> tuple[int, int] | None:
        """Return port and end of the entry to be written before a wait at `now` (microseconds); None if it is there."""
        with self._changed:
            if now < self._listed_until - _LISTED // 2:
                return None
            if self._port is None:
                self._port = self._listen()
            self._listed_until = now + _LISTED
            return self._port, self._listed_until

    def close(self) -> None:
        """Stop listening, and end every wait."""
        if self._port is not None:
            _send(self._port, _END)
            self._port = None
        self._wake()

    def _wake(self) -> None:
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def _listen(self) -> int:
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((_LOOPBACK, 0))
        port: int = receiver.getsockname()[1]

        def receive() -> None:
            with receiver:
                while receiver.recv(1) != _END:
                    self._wake()

        threading.Thread(target=receive, name="bus-wake-up", daemon=True).start()
        return port


def write_entry(connection: sqlite3.Connection, entry: tuple[int, int], now: int) -> None:
    """Put a listener into the table, and take out those that are gone."""
    connection.execute("DELETE FROM listeners WHERE until < ?", (now,))
    connection.execute("INSERT OR REPLACE INTO listeners VALUES (?, ?)", entry)


def listening(connection: sqlite3.Connection, now: int) -> list[int]:
    """Return the ports of the processes that listen at `now`."""
    return [port for (port,) in connection.execute("SELECT port FROM listeners WHERE until >= ?", (now,))]


def _send(port: int, what: bytes) -> None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(what, (_LOOPBACK, port))


def _begin_each() -> None:
    for wake_up in list(_wake_ups):
        wake_up.begin()


os.register_at_fork(after_in_child=_begin_each)
