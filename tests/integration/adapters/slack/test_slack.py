"""The Slack channel against a server on this machine that answers as Slack does, and as it does on bad days."""

from __future__ import annotations

import itertools
import json
import random
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug import Response

from nbactl.adapters.slack.channel import SlackChannel, check_url, message_of
from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.calls.policy import CallPolicy, CallSettings
from nbactl.core.calls.retry import RetryPolicy
from nbactl.errors import ConfigError, DataError, NbactlError, NotFoundError, TimedOutError, UnavailableError
from nbactl.ports.alerts import Alert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_httpserver import HTTPServer
    from werkzeug import Request

PATH = "/services/T000/B000/SECRETSECRET"
ALERT = Alert(
    "run_failed/phase3/2024-01-15",
    "critical",
    "phase3 2024-01-15 failed: <b> & more",
    text="table <nba_raw.games> is missing",
    fields={"run": "run-1", "game date": "2024-01-15"},
    next_step="nbactl runs show run-1 -v",
)


def channel(url: str, *, attempts: int = 1, timeout: float = 5.0) -> SlackChannel:
    retry = RetryPolicy("slack", attempts=attempts, base=0.01, cap=0.02)
    policy = CallPolicy(CallSettings("slack", 20.0, retry, timeout), clock=SystemClock(), rng=random.Random(1))
    return SlackChannel(url, policy, timeout=timeout)


def at(server: HTTPServer) -> str:
    return f"http://127.0.0.1:{server.port}{PATH}"


def test_an_alert_is_one_message_of_blocks_that_slack_takes(httpserver: HTTPServer) -> None:
    got: list[Any] = []

    def take(request: Request) -> Response:
        got.append(request.get_json())
        return Response("ok")

    httpserver.expect_request(PATH, method="POST").respond_with_handler(take)
    channel(at(httpserver)).send(ALERT)
    [message] = got
    [attachment] = message["attachments"]
    kinds = [block["type"] for block in attachment["blocks"]]
    assert kinds == ["header", "section", "section", "section", "context"]
    text = json.dumps(attachment)
    assert "&lt;nba_raw.games&gt;" in text
    assert "nbactl runs show run-1 -v" in text
    assert "&lt;b&gt; &amp; more" in message["text"]


def test_a_message_keeps_within_slacks_limits_whatever_it_tells() -> None:
    huge = Alert("k" * 5000, "warning", "t" * 5000, "x" * 50_000, {f"f{n}": "v" * 9000 for n in range(300)}, "n" * 9000)
    [attachment] = message_of(huge)["attachments"]
    blocks = attachment["blocks"]
    assert len(blocks) <= 50
    assert len(blocks[0]["text"]["text"]) == 150
    for block in blocks[1:]:
        texts = [block["text"]] if "text" in block else block.get("fields", block.get("elements"))
        assert len(texts) <= 10
        assert all(len(text["text"]) <= (2000 if "fields" in block else 3000) for text in texts)
    assert blocks[1]["text"]["text"].endswith("…")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, "invalid_payload", DataError),
        (403, "action_prohibited", NbactlError),
        (404, "no_service", NotFoundError),
        (410, "channel_is_archived", NotFoundError),
        (302, "", DataError),
    ],
)
def test_inv_16_what_slack_will_never_take_is_said_once(
    httpserver: HTTPServer, status: int, body: str, kind: type[NbactlError]
) -> None:
    asked: list[int] = []

    def refuse(_: Request) -> Response:
        asked.append(1)
        return Response(body, status, {"Location": "http://127.0.0.1:1/elsewhere"})

    httpserver.expect_request(PATH).respond_with_handler(refuse)
    with pytest.raises(kind) as refused:
        channel(at(httpserver), attempts=4).send(ALERT)
    assert not refused.value.retryable
    assert len(asked) == 1


@pytest.mark.parametrize("answer", [(429, {"Retry-After": "0"}), (500, {}), (503, {})])
def test_what_may_be_taken_later_is_tried_again(httpserver: HTTPServer, answer: tuple[int, dict[str, str]]) -> None:
    left = [Response("", *answer), Response("", *answer), Response("ok")]
    httpserver.expect_request(PATH).respond_with_handler(lambda _: left.pop(0))
    channel(at(httpserver), attempts=3).send(ALERT)
    assert left == []


def test_inv_30_a_server_that_never_answers_is_not_waited_for_longer_than_the_caller_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slack = channel(f"http://127.0.0.1:{silent.getsockname()[1]}{PATH}", timeout=30.0)
        began = time.monotonic()
        with deadline_scope(0.3, SystemClock()), pytest.raises(TimedOutError):
            slack.send(ALERT)
        assert time.monotonic() - began < 20.0


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 404 Not Found\r\nX-Drip: "], ids=["status", "header"])
def test_inv_30_a_server_that_drips_does_not_hold_the_call_beyond_its_time(said: bytes) -> None:
    """Each byte comes well within a client's timeout, and the headers never end."""
    with dripping(said, b"HTTP/1.1 200 OK and so on for ever, ") as url, pytest.raises(TimedOutError):
        channel(url, timeout=0.5).send(ALERT)


def test_an_answer_that_drips_after_its_status_is_an_answer() -> None:
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"o") as url:
        channel(url, timeout=30.0).send(ALERT)
    with dripping(b"HTTP/1.1 404 Not Found\r\nContent-Length: 1000000\r\n\r\n", b"n") as url:
        with pytest.raises(NotFoundError) as refused:
            channel(url, timeout=30.0).send(ALERT)
        assert refused.value.cause is None


@contextmanager
def dripping(said: bytes, drip: bytes) -> Iterator[str]:
    """Serve one caller `said` at once, then byte for byte of `drip`, again and again, until he is gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(100_000)
                connection.sendall(said)
                for byte in itertools.cycle(drip):
                    connection.sendall(bytes([byte]))
                    time.sleep(0.05)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}{PATH}"
        thread.join(30.0)
        assert not thread.is_alive(), "the connection was left open"


@pytest.mark.parametrize(
    ("body", "cause"), [("no_service", "no_service"), (f"<p>{PATH}</p>", None), ("x" * 10_000, None)]
)
def test_slacks_word_for_it_is_reported_and_no_other_text(httpserver: HTTPServer, body: str, cause: str | None) -> None:
    httpserver.expect_request(PATH).respond_with_response(Response(body, 404))
    with pytest.raises(NotFoundError) as refused:
        channel(at(httpserver)).send(ALERT)
    assert refused.value.cause == cause


def test_a_connection_that_is_cut_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def cut() -> None:
            connection, _ = server.accept()
            connection.recv(100)
            connection.close()

        threading.Thread(target=cut, daemon=True).start()
        with pytest.raises(UnavailableError) as broken:
            channel(f"http://127.0.0.1:{server.getsockname()[1]}{PATH}").send(ALERT)
    assert broken.value.retryable


def test_nobody_is_shown_the_address(httpserver: HTTPServer) -> None:
    httpserver.expect_request(PATH).respond_with_response(Response("no_service", 404))
    slack = channel(at(httpserver))
    with pytest.raises(NotFoundError) as refused:
        slack.send(ALERT)
    told = f"{refused.value!r} {refused.value.cause} {slack!r} {vars(refused.value)}"
    assert "SECRETSECRET" not in told


@pytest.mark.parametrize("url", ["", "hooks", "http://hooks.slack.com/services/X", "ftp://127.0.0.1/", "https://"])
def test_what_is_no_address_of_a_webhook_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_url(url)
    assert "services/X" not in str(refused.value)
