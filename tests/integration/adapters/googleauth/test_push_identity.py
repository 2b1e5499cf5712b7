"""Who gets past a service that requires identity: real tokens, keys on a real server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap.identity import make_identity
from nbactl.errors import ConfigError
from nbactl.testing import FakeClock
from tests.kit.asgi_client import Answer, ask_async
from tests.kit.identity import ACCOUNT, AUDIENCE, KeyServer, claims, key_server, public_pem, segments, token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.core._support.aio import App, Receive, Scope, Send

TIMEOUTS = {"identity.skew": 10.0, "identity.fetch": 0.5, "identity.keep": 3600.0, "identity.again": 10.0}
ENVIRON = {"NBACTL_PUSH_AUDIENCE": AUDIENCE, "NBACTL_PUSH_ACCOUNTS": f"other@nba.iam.gserviceaccount.com, {ACCOUNT}"}


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Guarded:
    """An app behind identity, whose clock does not move by itself."""

    def __init__(self, server: KeyServer) -> None:
        self.clock = FakeClock()
        guard = make_identity(ENVIRON, clock=self.clock, timeouts=TIMEOUTS, keys_url=server.url)
        assert guard is not None
        self.app: App = guard(inner)

    def ask(self, *authorizations: str, path: str = "/push") -> Answer:
        headers = [("authorization", value) for value in authorizations]
        return asyncio.run(ask_async(self.app, path, "POST", headers=headers))

    def status(self, text: str) -> int:
        return self.ask(f"Bearer {text}").status


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with key_server() as made:
        yield made


@pytest.fixture
def guarded(server: KeyServer) -> Guarded:
    return Guarded(server)


def test_a_good_token_is_let_in_and_keys_are_fetched_once(guarded: Guarded, server: KeyServer) -> None:
    assert guarded.status(token()) == 204
    assert guarded.ask(f"bearer  {token(iat=int(time.time()) - 60)}").status == 204
    assert guarded.status(token(iss="accounts.google.com")) == 204
    assert guarded.status(token(email="other@nba.iam.gserviceaccount.com")) == 204
    assert server.asked == 1


def confused() -> str:
    """Return a token whose HMAC has the public key as its secret, which a careless reader takes for RSA's."""
    head, body, _ = segments({"alg": "HS256", "typ": "JWT", "kid": "one"}, claims()).split(".")
    mac = hmac.new(public_pem("one").encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def tampered() -> str:
    head, _, signature = token().split(".")
    body = segments(claims(email="other@nba.iam.gserviceaccount.com")).partition(".")[0]
    return f"{head}.{body}.{signature}"


NOW = int(time.time())


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: token(iat=NOW - 7_200, exp=NOW - 3_600), "It has expired."),
        (lambda: token(iat=NOW + 3_600, exp=NOW + 7_200), "It is from the future."),
        (lambda: token(aud="https://another.a.run.app"), "It is for another audience."),
        (lambda: token(aud=[AUDIENCE]), "It is for another audience."),
        (lambda: token(aud=None), "It is for another audience."),
        (lambda: token("two", kid="one"), "Its signature is wrong."),
        (tampered, "Its signature is wrong."),
        (lambda: token("two"), "It is not signed by a key of Google."),
        (confused, "It is not signed with RS256 and a key that it names."),
        (lambda: segments({"alg": "none", "kid": "one"}, claims(), signature=b""), "It is not signed with RS256"),
        (lambda: segments({"alg": "RS256"}, claims()), "It is not signed with RS256 and a key that it names."),
        (lambda: segments({"alg": "RS256", "kid": ["one"]}, claims()), "It is not signed with RS256"),
        (lambda: segments({"alg": "RS256", "kid": "one"}, []), "It is malformed."),
        (lambda: segments([], claims()), "It is malformed."),
        (lambda: token(exp=None), "It is malformed."),
        (lambda: token(iat=None), "It is malformed."),
        (lambda: token(exp="tomorrow"), "It is malformed."),
        (lambda: "a.b", "It is malformed."),
        (lambda: "a.b.c", "It is malformed."),
        (lambda: base64.urlsafe_b64encode(b"[" * 5_000).decode() + ".e30.x", "It is malformed."),
        (lambda: token(iss="https://accounts.gooogle.com"), "It is not issued by Google."),
        (lambda: token(iss=None), "It is not issued by Google."),
        (lambda: token(iss=["accounts.google.com"]), "It is not issued by Google."),
        (lambda: token(email=None), "It has no verified address of an account."),
        (lambda: token(email=[ACCOUNT]), "It has no verified address of an account."),
        (lambda: token(email_verified=None), "It has no verified address of an account."),
        (lambda: token(email_verified="true"), "It has no verified address of an account."),
    ],
)
def test_a_token_that_proves_nothing_is_refused_with_the_reason(guarded: Guarded, make: Any, reason: str) -> None:
    answer = guarded.ask(f"Bearer {make()}")
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    error = json.loads(answer.body)["error"]
    assert (error["code"], error["message"]) == ("not_authorised", "the identity token is not accepted")
    assert error["cause"].startswith(reason)


@pytest.mark.parametrize(
    "authorizations",
    [(), ("",), ("Bearer",), ("Bearer  ",), ("Basic abc",), ("Bearer größe",), ("Bearer " + "x" * 9_000,)],
)
def test_a_request_without_a_usable_token_is_refused(guarded: Guarded, authorizations: tuple[str, ...]) -> None:
    answer = guarded.ask(*authorizations)
    assert answer.status == 401
    assert "identity token" in json.loads(answer.body)["error"]["message"]


