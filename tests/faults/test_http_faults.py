"""A policy around an httpx2 client, with a network between that delays, resets, half-closes and drips."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx2  # noqa: TID253 - it is what is tested
import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.breaker import BreakerSettings
from nbactl.core.calls.deadline import remaining
from nbactl.core.calls.http import check_response, read_within, translated
from nbactl.core.calls.policy import CallPolicy, CallSettings
from nbactl.core.calls.retry import RetryPolicy
from nbactl.errors import (
    BreakerOpenError,
    DataError,
    NotAuthorisedError,
    NotFoundError,
    TimedOutError,
    UnavailableError,
)
from nbactl.testing import FakeClock
from nbactl.testing.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

TRIES = 3
CLOCK = SystemClock()
SOON = RetryPolicy("http", attempts=TRIES, base=0.01, cap=0.01)


@dataclass
class Upstream:
    """A server that counts what reaches it and may hold its answers back."""

    heard: list[str] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)
    status: int = 200
    body: bytes = b"x" * 200
    retry_after: str | None = None
    address: str = ""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    state = Upstream()
    state.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.heard.append(self.path)
            state.reached.set()
            state.may_answer.wait(20)
            try:
                self.send_response(state.status)
                self.send_header("Content-Length", str(len(state.body)))
                if state.retry_after:
                    self.send_header("Retry-After", state.retry_after)
                self.end_headers()
                self.wfile.write(state.body)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Say nothing of connections that broke: they were broken on purpose."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    state.may_answer.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[FaultProxy]:
    with FaultProxy(upstream.address) as proxy:
        yield proxy


def policy(*, total: float = 20.0, attempt: float = 10.0, breaker: BreakerSettings | None = None) -> CallPolicy:
    return CallPolicy(
        CallSettings("upstream", total, SOON, attempt, breaker=breaker), clock=CLOCK, rng=random.Random(1)
    )


def fetch(proxy: FaultProxy) -> bytes:
    with (
        translated("the upstream"),
        httpx2.Client(timeout=remaining(10.0)) as client,
        client.stream("GET", f"http://{proxy.address}/a") as response,
    ):
        check_response("the upstream", response, CLOCK.now())
        return read_within("the upstream", response)


async def fetch_async(proxy: FaultProxy) -> bytes:
    with translated("the upstream"):
        async with httpx2.AsyncClient(timeout=remaining(10.0)) as client:
            response = await client.get(f"http://{proxy.address}/a")
            return response.content


def once_reached(upstream: Upstream, fault: object) -> threading.Thread:
    """Do `fault` to the first request, once the server has it; then let the server answer."""
    upstream.may_answer.clear()

    def act() -> None:
        upstream.reached.wait(20)
        fault()  # type: ignore[operator]
        upstream.may_answer.set()

    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_a_healthy_network_passes_the_answer(upstream: Upstream, proxy: FaultProxy) -> None:
    assert policy().call(fetch, proxy) == upstream.body
    assert asyncio.run(policy().call_async(fetch_async, proxy)) == upstream.body
    assert len(upstream.heard) == 2


def test_refused_connections_are_unavailable_and_tried_so_often(upstream: Upstream, proxy: FaultProxy) -> None:
    proxy.refusing = True
    with pytest.raises(UnavailableError, match="could not be reached") as caught:
        policy().call(fetch, proxy)
    assert not isinstance(caught.value, TimedOutError)
    assert proxy.connections == TRIES
    assert upstream.heard == []
    assert len(caught.value.__notes__) >= 1


@pytest.mark.parametrize("fault", ["reset", "half_close"])
def test_a_connection_that_breaks_before_the_answer_is_tried_again(
    upstream: Upstream, proxy: FaultProxy, fault: str
) -> None:
    thread = once_reached(upstream, getattr(proxy, fault))
    assert policy().call(fetch, proxy) == upstream.body
    thread.join()
    assert len(upstream.heard) == 2


def test_an_answer_that_is_cut_in_its_middle_is_not_taken_for_a_whole_one(
    upstream: Upstream, proxy: FaultProxy
) -> None:
    upstream.body = b"y" * 5_000_000  # more than the buffers between hold
    proxy.piece, proxy.delay = 65_536, 0.005

    def cut() -> None:
        upstream.reached.wait(20)
        time.sleep(0.1)
        proxy.reset()
        proxy.delay = 0.0

    thread = threading.Thread(target=cut)
    thread.start()
    assert policy().call(fetch, proxy) == upstream.body
    thread.join()
    assert len(upstream.heard) == 2


def test_an_answer_that_comes_late_is_timed_out_and_tried_so_often(upstream: Upstream, proxy: FaultProxy) -> None:
    upstream.may_answer.clear()
    with pytest.raises(TimedOutError, match="did not answer in time") as caught:
        policy(attempt=0.2).call(fetch, proxy)
    assert sum(note.startswith("attempt ") for note in caught.value.__notes__) == TRIES
    assert 1 <= len(upstream.heard) <= TRIES, "a busy machine may not get every one through in time"


def test_the_total_deadline_ends_the_tries_early(upstream: Upstream, proxy: FaultProxy) -> None:
    upstream.may_answer.clear()
    with pytest.raises(TimedOutError):
        policy(total=0.5, attempt=0.4).call(fetch, proxy)
    assert 1 <= len(upstream.heard) < TRIES


def test_an_answer_that_drips_does_not_outlast_its_limit(upstream: Upstream, proxy: FaultProxy) -> None:
    proxy.piece, proxy.delay = 20, 0.05  # the whole would take almost three seconds; no wait for bytes is long
    upstream.body = b"z" * 1000
    with pytest.raises(TimedOutError):
        policy(total=0.6, attempt=10.0).call(fetch, proxy)
    with pytest.raises(TimedOutError):
        asyncio.run(policy(total=0.6, attempt=10.0).call_async(fetch_async, proxy))


def test_a_network_that_is_down_opens_the_breaker_and_spares_the_calls(upstream: Upstream, proxy: FaultProxy) -> None:
    settings = BreakerSettings("upstream", failure_rate=0.5, minimum_calls=2, open_for=60.0, window=60.0)
    guarded = policy(breaker=settings)
    proxy.refusing = True
    with pytest.raises(UnavailableError):
        guarded.call(fetch, proxy)
    made = proxy.connections
    with pytest.raises(BreakerOpenError):
        guarded.call(fetch, proxy)
    assert (made, proxy.connections) == (2, 2)
    assert upstream.heard == []


@pytest.mark.parametrize(
    ("status", "error", "calls"),
    [
        (503, UnavailableError, TRIES),
        (429, UnavailableError, TRIES),
        (408, UnavailableError, TRIES),
        (401, NotAuthorisedError, 1),
        (403, NotAuthorisedError, 1),
        (404, NotFoundError, 1),
        (410, NotFoundError, 1),
        (400, DataError, 1),
        (422, DataError, 1),
    ],
)
def test_inv_16_a_status_says_whether_another_try_makes_sense(
    upstream: Upstream, proxy: FaultProxy, status: int, error: type[Exception], calls: int
) -> None:
    upstream.status = status
    with pytest.raises(error, match=f"answered {status}") as caught:
        policy().call(fetch, proxy)
    assert type(caught.value) is error
    assert len(upstream.heard) == calls


def test_retry_after_is_the_least_that_is_waited(upstream: Upstream, proxy: FaultProxy) -> None:
    upstream.status, upstream.retry_after = 503, "7"
    clock = FakeClock()
    patient = CallPolicy(CallSettings("upstream", 60.0, SOON, 30.0), clock=clock, rng=random.Random(1))
    with pytest.raises(UnavailableError):
        patient.call(fetch, proxy)
    assert clock.sleeps == [7.0, 7.0]


def test_a_request_that_cannot_be_sent_is_not_tried_again() -> None:
    calls: list[int] = []

    def send() -> None:
        calls.append(1)
        with translated("nobody"), httpx2.Client(timeout=1.0) as client:
            client.get("gopher://127.0.0.1/")

    with pytest.raises(DataError, match="the request to nobody is wrong"):
        policy().call(send)
    assert calls == [1]
