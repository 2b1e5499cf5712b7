"""What every bus does with messages that it pushes: the envelope, delivery again, order, dead letters, outages."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.localbus.bus import LocalBus
from nbactl.ports.bus import SOURCE_ATTEMPTS, SOURCE_SUBSCRIPTION, PushTarget
from nbactl.ports.bus_rules import MOST_DATA
from nbactl.testing.emulators import free_port
from tests.conformance.bus.conftest import Lab, lab_on
from tests.kit.bus import delivering
from tests.kit.push_endpoint import Endpoint, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.core.service.push import PushMessage


@dataclass(frozen=True)
class PushLab(Lab):
    """A lab whose subscription pushes to an endpoint."""

    endpoint: Endpoint


@contextmanager
def pushing(bus: Any, endpoint: Endpoint, **terms: Any) -> Iterator[PushLab]:
    """Push to an endpoint. Pub/Sub does it by itself, the embedded bus by a delivery in this process."""
    lab = lab_on(bus, push=PushTarget(endpoint.url), **terms)
    made = PushLab(lab.bus, lab.subscription, lab.dead, endpoint)
    if not isinstance(bus, LocalBus):
        yield made
        return
    with closing(delivering(bus)):
        yield made


def check_attempts(bus: Any, messages: list[PushMessage], expected: list[int]) -> None:
    """Check the attempts of deliveries; the emulator does not say them in a push."""
    said = [message.delivery_attempt for message in messages]
    assert said == (expected if isinstance(bus, LocalBus) else [None] * len(expected))


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(Endpoint()) as made:
        yield made


def test_a_pushed_message_arrives_as_it_was_published_and_once_if_it_is_acknowledged(
    bus: Any, endpoint: Endpoint
) -> None:
    with pushing(bus, endpoint) as lab:
        data = bytes(range(256)) * 40
        identifier = lab.send(data, origin="größe", n="1")
        endpoint.wait_for_count(1)
        second = lab.send(b"second", n="2")
        endpoint.wait_for_count(2)
    [message, other] = endpoint.received
    assert (message.message_id, message.data, other.message_id) == (identifier, data, second)
    assert {name: message.attributes[name] for name in ("origin", "n")} == {"origin": "größe", "n": "1"}
    check_attempts(bus, [message, other], [1, 1])
    assert message.subscription.startswith("projects/")
    assert message.subscription.endswith(f"/subscriptions/{lab.subscription.name}")
    [body, _] = endpoint.bodies
    assert body["message"]["message_id"] == identifier
    assert body["message"]["publishTime"].endswith("Z")
    assert endpoint.headers[0]["content-type"] == "application/json"


def test_what_is_not_acknowledged_is_pushed_again_after_the_backoff(bus: Any, endpoint: Endpoint) -> None:
    endpoint.answer = lambda _: 500 if len(endpoint.received) < 3 else 204
    with pushing(bus, endpoint) as lab:
        identifier = lab.send(b"again")
        endpoint.wait_for_count(3)
    assert {message.message_id for message in endpoint.received} == {identifier}
    check_attempts(bus, endpoint.received, [1, 2, 3])


def test_what_an_endpoint_always_refuses_becomes_a_dead_letter_and_others_pass(bus: Any, endpoint: Endpoint) -> None:
    endpoint.answer = lambda message: 400 if message.data == b"poison" else 204
    with pushing(bus, endpoint, most_attempts=5) as lab:
        lab.send(b"poison", player="lukadoncic")
        lab.send(b"good")
        [letter] = bus.pull(lab.dead.name, limit=10, timeout=20.0)
    check_attempts(bus, [message for message in endpoint.received if message.data == b"poison"], [1, 2, 3, 4, 5])
    assert [message.data for message in endpoint.received if message.data != b"poison"] == [b"good"]
    assert (letter.data, letter.attributes["player"]) == (b"poison", "lukadoncic")
    assert letter.attributes[SOURCE_SUBSCRIPTION] == lab.subscription.name
    assert int(letter.attributes[SOURCE_ATTEMPTS]) == 5


def test_a_large_message_is_pushed(bus: Any, endpoint: Endpoint) -> None:
    with pushing(bus, endpoint) as lab:
        lab.send(b"x" * (MOST_DATA - 10_000))
        endpoint.wait_for_count(1)
    assert len(endpoint.received[0].data) == MOST_DATA - 10_000


def test_messages_of_one_key_are_pushed_in_order(bus: Any, endpoint: Endpoint) -> None:
    with pushing(bus, endpoint, ordered=True) as lab:
        for number in range(10):
            for key in ("a", "b"):
                lab.send(bytes([number]), key=key, series=key)
        endpoint.wait_for_count(20)
    for key in ("a", "b"):
        mine = [message for message in endpoint.received if message.attributes["series"] == key]
        assert [message.data[0] for message in mine] == list(range(10))
        # The emulator does not say the key in a push.
        assert {message.ordering_key for message in mine} == {key if isinstance(bus, LocalBus) else ""}


def test_messages_wait_for_an_endpoint_that_is_down(bus: Any) -> None:
    port = free_port()
    endpoint = Endpoint(url=f"http://127.0.0.1:{port}/push")
    with pushing(bus, endpoint) as lab:
        sent = {lab.send(str(number).encode()) for number in range(20)}
        assert not lab.bus.pull(lab.dead.name, limit=1, timeout=1.0), "they were given up while nobody listened"
        with serving(endpoint, port):
            endpoint.wait_for(lambda: {message.message_id for message in endpoint.received} == sent)
    if isinstance(bus, LocalBus):  # Pub/Sub may count what was not sent
        check_attempts(bus, endpoint.received, [1] * 20)


def test_messages_go_to_the_new_port_once_an_endpoint_has_moved(bus: Any, endpoint: Endpoint) -> None:
    with pushing(bus, endpoint) as lab, serving(Endpoint()) as other:
        lab.send(b"one")
        endpoint.wait_for_count(1)
        bus.create_subscription(replace(lab.subscription, push=PushTarget(other.url)))
        lab.send(b"two")
        other.wait_for_count(1)
    assert [message.data for message in other.received] == [b"two"]
    assert [message.data for message in endpoint.received] == [b"one"]