def test_a_token_that_is_far_too_long_is_not_looked_at(guarded: Guarded) -> None:
    answer = guarded.ask(f"Bearer {token(sub='x' * 9_000)}")
    assert (answer.status, "no usable" in answer.body.decode()) == (401, True)


def test_two_tokens_are_none(guarded: Guarded) -> None:
    assert guarded.ask(f"Bearer {token()}", f"Bearer {token()}").status == 401


def test_another_account_is_known_and_refused(guarded: Guarded) -> None:
    answer = guarded.ask(f"Bearer {token(email='stranger@nba.iam.gserviceaccount.com')}")
    assert answer.status == 403
    assert "stranger@nba" in json.loads(answer.body)["error"]["message"]


def test_a_clock_that_is_a_little_off_does_no_harm(guarded: Guarded) -> None:
    now = int(time.time())
    assert guarded.status(token(iat=now + 5)) == 204
    assert guarded.status(token(exp=now - 5)) == 204
    assert guarded.status(token(exp=now - 15)) == 401


def test_probes_need_no_token(guarded: Guarded, server: KeyServer) -> None:
    for path in ("/live", "/ready", "/health", "/metrics"):
        assert guarded.ask(path=path).status == 204
    for path in ("/live/", "/push/live", "/liveness", ""):
        assert guarded.ask(path=path).status == 401
    assert server.asked == 0


def test_no_part_of_a_token_is_logged(guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    refused = [token(exp=NOW - 3_600), token("two", kid="one"), "SECRETS.b", segments({"alg": "RS256"}, ["SECRETS"])]
    for text in refused:
        assert guarded.status(text) == 401
    logged = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert logged.count("is refused") >= len(refused)
    for text in refused:
        assert not any(part in logged for part in text.split(".") if len(part) > 5)


def test_a_new_key_is_fetched_when_a_token_names_it_and_forged_ones_cost_no_more_requests(
    guarded: Guarded, server: KeyServer
) -> None:
    assert guarded.status(token()) == 204
    server.keys["two"] = public_pem("two")
    for number in range(5):
        assert guarded.status(token("three", kid=f"unknown-{number}")) == 401
    assert server.asked == 1
    guarded.clock.advance(11.0)
    assert guarded.status(token("two")) == 204
    assert server.asked == 2


def test_keys_that_google_withdrew_are_no_longer_accepted_after_a_while(guarded: Guarded, server: KeyServer) -> None:
    good = token()
    assert guarded.status(good) == 204
    server.keys = {"two": public_pem("two")}
    guarded.clock.advance(3_601.0)
    assert guarded.status(token(iat=NOW - 30)) == 401
    assert guarded.status(good) == 401, "a token that was verified is believed for ever"


def test_old_keys_serve_while_google_does_not_answer(guarded: Guarded, server: KeyServer) -> None:
    assert guarded.status(token()) == 204
    server.status = 500
    guarded.clock.advance(3_601.0)
    assert guarded.status(token(iat=NOW - 30)) == 204
    assert guarded.status(token(iat=NOW - 31)) == 204
    assert server.asked == 2


@pytest.mark.parametrize(
    "broken", [{"status": 500}, {"body": b"<html>"}, {"body": b'{"one": "no key"}'}, {"body": b"[1]"}, {"pause": 0.7}]
)
def test_without_keys_a_message_is_refused_for_now(guarded: Guarded, server: KeyServer, broken: dict[str, Any]) -> None:
    for name, value in broken.items():
        setattr(server, name, value)
    began = time.monotonic()
    answer = guarded.ask(f"Bearer {token()}")
    assert answer.status == 503
    assert "cannot be verified" in json.loads(answer.body)["error"]["message"]
    assert time.monotonic() - began < 5.0
    server.status, server.body, server.pause = 200, None, 0.0
    guarded.clock.advance(10.0)
    assert guarded.status(token()) == 204


def test_requests_that_need_keys_at_the_same_time_share_one_fetch(guarded: Guarded, server: KeyServer) -> None:
    server.pause = 0.1
    good = token()

    async def ask_all() -> list[Answer]:
        header = [("authorization", f"Bearer {good}")]
        return await asyncio.gather(*[ask_async(guarded.app, "/push", "POST", headers=header) for _ in range(10)])

    assert {answer.status for answer in asyncio.run(ask_all())} == {204}
    assert server.asked == 1
    assert threading.active_count() < 20


def test_a_websocket_without_a_token_is_closed(guarded: Guarded) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def connect() -> None:
        await guarded.app({"type": "websocket", "path": "/live", "headers": []}, receive, send)

    asyncio.run(connect())
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"NBACTL_PUSH_AUDIENCE": AUDIENCE}, "NBACTL_PUSH_ACCOUNTS is not"),
        ({"NBACTL_PUSH_ACCOUNTS": ACCOUNT}, "NBACTL_PUSH_AUDIENCE is not"),
        ({"NBACTL_PUSH_AUDIENCE": f"{AUDIENCE},https://b", "NBACTL_PUSH_ACCOUNTS": ACCOUNT}, "more than one audience"),
        ({"NBACTL_PUSH_AUDIENCE": AUDIENCE, "NBACTL_PUSH_ACCOUNTS": f"{ACCOUNT},allUsers"}, "'allUsers' is not"),
    ],
)
def test_settings_that_no_token_could_meet_are_refused(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        make_identity(environ, clock=FakeClock(), timeouts=TIMEOUTS)


def test_without_settings_there_is_no_guard() -> None:
    assert make_identity({}, clock=FakeClock(), timeouts=TIMEOUTS) is None
