from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbactl.core.calls.deadline import current_deadline, deadline_scope, remaining
from nbactl.core.observe.context import Context, Trace, bound, current
from nbactl.core.outbox.outbox import Outbox
from nbactl.core.service.propagation import (
    Propagation,
    incoming_attributes,
    incoming_headers,
    outgoing_attributes,
    outgoing_headers,
)
from nbactl.testing import FakeClock, SequentialIds, memory_documents
from tests.kit.asgi_client import ask_async

if TYPE_CHECKING:
    from nbactl.core._support.aio import Receive, Scope, Send

TRACE = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)
FULL: dict[str, Any] = {
    "run_id": "run-1", "workflow": "phase3", "task": "summary", "game_date": "2024-01-15", "batch": "batch/1",
    "player": "o'neal, jr", "correlation_id": "cor-1",
}  # fmt: skip


def test_a_request_takes_context_trace_and_what_is_left_of_the_deadline_along() -> None:
    clock = FakeClock()
    with bound(**FULL, trace=TRACE, attempt=3), deadline_scope(60.0, clock):
        sent, headers = current(), outgoing_headers()
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    clock.advance(5.0)
    with incoming_headers(headers, clock):
        told = current()
        assert remaining(300.0) == 60.0
    expected = {name: value for name, value in sent.labels().items() if name != "attempt"}
    assert told.labels() == expected
    assert told.trace == TRACE
    assert current() == Context()
    assert current_deadline() is None


def test_a_message_takes_the_context_along_and_the_deadline_only_if_asked() -> None:
    clock = FakeClock()
    with bound(run_id="run-1", batch="b1", correlation_id="cor-1", trace=TRACE), deadline_scope(60.0, clock):
        plain, limited = outgoing_attributes(), outgoing_attributes(clock)
    assert "deadline" not in plain
    clock.advance(45.0)
    with incoming_attributes(limited, clock):
        assert (current().batch, current().correlation_id, current().trace) == ("b1", "cor-1", TRACE)
        assert remaining(300.0) == pytest.approx(15.0)
    clock.advance(3600.0)
    with incoming_attributes(limited, clock):
        assert remaining(300.0) == 0.0, "it comes too late, which is told and not forgotten"
    with incoming_attributes(plain, clock):
        assert remaining(300.0) == 300.0


def test_what_comes_along_only_shortens_a_deadline() -> None:
    clock = FakeClock()
    with deadline_scope(10.0, clock), incoming_headers({"x-deadline-ms": "60000"}, clock):
        assert remaining(300.0) == 10.0


@pytest.mark.parametrize("text", ["", "-1", "1.5", "soon", "9" * 40, "0" * 12 + "9" * 400, "0" * 12 + "9" * 5000, "٣"])
def test_a_deadline_that_is_no_number_of_milliseconds_is_left_out(text: str) -> None:
    with incoming_headers({"x-deadline-ms": text}, FakeClock()):
        assert current_deadline() is None


@pytest.mark.parametrize("text", ["", "tomorrow", "2024-01-15T12:00:00", "2024-13-15T12:00:00Z"])
def test_an_instant_that_is_none_or_has_no_zone_is_left_out(text: str) -> None:
    with incoming_attributes({"deadline": text}, FakeClock()):
        assert current_deadline() is None


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x", "x" * 257, "", "naïve\x00"])
def test_a_value_that_is_not_of_its_form_does_not_get_into_the_context(value: str) -> None:
    with incoming_attributes({"correlation_id": value, "run_id": "run-1"}, FakeClock()):
        assert current().correlation_id is None
        assert current().run_id == "run-1"


ODD = st.text() | st.from_regex(r"[0-9]{1,500}", fullmatch=True) | st.from_regex(r"[0-9]{1,30}(-[0-9]{2}){2}T.*")


@given(st.dictionaries(st.sampled_from(["baggage", "x-correlation-id", "traceparent", "x-deadline-ms"]), ODD))
def test_no_header_is_too_odd_to_be_received(headers: dict[str, str]) -> None:
    with incoming_headers(headers, FakeClock()):
        assert all(value.isprintable() for value in current().labels().values())


@given(st.dictionaries(st.sampled_from([*FULL, "deadline", "traceparent"]), ODD))
def test_no_attribute_is_too_odd_to_be_received(attributes: dict[str, str]) -> None:
    with incoming_attributes(attributes, FakeClock()):
        assert all(value.isprintable() for value in current().labels().values())


def test_a_request_without_a_correlation_id_gets_one_that_the_answer_names() -> None:
    seen: list[Context] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        seen.append(current())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b""})

    propagation = Propagation(app, FakeClock(), SequentialIds())

    async def scenario() -> list[Any]:
        own = await ask_async(propagation, "/")
        given = await ask_async(propagation, "/", headers=[("X-Correlation-ID", "cor-7"), ("X-Correlation-ID", "no")])
        return [own, given]

    own, given_ = asyncio.run(scenario())
    assert seen[0].correlation_id
    assert own.headers == {"a": "b", "x-correlation-id": seen[0].correlation_id}
    assert seen[1].correlation_id == given_.headers["x-correlation-id"] == "cor-7"


def test_inv_17_an_announced_change_takes_its_context_along() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    outbox = Outbox(store, None, clock, redrive_after=60.0, keep=60.0)  # type: ignore[arg-type]
    with bound(correlation_id="cor-1", game_date="2024-01-15", run_id="run-1"):
        message = outbox.message("k", "topic", {}, {"run_id": "mine"})
    assert message.data["attributes"] == {
        "correlation_id": "cor-1", "game_date": "2024-01-15", "run_id": "mine", "outbox_key": "k"
    }  # fmt: skip
    assert clock.now() - message.data["created_at"] == timedelta(0)
    store.close()
