"""A TCP proxy on the loopback interface that does what networks do to connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PREFACE: Final = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
_HEAD: Final = 9
_HEADERS: Final = 1


class Streams:
    """Follows one direction of a connection."""

    def __init__(self, *, from_client: bool) -> None:
        self._skip = _PREFACE if from_client else 0
        self._head = b""

    def begun(self, data: bytes) -> Iterator[int]:
        """Yield the number of every stream whose first headers are in `data`."""
        place = 0
        while place < len(data):
            step = min(self._skip, len(data) - place)
            self._skip -= step
            place += step
            wanted = data[place : place + _HEAD - len(self._head)]
            self._head += wanted
            place += len(wanted)
            if len(self._head) == _HEAD:
                self._skip = int.from_bytes(self._head[:3], "big")
                kind, stream = self._head[3], int.from_bytes(self._head[5:], "big")
                self._head = b""
                if kind == _HEADERS:
                    yield stream


_CHUNK: Final = 65_536
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_TURNS: Final = 5
"""Turns of the loop from the moment a connection is accepted to the moment a refused one has closed its socket."""


@dataclass(eq=False)
class _Link:
    """One connection of a client, and ours to the server for it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    requests: Streams = field(default_factory=lambda: Streams(from_client=True))
    answers: Streams = field(default_factory=lambda: Streams(from_client=False))
    doomed: int | None = None
    """The HTTP/2 stream whose answer must not arrive."""
    ended_for_client: bool = False

    def reset(self) -> None:
        """End both sides at once, as a crash or a firewall does: the peers get RST."""
        for writer in (self.client, self.server):
            peer: socket.socket | None = writer.get_extra_info("socket")
            if peer is not None and peer.fileno() >= 0:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()


class FaultProxy:
    """Passes connections on to `upstream` (host:port), with the faults that are switched on.

    Use it as a context manager. `delay` (seconds before each piece is passed on), `piece` (bytes a piece) and
    `refusing` may be changed at any time. Requests are those of HTTP/2, as gRPC sends them.
    """

    def __init__(self, upstream: str) -> None:
        self.delay = 0.0
        self.piece = _CHUNK
        self.refusing = False
        self.requests = 0
        self.connections = 0
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._drop_answer_in = self._lose_request_in = 0
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._address = ("", 0)

    @property
    def address(self) -> str:
        """Where clients connect to."""
        return "{}:{}".format(*self._address)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def drop_answer(self, number: int = 1) -> None:
        """Let the `number`-th request from now reach the server; its answer is lost with the connection."""
        self._drop_answer_in = number

    def lose_request(self, number: int = 1) -> None:
        """Lose the `number`-th request from now, with the connection, before the server sees it."""
        self._lose_request_in = number

    def reset(self) -> None:
        """Reset every connection there is."""
        self._do(_Link.reset)

    def half_close(self) -> None:
        """End every connection towards its client, who can still send."""

        def end(link: _Link) -> None:
            link.ended_for_client = True
            link.client.write_eof()

        self._do(end)

    def _do(self, action: Callable[[_Link], None]) -> None:
        async def all_links() -> None:
            for link in list(self._links):
                action(link)

        asyncio.run_coroutine_threadsafe(all_links(), self._loop).result()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._address = self._server.sockets[0].getsockname()

    async def _end(self) -> None:
        # Nothing is accepted any more, and what just was is refused. Server.close() would leave its socket open:
        # https://github.com/python/cpython/issues/109564
        self._loop.remove_reader(self._server.sockets[0].fileno())
        self.refusing = True
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        self._server.close()
        for link in list(self._links):
            link.reset()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0)  # connections that were ended close their sockets in the next turn of the loop

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refusing:
            _Link(writer, writer).reset()
            return
        try:
            from_server, to_server = await asyncio.open_connection(*self._upstream)
        except OSError:
            _Link(writer, writer).reset()
            return
        link = _Link(writer, to_server)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pump(reader, to_server, lambda data: self._may_pass_up(link, data)),
                self._pump(from_server, writer, lambda data: self._may_pass_down(link, data)),
            )
        except (OSError, asyncio.CancelledError):
            link.reset()
        finally:
            self._links.discard(link)
            for end in (writer, to_server):
                end.close()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await end.wait_closed()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, may_pass: Callable[[bytes], bool]
    ) -> None:
        while data := await reader.read(_CHUNK):
            for start in range(0, len(data), self.piece):
                if self.delay:
                    await asyncio.sleep(self.delay)
                part = data[start : start + self.piece]
                if may_pass(part):
                    writer.write(part)
                    await writer.drain()
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()

    def _may_pass_up(self, link: _Link, data: bytes) -> bool:
        for stream in link.requests.begun(data):
            self.requests += 1
            if self._lose_request_in:
                self._lose_request_in -= 1
                if not self._lose_request_in:
                    raise ConnectionResetError("the request was to be lost")
            if self._drop_answer_in:
                self._drop_answer_in -= 1
                if not self._drop_answer_in:
                    link.doomed = stream
        return True

    def _may_pass_down(self, link: _Link, data: bytes) -> bool:
        if link.doomed in list(link.answers.begun(data)):
            raise ConnectionResetError("the answer was to be lost")
        return not link.ended_for_client
