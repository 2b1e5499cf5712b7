"""What the embedded bus promises of pushes beyond the port: attempts only for what was sent, bounded waits, order."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.localbus import deliveries
from nbactl.ports.bus import SOURCE_REASON, OutgoingMessage, PushTarget
from nbactl.ports.bus_rules import LONGEST_VALUE
from nbactl.testing.emulators import free_port
from tests.conformance.bus.conftest import lab_on
from tests.kit.bus import bus_at, delivering
from tests.kit.push_endpoint import Endpoint, serving
from tests.kit.warm import run_module

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.core.service.push import PushMessage


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Any]:
    with closing(bus_at(tmp_path / "bus.db")) as made:
        yield made


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(Endpoint()) as made:
        yield made


def test_a_push_that_failed_keeps_the_order_of_its_key(bus: Any, endpoint: Endpoint) -> None:
    endpoint.answer = lambda message: 500 if message.delivery_attempt == 1 and message.data == b"0" else 204
    lab = lab_on(bus, push=PushTarget(endpoint.url), ordered=True)
    for number in range(4):
        lab.send(str(number).encode(), key="a")
    with closing(delivering(bus)):
        endpoint.wait_for_count(5)
    assert [message.data for message in endpoint.received] == [b"0", b"0", b"1", b"2", b"3"]


def test_restarts_while_an_endpoint_is_down_cost_no_attempts(bus: Any, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    endpoint = Endpoint(url=f"http://127.0.0.1:{port}/push")
    lab = lab_on(bus, push=PushTarget(endpoint.url))
    sent = {lab.send(str(number).encode()) for number in range(10)}
    for _ in range(6):  # more often than a message has attempts
        with closing(delivering(bus)) as delivery:
            [push] = delivery._pushes
            _until(lambda push=push: push._failures)
    with closing(delivering(bus)), serving(endpoint, port):
        endpoint.wait_for_count(10)
        time.sleep(0.1)
    assert {message.message_id: message.delivery_attempt for message in endpoint.received} == dict.fromkeys(sent, 1)
    assert len(endpoint.received) == 10
    warnings = [record.getMessage() for record in caplog.records if "cannot be reached" in record.getMessage()]
    assert len(warnings) == 6, "once an outage, not once a message"


def test_the_pause_of_a_subscription_doubles_while_its_endpoint_is_down(bus: Any) -> None:
    lab = lab_on(bus, push=PushTarget(f"http://127.0.0.1:{free_port()}/"))
    for _ in range(20):
        lab.send()
    with closing(delivering(bus, least_pause=0.05, most_pause=60.0)) as delivery:
        [push] = delivery._pushes
        _until(lambda: push._failures == 4)
        left = push._resume_at - time.monotonic()
    assert 0.2 < left <= 0.4


def test_one_endpoint_that_is_down_does_not_hold_up_another(bus: Any, endpoint: Endpoint) -> None:
    down = lab_on(bus, push=PushTarget(f"http://127.0.0.1:{free_port()}/"))
    up = lab_on(bus, push=PushTarget(endpoint.url))
    for _ in range(20):
        down.send()
        up.send()
    with closing(delivering(bus)):
        endpoint.wait_for_count(20)


def test_an_endpoint_has_so_many_requests_at_a_time_and_each_as_long_as_it_needs(tmp_path: Path) -> None:
    release = threading.Event()

    def answer(_: PushMessage) -> int:
        release.wait(20.0)
        return 204

    with closing(bus_at(tmp_path / "bus.db")) as bus, serving(Endpoint(answer)) as endpoint:
        lab = lab_on(bus, push=PushTarget(endpoint.url))
        for _ in range(8):  # with four that are pulled ahead of their requests
            lab.send()
        with closing(delivering(bus, concurrency=4, lease=0.6, renew_every=0.1)):
            endpoint.wait_for_count(4)
            assert lab.pull(wait=1.0) == [], "a delivery was not extended"
            assert len(endpoint.received) == 4
            release.set()
            endpoint.wait_for_count(8)
    assert [message.delivery_attempt for message in endpoint.received] == [1] * 8


def test_close_is_bounded_and_what_was_not_answered_is_pushed_again(bus: Any) -> None:
    release = threading.Event()

    def answer(_: PushMessage) -> int:
        release.wait(20.0)
        return 204

    with serving(Endpoint(answer)) as endpoint:
        lab = lab_on(bus, push=PushTarget(endpoint.url))
        lab.send()
        delivery = delivering(bus, finish=0.3)
        endpoint.wait_for_count(1)
        began = time.monotonic()
        delivery.close()
        assert time.monotonic() - began < 5.0
        release.set()
        with closing(delivering(bus)):
            endpoint.wait_for_count(2, 5.0)
    assert [message.delivery_attempt for message in endpoint.received] == [1, 2]


def test_an_answer_that_does_not_come_in_time_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    def answer(message: PushMessage) -> int:
        if message.delivery_attempt == 1:
            release.wait(20.0)
        return 204

    file = tmp_path / "bus.db"
    with closing(bus_at(file)) as bus, serving(Endpoint(answer)) as endpoint:
        lab = lab_on(bus, push=PushTarget(endpoint.url))
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE subscriptions SET ack_deadline = 0.3")  # Pub/Sub has ten seconds at least
        lab.send()
        with closing(delivering(bus)):
            endpoint.wait_for_count(2, 4.0)
        release.set()
    assert [message.delivery_attempt for message in endpoint.received] == [1, 2]
    assert "did not answer in time" in caplog.text


def test_refusals_are_reported_with_their_status_and_work_in_progress_is_not(
    bus: Any, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    statuses = iter([409, 503, 301, 204])
    endpoint.answer = lambda _: next(statuses)
    lab = lab_on(bus, push=PushTarget(endpoint.url))
    lab.send()
    with closing(delivering(bus)):
        endpoint.wait_for_count(4)
    failures = [record.getMessage() for record in caplog.records if record.name == "nbactl.failures"]
    assert [text.rpartition(" ")[2] for text in failures] == ["503", "301"]
    assert all(record.levelno == logging.WARNING for record in caplog.records if record.name == "nbactl.failures")


def test_a_dead_letter_says_why_its_last_push_failed(bus: Any, endpoint: Endpoint) -> None:
    endpoint.answer = lambda _: 422
    endpoint.text = '{"error": "größe"}' + "x" * 2_000
    lab = lab_on(bus, push=PushTarget(endpoint.url), least_backoff=0.0)
    lab.send(b"poison")
    with closing(delivering(bus)):
        [letter] = bus.pull(lab.dead.name, limit=1, timeout=20.0)
    reason = letter.attributes[SOURCE_REASON]
    assert reason.startswith(f'{endpoint.url} answered 422. {{"error": "größe"}}')
    assert len(reason.encode()) <= LONGEST_VALUE


def test_a_dead_letter_has_the_message_of_our_own_error(bus: Any, endpoint: Endpoint) -> None:
    endpoint.answer = lambda _: 400
    endpoint.text = '{"error": {"code": "data", "message": "the message has no batch_id", "cause": null}}'
    lab = lab_on(bus, push=PushTarget(endpoint.url), least_backoff=0.0)
    lab.send(b"poison")
    with closing(delivering(bus)):
        [letter] = bus.pull(lab.dead.name, limit=1, timeout=20.0)
    assert letter.attributes[SOURCE_REASON] == f"{endpoint.url} answered 400. the message has no batch_id"


def test_a_killed_pusher_holds_its_messages_no_longer_than_a_lease(bus: Any) -> None:
    release = threading.Event()

    def answer(_: PushMessage) -> int:
        release.wait(20.0)
        return 204

    with serving(Endpoint(answer)) as endpoint:
        lab = lab_on(bus, push=PushTarget(endpoint.url), ack_deadline=600.0)
        lab.send()
        with closing(delivering(bus, lease=9.0, renew_every=8.0)):
            endpoint.wait_for_count(1)
            due = bus._file.read(lambda connection: deliveries.next_due(connection, lab.subscription.name))
            release.set()
    assert 0 < due - bus._now() <= 9_000_000


def _until(condition: Any) -> None:
    end = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.timeout(120)
def test_inv_07_no_message_is_lost_whenever_the_process_that_pushes_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "bus.db"
    kills = 0
    with closing(bus_at(file)) as bus, serving(Endpoint()) as endpoint:
        lab = lab_on(bus, push=PushTarget(endpoint.url), most_attempts=100, least_backoff=0.0)
        sent = set(bus.publish_many(lab.subscription.topic, [OutgoingMessage(str(n).encode()) for n in range(40)]))
        for kill_at in (1, 4, 9, 15, 22, 0):
            done = run_module("tests.conformance.bus.pusher_killed", str(file), lab.subscription.name, str(kill_at))
            assert done.returncode in (0, -9), done.stderr
            kills += done.returncode == -9
        assert {message.message_id for message in endpoint.received} == sent
        assert bus.waiting(lab.dead.name) == 0
    assert kills >= 4, "too few were killed for this to tell anything"
