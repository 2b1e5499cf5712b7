"""Old messages of the embedded bus go, but not those that are still to be delivered."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.ports.bus import Subscription
from nbactl.testing import FakeClock
from tests.kit.bus import bus_at

if TYPE_CHECKING:
    from pathlib import Path


def test_delivered_messages_go_by_their_age(tmp_path: Path) -> None:
    clock = FakeClock()
    with closing(bus_at(tmp_path / "bus.db", "topic", "dead", clock=clock)) as bus:
        bus.create_subscription(Subscription("sub", "topic", "dead", ack_deadline=600.0))
        for index in range(10):
            bus.publish("topic", f"{index}".encode())
            clock.advance(3600)
        taken = bus.pull("sub", limit=4, timeout=0.0)
        bus.ack("sub", [message.ack_id for message in taken])
        young = clock.now() - timedelta(hours=8)
        assert bus.prune(young, 100, start=None, dry_run=True).removed == 2, "0 and 1 are delivered and old"
        first = bus.prune(young, 1, start=None, dry_run=False)
        assert (first.removed, first.size, first.resume) == (1, 3, "1")
        assert bus.prune(young, 100, start=first.resume, dry_run=False).removed == 1
        assert [message.data for message in bus.messages("topic")] == [f"{index}".encode() for index in range(2, 10)]
        assert bus.prune(clock.now(), 100, start=None, dry_run=False).removed == 2
        assert bus.waiting("sub") == 6
        assert [message.data for message in bus.pull("sub", limit=10, timeout=0.0)] == [
            f"{index}".encode() for index in range(4, 10)
        ]
