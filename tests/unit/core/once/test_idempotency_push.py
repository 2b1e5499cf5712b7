"""The middleware, called as an ASGI server calls it."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.observe.failures import Failure, Failures
from nbactl.core.once.claim import ClaimSettings, current_claim
from nbactl.core.once.idempotency import Idempotency
from nbactl.core.service.push import MAX_BODY_BYTES, PubSubPush, parse_push
from nbactl.errors import DataError, NbactlError, UnavailableError
from nbactl.ports.documents import Create
from nbactl.testing import FakeClock, SequentialIds, faults, memory_documents

if TYPE_CHECKING:
    from nbactl.core._support.aio import App

TERMS = ClaimSettings(lease=30.0, renew_every=10.0, keep=3600.0)


def pushed(data: bytes = b'{"player": "a"}', message_id: str = "1", **attributes: str) -> bytes:
    message = {"data": base64.b64encode(data).decode(), "messageId": message_id, "attributes": attributes}
    return json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()


class Service:
    """A worker behind the middleware; `answers` are statuses or errors, one for each time it is called."""

    def __init__(self, *answers: int | BaseException, **changes: Any) -> None:
        self.clock = FakeClock(autojump=True)
        self.store = memory_documents(self.clock)
        self.keeper = Idempotency(
            self.store, self.clock, SequentialIds(), owner=lambda: "worker", terms=TERMS, is_dead=lambda _: False
        )
        self.answers = list(answers)
        self.seen: list[tuple[Any, bytes]] = []
        self.app = PubSubPush(self.worker, self.keeper, path="/push", timeout=20.0, clock=self.clock, **changes)

    async def worker(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/push":
            await send({"type": "http.response.start", "status": 418, "headers": []})
            await send({"type": "http.response.body", "body": b"passed through"})
            return
        body = (await receive())["body"]
        self.seen.append((scope["nbactl.message"], body))
        current_claim().write(Create(f"effects/{scope['nbactl.message'].message_id}", {}))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, BaseException):
            raise answer
        await send({"type": "http.response.start", "status": answer, "headers": [(b"x-from", b"worker")]})
        await send({"type": "http.response.body", "body": b"told"})

    def effects(self) -> list[str]:
        return list(self.store.list_ids("effects"))

    def post(self, body: bytes, *, path: str = "/push", method: str = "POST", chunk: int = 1 << 20) -> tuple[int, Any]:
        return asyncio.run(request(self.app, body, path=path, method=method, chunk=chunk))


async def request(
    app: App, body: bytes, *, path: str = "/push", method: str = "POST", chunk: int = 1 << 20
) -> tuple[int, Any]:
    parts = [body[start : start + chunk] for start in range(0, len(body), chunk)] or [b""]
    left = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    left[-1]["more_body"] = False
    sent: list[Any] = []

    async def receive() -> Any:
        return left.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    try:
        await app({"type": "http", "path": path, "method": method, "headers": []}, receive, send)
    finally:
        status = sent[0]["status"] if sent else 0
    text = b"".join(part.get("body", b"") for part in sent[1:])
    return status, json.loads(text)["error"]["code"] if text.startswith(b'{"error"') else text


def test_inv_06_a_message_is_acknowledged_after_its_effect_is_durable_and_a_duplicate_without_work() -> None:
    service = Service()
    with faults.counting("documents.after_commit") as commits:
        assert service.post(pushed(), chunk=7) == (204, b"")
        assert commits() == 2
        assert service.post(pushed()) == (204, b"")
        assert commits() == 2
    assert service.effects() == ["1"]
    [(message, body)] = service.seen
    assert (message.data, message.subscription, body) == (b'{"player": "a"}', "projects/p/subscriptions/s", pushed())


def test_inv_05_work_that_failed_is_not_acknowledged_and_is_done_by_the_next_delivery() -> None:
    service = Service(500, 503, 302, NbactlError("no"), UnavailableError("down"))
    assert [service.post(pushed())[0] for _ in range(6)] == [500, 503, 500, 500, 503, 204]
    assert (len(service.seen), service.effects()) == (6, ["1"])


def test_inv_06_a_bug_in_the_app_is_not_acknowledged_and_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    service = Service(ZeroDivisionError("bug"))
    assert service.post(pushed())[0] == 500
    [record] = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert record.name == "nbactl.failures", "and the server, which would tell it again, hears nothing"
    assert record.exc_info is not None
    assert service.post(pushed())[0] == 204


def test_a_refusal_of_the_app_is_passed_on_and_not_acknowledged() -> None:
    service = Service(404)
    assert service.post(pushed()) == (404, b"told")
    assert service.effects() == []


def test_what_is_in_progress_elsewhere_comes_again_later() -> None:
    service = Service()
    service.keeper.begin("1")
    assert service.post(pushed()) == (409, "in_progress")


def test_inv_06_while_the_store_is_down_nothing_is_acknowledged() -> None:
    service = Service()
    with faults.failing("documents.before_commit", UnavailableError("down")):
        assert service.post(pushed()) == (503, "unavailable")
    assert service.seen == []
    with faults.failing("idempotency.worked", UnavailableError("down")):
        assert service.post(pushed()) == (503, "unavailable")
    assert (len(service.seen), service.effects()) == (1, [])
    with faults.failing("documents.after_commit", UnavailableError("lost"), times=9):
        assert service.post(pushed())[0] == 503
    assert service.effects() == []


def test_inv_06_an_end_whose_answer_was_lost_is_not_acknowledged_and_not_done_again() -> None:
    service = Service()
    hits = 0

    def lose_the_second() -> None:
        nonlocal hits
        hits += 1
        if hits == 2:
            raise UnavailableError("the answer was lost")

    with faults.calling("documents.after_commit", lose_the_second):
        assert service.post(pushed())[0] == 503
    assert service.effects() == ["1"]
    assert service.post(pushed())[0] == 204
    assert len(service.seen) == 1


def test_who_was_overtaken_is_not_acknowledged() -> None:
    service = Service()
    other = Idempotency(
        service.store, service.clock, SequentialIds(), owner=lambda: "other", terms=TERMS, is_dead=lambda _: True
    )

    def overtake() -> None:
        other.begin("1")

    with faults.calling("idempotency.worked", overtake):
        assert service.post(pushed()) == (409, "stale_fence")
    assert service.effects() == []


def test_work_that_takes_too_long_is_cut_off_and_comes_again() -> None:
    async def hang(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - what ASGI gives
        await asyncio.Event().wait()

    service = Service()
    app = PubSubPush(hang, service.keeper, path="/push", timeout=20.0, clock=service.clock)
    assert asyncio.run(request(app, pushed())) == (503, "timed_out")
    assert service.clock.monotonic() == 20.0
    assert service.post(pushed())[0] == 204


def test_the_business_key_finds_a_message_that_was_published_again() -> None:
    service = Service(key=lambda message: message.attributes["player"])
    assert service.post(pushed(message_id="1", player="a"))[0] == 204
    assert service.post(pushed(message_id="2", player="a"))[0] == 204
    assert len(service.seen) == 1
    assert service.post(pushed(b"other", message_id="3", player="a")) == (422, "payload_mismatch")


MALFORMED = {
    "no JSON": b"{",
    "no UTF-8": b'{"message": "\xff"}',
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "no message": b'{"subscription": "s"}',
    "no id": b'{"message": {"data": ""}}',
    "an id that is no text": b'{"message": {"messageId": 5}}',
    "no base64": b'{"message": {"messageId": "1", "data": "%%%"}}',
    "data that are no text": b'{"message": {"messageId": "1", "data": 5}}',
    "attributes that are no text": b'{"message": {"messageId": "1", "attributes": {"a": 1}}}',
    "attributes that are a list": b'{"message": {"messageId": "1", "attributes": ["a"]}}',
    "an id that is no Unicode text": b'{"message": {"messageId": "\\ud800"}}',
    "a number without end": b'{"message": {"messageId": "1"}, "deliveryAttempt": ' + b"9" * 5000 + b"}",
    "an id that is too long": json.dumps({"message": {"messageId": "1" * 2000}}).encode(),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_message_is_refused_and_never_acknowledged(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    service = Service()
    with caplog.at_level(logging.WARNING, "nbactl.push"):
        assert service.post(body) == (400, "data")
    assert service.seen == []
    assert len(caplog.records) == 1


def test_data_that_are_no_text_reach_the_app_as_they_are() -> None:
    service = Service()
    data = b"\xff\xfe\x00" + bytes(range(256))
    assert service.post(pushed(data))[0] == 204
    assert service.seen[0][0].data == data


@pytest.mark.parametrize("seconds", [-86400.0, -31.0, 31.0, 86400.0])
def test_inv_05_a_clock_that_jumps_while_the_work_goes_on_loses_and_doubles_nothing(seconds: float) -> None:
    service = Service()
    worked = service.worker

    async def jumping(scope: Any, receive: Any, send: Any) -> None:
        await worked(scope, receive, send)
        service.clock.set(service.clock.now() + timedelta(seconds=seconds))

    service.app._app = jumping
    assert service.post(pushed())[0] == 204
    assert service.post(pushed())[0] == 204
    assert (len(service.seen), service.effects()) == (1, ["1"])


def test_a_key_that_cannot_be_made_refuses_the_message() -> None:
    def key(_: object) -> str:
        raise DataError("no player")

    assert Service(key=key).post(pushed()) == (400, "data")


@pytest.mark.parametrize(
    ("error", "status"), [(KeyError("player"), 500), (UnavailableError("down"), 503), (NbactlError("no"), 400)]
)
def test_inv_06_whatever_keeps_a_key_from_being_made_is_reported_and_not_acknowledged(
    error: Exception, status: int
) -> None:
    heard: list[Failure] = []

    def key(_: object) -> str:
        raise error

    service = Service(key=key, failures=Failures(heard.append))
    assert service.post(pushed())[0] == status
    [failure] = heard
    assert (failure.error, failure.fields["status"], failure.fields["message_id"]) == (error, status, "1")
    assert service.seen == []


def test_a_body_that_is_too_large_is_refused_without_being_kept() -> None:
    assert Service().post(b"x" * (MAX_BODY_BYTES + 1), chunk=1 << 22)[0] == 413


def test_a_client_that_goes_away_is_not_answered() -> None:
    service = Service()

    async def scenario() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await service.app({"type": "http", "path": "/push", "method": "POST"}, receive, send)
        return sent

    assert asyncio.run(scenario()) == []
    assert service.seen == []


@pytest.mark.parametrize(("path", "method"), [("/health", "GET"), ("/other", "POST")])
def test_other_requests_pass_through(path: str, method: str) -> None:
    assert Service().post(b"", path=path, method=method) == (418, b"passed through")


def test_a_message_has_all_that_was_pushed() -> None:
    envelope = {
        "message": {"message_id": "7", "attributes": {"a": "b"}, "orderingKey": "k"},
        "subscription": "s",
        "deliveryAttempt": 3,
    }
    message = parse_push(json.dumps(envelope).encode())
    assert (message.message_id, message.data, message.attributes) == ("7", b"", {"a": "b"})
    assert (message.ordering_key, message.subscription, message.delivery_attempt) == ("k", "s", 3)


def test_inv_17_work_that_fails_is_reported_with_the_context_that_the_message_brought_along() -> None:
    heard: list[Failure] = []
    service = Service(UnavailableError("down"), 503, ZeroDivisionError("bug"), 404, failures=Failures(heard.append))
    body = pushed(batch="b1", correlation_id="cor-1")
    assert [service.post(body)[0] for _ in range(5)] == [503, 503, 500, 404, 204]
    assert [failure.fields["status"] for failure in heard] == [503, 503, 500, 404]
    assert [failure.retryable for failure in heard] == [True, True, False, False]
    for failure in heard:
        assert failure.what == "push /push"
        assert failure.labels == {"batch": "b1", "correlation_id": "cor-1"}
        assert (failure.fields["key"], failure.fields["message_id"]) == ("1", "1")
    assert "ZeroDivisionError: bug" in heard[2].traceback


def test_what_never_gets_to_work_is_reported_but_what_is_in_progress_is_no_failure() -> None:
    heard: list[Failure] = []
    service = Service(key=lambda message: message.attributes["player"], failures=Failures(heard.append))
    service.keeper.begin("a")
    assert service.post(pushed(player="a"))[0] == 409
    assert heard == []
    service.post(b"{")
    service.post(b"x" * (MAX_BODY_BYTES + 1), chunk=1 << 22)
    service.post(pushed(player="b"))
    service.post(pushed(b"other", player="b"))
    with faults.failing("documents.before_commit", UnavailableError("down")):
        service.post(pushed(player="c"))
    assert [failure.fields["status"] for failure in heard] == [400, 413, 422, 503]


def test_work_whose_deadline_has_passed_is_not_begun_and_not_dropped() -> None:
    service = Service()
    late = (service.clock.now() - timedelta(seconds=1)).isoformat()
    assert service.post(pushed(deadline=late)) == (503, "timed_out")
    assert service.seen == []
    assert service.post(pushed())[0] == 204
    assert service.post(pushed(deadline=late)) == (204, b""), "what was done before is not done again"


def test_a_body_that_never_ends_is_not_waited_for() -> None:
    service = Service()
    sent: list[Any] = []

    async def receive() -> Any:
        await service.clock.sleep_async(10.0)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    async def call() -> None:
        scope = {"type": "http", "path": "/push", "method": "POST", "headers": []}
        await asyncio.wait_for(service.app(scope, receive, send), 30)

    asyncio.run(call())
    assert sent[0]["status"] == 408
    assert service.seen == []
