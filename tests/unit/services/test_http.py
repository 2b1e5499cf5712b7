from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.observe.failures import Failures
from nbactl.core.service.limits import ConcurrencyLimit
from nbactl.errors import (
    DataError,
    InProgressError,
    LeaseHeldError,
    NotAuthorisedError,
    NotFoundError,
    UnavailableError,
    UsageError,
)
from nbactl.services.http import MAX_BODY_BYTES, JsonAnswer, JsonRoute, JsonRoutes
from nbactl.testing import FakeClock
from tests.kit.asgi_client import ask, ask_async, post

if TYPE_CHECKING:
    from nbactl.core.observe.failures import Failure
    from nbactl.services.http import Handler

reported: list[Failure] = []


def served(handler: Handler, *, method: Any = "POST", timeout: float = 5.0, clock: FakeClock | None = None) -> Any:
    reported.clear()
    failures = Failures(reported.append)
    route = JsonRoute(method, "/task", handler, timeout)
    return JsonRoutes([route], clock=clock or FakeClock(), failures=failures)


def raising(error: Exception) -> Any:
    def fail(_: dict[str, Any]) -> dict[str, Any]:
        raise error

    return served(fail)


def test_the_object_of_a_post_and_the_parameters_of_a_get_reach_the_handler() -> None:
    assert post(served(lambda data: {"got": data}), "/task", {"date": "2025-01-15"}).json() == {
        "got": {"date": "2025-01-15"}
    }
    assert ask(served(lambda data: {"got": data}), "/task", "POST").json() == {"got": {}}
    answer = ask(served(lambda data: {"got": data}, method="GET"), "/task?batch_id=b%201")
    assert (answer.status, answer.json()) == (200, {"got": {"batch_id": "b 1"}})


def test_a_coroutine_function_and_another_status_work_too() -> None:
    async def start(_: dict[str, Any]) -> JsonAnswer:
        await asyncio.sleep(0)
        return JsonAnswer({"status": "accepted"}, 202)

    answer = post(served(start), "/task", {})
    assert (answer.status, answer.json()) == (202, {"status": "accepted"})


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "usage"),
        (b"\xff", 400, "usage"),
        (b"[1]", 400, "usage"),
        (b'"text"', 400, "usage"),
        (b"[" * 100_000, 400, "usage"),
        (b'{"scraper": "\\ud800"}', 400, "usage"),
        (b'{"a": "' + b"x" * MAX_BODY_BYTES + b'"}', 413, "too_large"),
    ],
)
def test_a_body_that_is_no_json_object_or_too_large_is_refused(body: bytes, status: int, code: str) -> None:
    answer = ask(served(lambda _: {}), "/task", "POST", body=body)
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert not reported


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("no date"), 400),
        (NotAuthorisedError("no"), 403),
        (NotFoundError("no batch"), 404),
        (InProgressError("under way"), 409),
        (LeaseHeldError("held"), 409),
        (DataError("odd rows"), 422),
        (UnavailableError("down", retry_after=7.2), 503),
        (DataError("may pass", retryable=True), 503),
        (UnavailableError("down for good", retryable=False), 500),
        (ZeroDivisionError("secret"), 500),
    ],
)
def test_every_error_has_a_status(error: Exception, status: int) -> None:
    answer = post(raising(error), "/task", {})
    assert answer.status == status
    assert "secret" not in answer.body.decode()
    assert bool(reported) == (status >= 500)
    if isinstance(error, UnavailableError) and status == 503:
        assert answer.headers["retry-after"] == "8"


def test_a_caller_who_goes_away_is_no_failure_of_the_service() -> None:
    parts = iter([{"type": "http.request", "body": b'{"da', "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(parts)

    async def send(_: Any) -> None:
        """Nobody reads it."""

    scope = {"type": "http", "path": "/task", "query_string": b"", "method": "POST", "headers": []}
    asyncio.run(served(lambda _: {})(scope, receive, send))
    assert not reported


def test_a_body_that_is_declared_as_too_large_is_not_waited_for() -> None:
    headers = [("content-length", str(MAX_BODY_BYTES + 1))]
    answer = asyncio.run(ask_async(served(lambda _: {}), "/task", "POST", body=b"{}", headers=headers))
    assert (answer.status, answer.json()["error"]["code"]) == (413, "too_large")


def test_an_unknown_path_and_another_method_are_refused_as_json() -> None:
    assert (answer := ask(served(lambda _: {}), "/nowhere")).status == 404
    assert answer.json()["error"]["code"] == "not_found"
    assert (answer := ask(served(lambda _: {}), "/task/", "POST")).status == 404
    assert (answer := ask(served(lambda _: {}), "/task", "PUT")).status == 405
    assert (answer.headers["allow"], answer.json()["error"]["code"]) == ("POST", "method_not_allowed")


def test_inv_18_a_handler_that_takes_too_long_is_cut_off() -> None:
    clock = FakeClock()

    async def hang(_: dict[str, Any]) -> dict[str, Any]:
        clock.advance(6.0)
        await asyncio.Event().wait()
        return {}

    answer = post(served(hang, clock=clock), "/task", {})
    assert (answer.status, answer.json()["error"]["code"]) == (503, "timed_out")


def test_requests_beyond_the_limit_are_asked_to_come_back_and_the_place_is_free_afterwards() -> None:
    async def scenario() -> None:
        go = asyncio.Event()

        async def wait(_: dict[str, Any]) -> dict[str, Any]:
            await go.wait()
            return {}

        app = ConcurrencyLimit(served(wait), 2)
        first = [asyncio.create_task(ask_async(app, "/task", "POST")) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await ask_async(app, "/task", "POST")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert json.loads(refused.body)["error"]["code"] == "busy"
        go.set()
        assert [answer.status for answer in await asyncio.gather(*first)] == [200, 200]
        assert (await ask_async(app, "/task", "POST")).status == 200

    asyncio.run(scenario())
