"""A consumer on every bus: reused threads, acknowledgement, extension, graceful stop."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.localbus.bus import LocalBus
from nbactl.core import Consumer, ConsumerTimings, InProgressError, SystemClock, current
from nbactl.core.observe.failures import Failure, Failures
from nbactl.errors import UsageError
from tests.kit.bus import TIMINGS, fresh

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.bus import PulledMessage
    from tests.conformance.bus.conftest import Lab


class Consuming:
    """A consumer of a lab, and the failures that it reported."""

    def __init__(self, lab: Lab, handle: Callable[[PulledMessage], object], **terms: Any) -> None:
        self.failures: list[Failure] = []
        self.consumer = Consumer(
            lab.bus,
            terms.pop("subscription", lab.subscription.name),
            handle,
            concurrency=terms.pop("concurrency", 3),
            clock=SystemClock(),
            timings=replace(TIMINGS, **terms),
            failures=Failures(self.failures.append),
        )
        self.consumer.start()

    def close(self) -> None:
        self.consumer.close()


def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def test_each_message_is_handled_in_few_threads_that_are_reused_and_acknowledged(lab: Lab) -> None:
    handled: list[tuple[bytes, str, str | None]] = []
    running = most = 0
    lock = threading.Lock()

    def handle(message: PulledMessage) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1
            handled.append((message.data, threading.current_thread().name, current().correlation_id))

    for number in range(30):
        lab.send(str(number).encode(), correlation_id=f"c{number}")
    with closing(Consuming(lab, handle)) as consuming:
        eventually(lambda: len(handled) == 30)
        threads = [thread for thread in threading.enumerate() if thread.name == f"{lab.subscription.name}-work"]
        assert len(threads) <= 3
    assert {data: correlation for data, _, correlation in handled} == {
        str(number).encode(): f"c{number}" for number in range(30)
    }
    assert most <= 3
    assert consuming.failures == []
    assert lab.pull(wait=0.3) == []


def test_a_message_whose_handler_raises_comes_again_and_the_failure_is_reported(lab: Lab) -> None:
    attempts: list[int] = []

    def handle(message: PulledMessage) -> None:
        attempts.append(message.delivery_attempt)
        if len(attempts) == 1:
            raise ValueError("no player of that name")
        if len(attempts) == 2:
            raise InProgressError("another process does it")

    identifier = lab.send()
    with closing(Consuming(lab, handle)) as consuming:
        eventually(lambda: len(attempts) == 3)
    [failure] = consuming.failures
    assert (failure.what, failure.message) == (f"message of {lab.subscription.name}", "no player of that name")
    assert failure.fields == {"message_id": identifier, "delivery_attempt": 1}
    assert attempts == [1, 2, 3]
    assert lab.pull(wait=0.3) == []


def test_a_delivery_is_extended_while_its_handler_runs(lab: Lab) -> None:
    handled: list[bytes] = []

    def handle(message: PulledMessage) -> None:
        handled.append(message.data)
        time.sleep(2.5 if message.data == b"slow" else 0.0)

    if isinstance(lab.bus, LocalBus):  # Pub/Sub has ten seconds at least, so there it is the extension that is short
        lab.bus._file.write(lambda connection: connection.execute("UPDATE subscriptions SET ack_deadline = 1"))
    lab.send(b"slow")
    with closing(Consuming(lab, handle, lease=1.0, renew_every=0.2)):
        eventually(lambda: handled)
        time.sleep(2.0)
        assert lab.pull(wait=0.1) == []
    assert handled == [b"slow"]
    assert lab.pull(wait=0.3) == []


def test_a_delivery_that_is_too_old_is_left_to_come_again(lab: Lab) -> None:
    release, began = threading.Event(), threading.Event()

    def handle(_: PulledMessage) -> None:
        began.set()
        release.wait(20.0)

    lab.send()
    with closing(Consuming(lab, handle, lease=1.0, renew_every=0.2, longest=0.5, concurrency=1)):
        assert began.wait(20.0)
        [again] = lab.pull()
        assert again.delivery_attempt == 2
        lab.ack(again)
        release.set()


def test_close_waits_for_what_is_handled_and_gives_back_the_rest(lab: Lab) -> None:
    release, began = threading.Event(), threading.Event()

    def handle(_: PulledMessage) -> None:
        began.set()
        release.wait(20.0)

    consuming = Consuming(lab, handle, concurrency=1, pull=0.5)
    lab.send(b"one")
    assert began.wait(20.0)
    closer = threading.Thread(target=consuming.close)
    closer.start()
    eventually(lambda: consuming.consumer._stopping)
    lab.send(b"two")
    assert closer.is_alive()
    release.set()
    closer.join(20.0)
    [message] = lab.pull()
    assert message.data == b"two", "what was handled to its end is not acknowledged"
    lab.ack(message)
    assert consuming.failures == []


def test_close_gives_back_what_does_not_end_and_its_late_end_changes_nothing(lab: Lab) -> None:
    release, began, ended = threading.Event(), threading.Event(), threading.Event()

    def handle(_: PulledMessage) -> None:
        began.set()
        release.wait(20.0)
        ended.set()

    lab.send()
    consuming = Consuming(lab, handle, finish=0.5, pull=0.2)
    assert began.wait(20.0)
    started = time.monotonic()
    consuming.close()
    assert time.monotonic() - started < 5.0
    [message] = lab.pull(wait=5.0)
    assert message.delivery_attempt == 2
    release.set()
    assert ended.wait(20.0)
    lab.nack(message)
    assert lab.one().delivery_attempt == 3, "the late end acknowledged a delivery of another process"


def test_pulls_that_fail_are_reported_and_tried_again(lab: Lab) -> None:
    handled: list[bytes] = []
    late = replace(lab.subscription, name=fresh("late"))
    with closing(Consuming(lab, lambda message: handled.append(message.data), subscription=late.name)) as consuming:
        eventually(lambda: len(consuming.failures) >= 2)
        lab.bus.create_subscription(late)
        lab.send(b"news")
        eventually(lambda: handled)
    assert handled == [b"news"]
    assert {failure.what for failure in consuming.failures} == {f"pull {late.name}"}


@pytest.mark.parametrize(("lease", "renew_every"), [(5.0, 5.0), (60.0, 10.0)])
def test_deliveries_must_be_extended_before_they_are_over(lease: float, renew_every: float) -> None:
    with pytest.raises(UsageError, match="too late"):
        ConsumerTimings(lease, renew_every, pull=1.0, pause=1.0, finish=1.0).check()
