"""What every bus does with messages: delivery, acknowledgement, delivery again, order, dead letters."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.micros import rfc3339
from nbactl.errors import AlreadyExistsError, DataError, NotFoundError
from nbactl.ports.bus import (
    SOURCE_ATTEMPTS,
    SOURCE_PROJECT,
    SOURCE_PUBLISHED,
    SOURCE_SUBSCRIPTION,
    OutgoingMessage,
    PushTarget,
    Subscription,
)
from nbactl.ports.bus_rules import LONGEST_VALUE, MOST_ATTRIBUTES, MOST_DATA, MOST_MESSAGES
from tests.conformance.bus.conftest import Lab, lab_on
from tests.kit.bus import fresh

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_message_arrives_as_it_was_published(lab: Lab) -> None:
    data = bytes(range(256)) * 40
    identifier = lab.send(data, origin="größe", n="1")
    message = lab.one()
    assert (message.message_id, message.data, message.delivery_attempt) == (identifier, data, 1)
    assert {name: message.attributes[name] for name in ("origin", "n")} == {"origin": "größe", "n": "1"}
    lab.ack(message)
    assert lab.pull(wait=0.3) == []


def test_every_subscription_gets_every_message_published_after_it_was_created(lab: Lab) -> None:
    lab.send(b"before")
    second = replace(lab.subscription, name=fresh("sub"))
    lab.bus.create_subscription(second)
    lab.send(b"after")
    assert sorted(message.data for message in _all(lab, 2)) == [b"after", b"before"]
    assert [message.data for message in lab.bus.pull(second.name, limit=10, timeout=5.0)] == [b"after"]


def test_a_waiting_pull_ends_as_soon_as_a_message_is_published(lab: Lab) -> None:
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.extend(lab.pull()))
    waiting.start()
    lab.send(b"news")
    waiting.join(timeout=30.0)
    assert [message.data for message in found] == [b"news"]


def test_what_is_given_back_comes_again_with_a_higher_attempt(lab: Lab) -> None:
    lab.send()
    attempts = []
    for _ in range(3):
        message = lab.one()
        attempts.append(message.delivery_attempt)
        lab.nack(message)
    assert attempts == [1, 2, 3]


def test_a_delivery_whose_time_is_over_comes_again_and_its_late_acknowledgement_does_no_harm(lab: Lab) -> None:
    lab.send()
    first = lab.one()
    lab.bus.extend(lab.subscription.name, [first.ack_id], 1.0)
    second = lab.one()
    assert (second.message_id, second.delivery_attempt) == (first.message_id, 2)
    lab.ack(first)
    lab.ack(second)
    assert lab.pull(wait=0.5) == []


def test_a_delivery_that_is_extended_does_not_come_again_meanwhile(lab: Lab) -> None:
    lab.send()
    message = lab.one()
    lab.bus.extend(lab.subscription.name, [message.ack_id], 60.0)
    assert lab.pull(wait=1.0) == []
    lab.ack(message)


def test_acknowledging_again_or_by_an_unknown_id_changes_nothing(lab: Lab) -> None:
    lab.send()
    message = lab.one()
    lab.ack(message)
    lab.ack(message)


def test_what_nobody_can_handle_becomes_a_dead_letter_with_its_origin(bus: Any) -> None:
    lab = lab_on(bus, most_attempts=5)
    lab.send(b"poison", key="k", player="lukadoncic")
    published = None
    for attempt in range(1, 6):
        message = lab.one()
        published = message.published_at
        assert message.delivery_attempt == attempt
        lab.nack(message)
    letters: list[Any] = []
    while not letters:  # the emulator moves it when it is due again, and asked for
        assert lab.pull(wait=2.0) == []
        letters = bus.pull(lab.dead.name, limit=10, timeout=0.5)
    [letter] = letters
    assert (letter.data, letter.attributes["player"]) == (b"poison", "lukadoncic")
    assert letter.attributes[SOURCE_SUBSCRIPTION] == lab.subscription.name
    assert int(letter.attributes[SOURCE_ATTEMPTS]) == 5
    assert letter.attributes[SOURCE_PROJECT]
    assert published is not None
    assert letter.attributes[SOURCE_PUBLISHED] == rfc3339(published)


def test_messages_of_one_key_come_in_order_and_others_do_not_wait_for_them(bus: Any) -> None:
    lab = lab_on(bus, ordered=True)
    for number in range(3):
        lab.send(f"a{number}".encode(), key="a")
    lab.send(b"b0", key="b")
    got: list[bytes] = []
    while len(got) < 4:
        for message in lab.pull():
            got.append(message.data)
            lab.ack(message)
    assert [data for data in got if data.startswith(b"a")] == [b"a0", b"a1", b"a2"]


def test_a_large_message_goes_through_and_a_larger_one_is_refused(lab: Lab) -> None:
    lab.send(b"x" * (MOST_DATA - 10_000))
    assert len(lab.one().data) == MOST_DATA - 10_000
    with pytest.raises(DataError, match="bytes"):
        lab.send(b"x" * (MOST_DATA + 1))


@pytest.mark.parametrize(
    ("data", "attributes"),
    [
        (b"", {}),
        (b"x", {"goog-thing": "1"}),
        (b"x", {"n": "v" * (LONGEST_VALUE + 1)}),
        (b"x", {"n" * 257: "v"}),
        (b"x", {"": "v"}),
        (b"x", {f"n{number}": "v" for number in range(MOST_ATTRIBUTES + 1)}),
        (b"x", {"n": "\ud800"}),
    ],
)
def test_what_pubsub_refuses_is_refused_before_it_is_sent(lab: Lab, data: bytes, attributes: dict[str, str]) -> None:
    with pytest.raises(DataError):
        lab.send(data, **attributes)
    assert lab.pull(wait=0.2) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda lab: lab.bus.publish("no-such-topic", b"x"),
        lambda lab: lab.bus.pull("no-such-subscription", limit=1, timeout=0.1),
        lambda lab: lab.bus.ack("no-such-subscription", ["x"]),
        lambda lab: lab.bus.create_subscription(replace(lab.subscription, name="new-one", topic="no-such-topic")),
    ],
)
def test_an_unknown_name_is_not_found(lab: Lab, call: Callable[[Lab], object]) -> None:
    with pytest.raises(NotFoundError, match="no-such"):
        call(lab)


def test_creating_what_is_there_changes_nothing_unless_it_differs(lab: Lab) -> None:
    lab.bus.create_topic(lab.subscription.topic)
    lab.bus.create_subscription(lab.subscription)
    assert lab.subscription in lab.bus.subscriptions()
    assert lab.subscription.topic in lab.bus.topics()
    with pytest.raises(AlreadyExistsError, match="most_attempts"):
        lab.bus.create_subscription(replace(lab.subscription, most_attempts=7))


@pytest.mark.parametrize(
    "terms", [{"ack_deadline": 5.0}, {"most_attempts": 4}, {"least_backoff": 5.0, "most_backoff": 1.0}, {"name": "1x"}]
)
def test_a_subscription_that_pubsub_refuses_cannot_be_created(lab: Lab, terms: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        lab.bus.create_subscription(replace(lab.subscription, **{"name": fresh("sub"), **terms}))


def _all(lab: Lab, count: int, at_once: int = 10) -> list[Any]:
    got: list[Any] = []
    while len(got) < count:
        got += lab.pull(limit=at_once)
    return got


def test_the_default_terms_of_a_subscription_can_be_created(bus: Any) -> None:
    bus.create_topic("default-terms")
    bus.create_subscription(Subscription("default-sub", "default-terms", "default-terms"))


def test_a_pull_of_no_message_and_an_odd_acknowledgement_are_harmless(lab: Lab) -> None:
    lab.send()
    for limit in (0, -1):
        with pytest.raises(DataError, match="cannot be pulled"):
            lab.pull(limit=limit)
    message = lab.one()
    for odd in ("9" * 40, "", "1-ack", "\u0662"):
        with contextlib.suppress(DataError):  # Pub/Sub refuses an id that it has never given
            lab.bus.ack(lab.subscription.name, [odd])
    lab.ack(message)
    assert lab.pull(wait=0.2) == []


def test_many_messages_are_published_in_order_and_none_if_one_is_refused(lab: Lab) -> None:
    many = [OutgoingMessage(str(number).encode(), {"n": str(number)}) for number in range(MOST_MESSAGES + 5)]
    identifiers = lab.bus.publish_many(lab.subscription.topic, many)
    got = {message.message_id: message for message in _all(lab, len(many), at_once=500)}
    assert [got[identifier].data for identifier in identifiers] == [message.data for message in many]
    assert all(message.attributes["n"].encode() == message.data for message in got.values())
    lab.ack(*got.values())
    with pytest.raises(DataError, match="goog"):
        lab.bus.publish_many(lab.subscription.topic, [OutgoingMessage(b"x"), OutgoingMessage(b"x", {"goog-x": "1"})])
    with pytest.raises(NotFoundError, match="no-such-topic"):
        lab.bus.publish_many("no-such-topic", [OutgoingMessage(b"x")])
    assert lab.bus.publish_many(lab.subscription.topic, []) == []
    assert lab.pull(wait=0.3) == []


def test_large_messages_of_one_call_go_in_requests_of_their_own(lab: Lab) -> None:
    large = [OutgoingMessage(bytes([number]) * (MOST_DATA - 10_000)) for number in range(2)]
    lab.bus.publish_many(lab.subscription.topic, large)
    assert {message.data[0] for message in _all(lab, 2, at_once=1)} == {0, 1}


def test_many_messages_of_one_key_keep_their_order(bus: Any) -> None:
    lab = lab_on(bus, ordered=True)
    bus.publish_many(lab.subscription.topic, [OutgoingMessage(bytes([n]), {}, "key") for n in range(5)])
    got: list[int] = []
    while len(got) < 5:
        for message in lab.pull():
            got += message.data
            lab.ack(message)
    assert got == list(range(5))


def test_a_push_moves_to_another_endpoint_and_nothing_else_of_it_changes(lab: Lab) -> None:
    push = PushTarget("http://127.0.0.1:9/one", "worker@p.iam.gserviceaccount.com", "https://worker.example")
    pushed = replace(lab.subscription, name=fresh("push"), push=push)
    lab.bus.create_subscription(pushed)
    assert pushed in lab.bus.subscriptions()
    moved = replace(pushed, push=replace(push, endpoint="http://127.0.0.1:9/two"))
    lab.bus.create_subscription(moved)
    assert moved in lab.bus.subscriptions()
    for other in (replace(push, account="b@p.iam.gserviceaccount.com"), replace(push, audience="https://b"), None):
        with pytest.raises(AlreadyExistsError, match="another push"):
            lab.bus.create_subscription(replace(moved, push=other))
    with pytest.raises(AlreadyExistsError, match="most_attempts"):
        lab.bus.create_subscription(replace(pushed, most_attempts=7))
    assert moved in lab.bus.subscriptions()


@pytest.mark.parametrize(
    "push", [PushTarget("ftp://host/path"), PushTarget("http://"), PushTarget("http://h", None, "a")]
)
def test_a_push_to_nowhere_is_refused(lab: Lab, push: PushTarget) -> None:
    with pytest.raises(DataError, match="push"):
        lab.bus.create_subscription(replace(lab.subscription, name=fresh("push"), push=push))
