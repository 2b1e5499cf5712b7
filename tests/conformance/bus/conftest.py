"""The buses that the suite runs on. Each test has topics and subscriptions of its own."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.ports.bus import PulledMessage, Subscription
from tests.kit.bus import bus_at, fresh, pubsub_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT = 20.0
"""Seconds after which a message that was to come has not come."""


@dataclass(frozen=True)
class Lab:
    """A bus, with a topic, its subscription, and the topic and subscription of its dead letters."""

    bus: Any
    subscription: Subscription
    dead: Subscription

    def send(self, data: bytes = b"data", key: str = "", **attributes: str) -> str:
        sent: str = self.bus.publish(self.subscription.topic, data, attributes, ordering_key=key)
        return sent

    def pull(self, limit: int = 10, wait: float = WAIT) -> list[PulledMessage]:
        return list(self.bus.pull(self.subscription.name, limit=limit, timeout=wait))

    def one(self) -> PulledMessage:
        [message] = self.pull(limit=1)
        return message

    def ack(self, *messages: PulledMessage) -> None:
        self.bus.ack(self.subscription.name, [message.ack_id for message in messages])

    def nack(self, *messages: PulledMessage) -> None:
        self.bus.nack(self.subscription.name, [message.ack_id for message in messages])


@pytest.fixture(params=["embedded", "pubsub"])
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "embedded":
        made: Any = bus_at(tmp_path / "bus.db")
    else:
        made = pubsub_at(request.getfixturevalue("pubsub_address"), fresh("test"))
    with closing(made):
        yield made


def lab_on(bus: Any, **terms: Any) -> Lab:
    """Return a lab whose subscription has these terms; what fails comes again after a tenth of a second."""
    topic, dead = fresh("topic"), fresh("dead")
    bus.create_topic(topic)
    bus.create_topic(dead)
    basis = Subscription(fresh("sub"), topic, dead, ack_deadline=10.0, least_backoff=0.1, most_backoff=1.0)
    lab = Lab(bus, replace(basis, **terms), replace(basis, name=fresh("dead-sub"), topic=dead))
    bus.create_subscription(lab.subscription)
    bus.create_subscription(lab.dead)
    return lab


@pytest.fixture
def lab(bus: Any) -> Lab:
    return lab_on(bus)
