"""The fault proxy, between a plain client and an echo server, and under gRPC in the tests of Firestore."""

from __future__ import annotations

import gc
import socket
import socketserver
import threading
import time
import warnings
from typing import TYPE_CHECKING

import pytest

from nbactl.testing.proxy import FaultProxy, Streams

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, 0)) + stream.to_bytes(4, "big") + payload


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(65_536):
                self.server.heard.append(data)  # type: ignore[attr-defined]
                self.request.sendall(data.removeprefix(PREFACE))  # a server has no preface of its own
        except ConnectionError:
            return


@pytest.fixture
def heard() -> list[bytes]:
    return []


@pytest.fixture
def proxy(heard: list[bytes]) -> Iterator[FaultProxy]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        server.heard = heard  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with FaultProxy(f"127.0.0.1:{server.server_address[1]}") as between:
            yield between
        server.shutdown()


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    host, _, port = proxy.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5.0) as connection:
        yield connection


def exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = client.recv(65_536)
        assert part, data
        data += part
    return data


def test_what_is_not_disturbed_passes_whole(client: socket.socket, proxy: FaultProxy) -> None:
    sent = bytes(range(256)) * 4_000
    threading.Thread(target=client.sendall, args=(sent,)).start()
    assert exactly(client, len(sent)) == sent
    assert proxy.connections == 1


def test_the_end_of_the_client_reaches_the_server_and_comes_back(client: socket.socket) -> None:
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    assert exactly(client, 10) == b"last words"
    assert client.recv(1) == b""


def test_delay_holds_every_piece_up(client: socket.socket, proxy: FaultProxy) -> None:
    proxy.delay = 0.1
    before = time.monotonic()
    client.sendall(b"slow")
    assert exactly(client, 4) == b"slow"
    assert time.monotonic() - before >= 0.2


def test_drip_passes_a_few_bytes_at_a_time(client: socket.socket, proxy: FaultProxy) -> None:
    proxy.piece, proxy.delay = 2, 0.01
    client.sendall(b"abcdefgh")
    assert len(client.recv(65_536)) <= 4
    before = time.monotonic()
    client.sendall(b"x" * 20)
    exactly(client, 20)
    assert time.monotonic() - before >= 0.1


def test_reset_ends_connections_at_once(client: socket.socket, proxy: FaultProxy) -> None:
    client.sendall(b"hello")
    exactly(client, 5)
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_half_close_ends_one_direction_only(client: socket.socket, proxy: FaultProxy, heard: list[bytes]) -> None:
    client.sendall(b"hello")
    exactly(client, 5)
    proxy.half_close()
    assert client.recv(1) == b""
    client.sendall(b"still sending")
    give_up = time.monotonic() + 5.0
    while b"still sending" not in heard and time.monotonic() < give_up:
        time.sleep(0.01)
    assert b"still sending" in heard


def test_refusing_resets_new_connections(proxy: FaultProxy) -> None:
    proxy.refusing = True
    host, _, port = proxy.address.rpartition(":")
    with pytest.raises(ConnectionResetError), socket.create_connection((host, int(port)), timeout=5.0) as connection:
        connection.recv(1)


def test_an_answer_is_dropped_after_its_request_was_heard(
    client: socket.socket, proxy: FaultProxy, heard: list[bytes]
) -> None:
    proxy.drop_answer(2)
    first, second = PREFACE + frame(1, 1) + frame(0, 1, b"data"), frame(1, 3)
    client.sendall(first)
    assert exactly(client, len(first) - len(PREFACE)) == first.removeprefix(PREFACE)
    client.sendall(second)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert b"".join(heard).endswith(second)
    assert proxy.requests == 2


def test_a_lost_request_is_never_heard(client: socket.socket, proxy: FaultProxy, heard: list[bytes]) -> None:
    proxy.lose_request()
    client.sendall(PREFACE + frame(1, 1))
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert heard == []


@pytest.mark.parametrize("size", [1, 2, 7, 9, 10, 1_000])
def test_requests_are_found_however_the_bytes_are_cut(size: int) -> None:
    frames = [frame(4, 0, b"settings"), frame(1, 1, b"h" * 300), frame(0, 1, frame(1, 99)), frame(1, 3), frame(8, 0)]
    sent = PREFACE + b"".join(frames)
    streams = Streams(from_client=True)
    found = [stream for at in range(0, len(sent), size) for stream in streams.begun(sent[at : at + size])]
    assert found == [1, 3]


def test_a_connection_that_is_made_at_the_very_end_leaves_no_socket_open() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(5):
            with FaultProxy("127.0.0.1:1") as ending:
                host, _, port = ending.address.rpartition(":")
                late = socket.create_connection((host, int(port)))
            late.close()
        gc.collect()
    assert not [str(warning.message) for warning in seen]
