"""The bus port in an SQLite file: nothing but Python is needed, and what `publish` returned survives a crash."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.adapters.localbus import deliveries, topology
from nbactl.adapters.localbus.deliveries import Deliveries, Outgoing
from nbactl.adapters.localbus.file import BusFile
from nbactl.adapters.localbus.wakeup import WakeUp, listening, write_entry
from nbactl.core._support.faults import reach
from nbactl.core._support.micros import from_micros, to_micros
from nbactl.core.retention.model import Removal
from nbactl.ports.bus import OutgoingMessage, PulledMessage
from nbactl.ports.bus_rules import check_message, check_name, check_pull, check_subscription, in_requests
from nbactl.ports.measurements import Backlog

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import Literal

    from nbactl.adapters.localbus.deliveries import Delivery
    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.ports.bus import FoundSubscription, Subscription

_LOOK_EVERY: Final = 10.0
"""Seconds between two looks at messages that wait for a clock that was set back."""


@dataclass(frozen=True, slots=True)
class Published:
    """A message as it was published."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    ordering_key: str


class LocalBus:
    """Topics, subscriptions and messages in one file, shared by threads and processes (WAL, synchronous FULL).

    Callers that write at the same time share a commit. Those who wait for a message are woken by its commit, in other
    processes through a datagram on the loopback. `busy_timeout` is how many seconds a writer waits for other processes.
    `":memory:"` keeps everything in this process. Messages are kept for seven days.
    """

    def __init__(
        self, path: Path | Literal[":memory:"], *, clock: Clock, ids: IdGenerator, busy_timeout: float
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._wake = WakeUp()
        self._look_again: dict[str, float] = {}
        self._file = BusFile(
            path, busy_timeout, lambda connection: listening(connection, self._now()), self._wake.notify
        )

    def create_topic(self, topic: str) -> None:
        check_name("topic", topic)
        self._file.write(lambda connection: topology.create_topic(connection, topic))

    def create_subscription(self, subscription: Subscription) -> None:
        check_subscription(subscription)
        self._file.write(lambda connection: topology.create_subscription(connection, subscription))

    def topics(self) -> list[str]:
        return self._file.read(topology.topics)

    def subscriptions(self) -> list[Subscription]:
        return self._file.read(topology.subscriptions)

    def subscription(self, name: str) -> Subscription:
        """Return a subscription. Raises NotFoundError."""
        return self._file.read(lambda connection: topology.subscription(connection, name))

    def publish(
        self, topic: str, data: bytes, attributes: Mapping[str, str] | None = None, *, ordering_key: str = ""
    ) -> str:
        check_message(data, attributes or {}, ordering_key)
        [identifier] = self._publish(topic, [OutgoingMessage(data, attributes or {}, ordering_key)])
        return identifier

    def publish_many(self, topic: str, messages: Sequence[OutgoingMessage]) -> list[str]:
        return [identifier for group in in_requests(messages) for identifier in self._publish(topic, group)]

    def pull(self, subscription: str, *, limit: int, timeout: float) -> list[PulledMessage]:
        # The wait is real: it ends by a notification, whatever the clock of the bus says.
        give_up = time.monotonic() + timeout
        while True:
            left = give_up - time.monotonic()
            found = self.take(subscription, limit=limit, wait=left)
            if found or left <= 0:
                return found

    def take(self, subscription: str, *, limit: int, wait: float, lease: float | None = None) -> list[PulledMessage]:
        """Pull what is due; if that is nothing, wait for news, at most `wait` seconds, and return nothing.

        With a `lease` the deliveries have so many seconds instead of those of the subscription.
        """
        check_pull(limit)
        seen = self._wake.count
        self._listen()
        self._free_stuck(subscription)
        found = self._begin(subscription, limit, lease)
        if not found and wait > 0:
            due = self._file.read(lambda connection: deliveries.next_due(connection, subscription))
            pause = wait if due is None else min(wait, max(0.0, (due - self._now()) / 1e6))
            self._wake.wait(seen, pause)
        return found

    def wake(self) -> None:
        """End the waits of this process."""
        self._wake.notify()

    def ack(self, subscription: str, ack_ids: Sequence[str]) -> None:
        reach("bus.before_ack")
        self._change(subscription, lambda found: found.end(ack_ids))
        reach("bus.acked")

    def nack(self, subscription: str, ack_ids: Sequence[str]) -> None:
        self.reject(subscription, dict.fromkeys(ack_ids, ""))

    def reject(self, subscription: str, failed: Mapping[str, str]) -> None:
        """Give back deliveries, each with the reason, which a dead letter has as an attribute."""
        self._change(subscription, lambda found: found.give_back(failed))

    def release(self, subscription: str, ack_ids: Sequence[str]) -> None:
        """Give back deliveries of which nothing was sent: they come again at once, and do not count as attempts."""
        self._change(subscription, lambda found: found.release(ack_ids))

    def extend(self, subscription: str, ack_ids: Sequence[str], seconds: float) -> None:
        until = self._now() + int(seconds * 1_000_000)
        self._change(subscription, lambda found: found.extend(ack_ids, until))

    def messages(self, topic: str) -> Iterator[Published]:
        """Yield what was published to `topic` in the last seven days, the oldest first."""
        sql = "SELECT id, data, attributes, ordering_key FROM messages WHERE topic = ? ORDER BY seq"
        for identifier, data, attributes, key in self._file.read(lambda one: one.execute(sql, (topic,)).fetchall()):
            yield Published(identifier, data, json.loads(attributes), key)

    def prune(self, before: datetime, at_most: int, *, start: str | None, dry_run: bool) -> Removal:
        """Remove messages that were published before that time and are delivered to all."""
        until, after = to_micros(before), int(start or 0)
        found = self._file.read(lambda connection: deliveries.old_messages(connection, until, after, at_most))
        done = [(number, size) for number, size, waits in found if not waits]
        if done and not dry_run:
            self._file.write(lambda connection: deliveries.remove(connection, [number for number, _ in done]))
        resume = str(found[-1][0]) if len(found) == at_most else None
        return Removal(len(done), len(found), sum(size for _, size in done), resume)

    def waiting(self, subscription: str) -> int:
        """Return how many messages of a subscription are not acknowledged. Raises NotFoundError."""
        return self._file.read(lambda connection: self._deliveries(connection, subscription).count())

    def found_subscriptions(self) -> list[FoundSubscription]:
        """Return all subscriptions, sorted by name."""
        return self._file.read(topology.found_subscriptions)

    def backlogs(self) -> dict[str, Backlog]:
        """Return what waits in each subscription, what is being delivered included."""
        found, now = self._file.read(deliveries.backlogs), self._now()
        return {
            name: Backlog(count, None if oldest is None else max(0.0, (now - oldest) / 1e6))
            for name, count, oldest in found
        }

    def close(self) -> None:
        """End all waits and close the file."""
        self._wake.close()
        self._file.close()

    def _begin(self, subscription: str, limit: int, lease: float | None) -> list[PulledMessage]:
        """Begin deliveries; without one that is due nothing is written."""
        due = self._file.read(lambda connection: _due(connection, subscription))
        if due is None or due > self._now():
            return []
        begun = self._file.write(lambda connection: self._deliveries(connection, subscription).begin(limit, lease))
        reach("bus.pulled")
        return [_pulled(one) for one in begun]

    def _publish(self, topic: str, messages: Sequence[OutgoingMessage]) -> list[str]:
        """Publish messages in one commit."""
        now = self._now()
        rows = [Outgoing(self._ids.new("msg"), one.data, one.attributes, one.ordering_key, now) for one in messages]
        reach("bus.before_publish")
        self._file.write(lambda connection: deliveries.publish(connection, topic, rows), news=True)
        reach("bus.published")
        return [row.message_id for row in rows]

    def _change(self, subscription: str, change: Callable[[Deliveries], None]) -> None:
        """Change deliveries, and wake those who wait: the next message of a key, or a dead letter, may be due."""
        self._file.write(lambda connection: change(self._deliveries(connection, subscription)), news=True)

    def _deliveries(self, connection: sqlite3.Connection, subscription: str) -> Deliveries:
        found = topology.subscription(connection, subscription)
        return Deliveries(connection, found, self._now(), self._ids.new)

    def _listen(self) -> None:
        if self._file.in_memory:
            return
        now = self._now()
        if (entry := self._wake.entry(now)) is not None:
            self._file.write(lambda connection: write_entry(connection, entry, now))

    def _free_stuck(self, subscription: str) -> None:
        """Look now and then whether the clock was set back, so that messages wait for it ten minutes at most."""
        clock = self._clock.monotonic()
        if clock < self._look_again.get(subscription, clock):
            return
        self._look_again[subscription] = clock + _LOOK_EVERY
        now = self._now()
        if self._file.read(lambda connection: deliveries.is_stuck(connection, subscription, now)):
            self._file.write(lambda connection: deliveries.free_stuck(connection, subscription, now), news=True)

    def _now(self) -> int:
        return to_micros(self._clock.now())


def _due(connection: sqlite3.Connection, subscription: str) -> int | None:
    due = deliveries.next_due(connection, subscription)
    if due is None:
        topology.subscription(connection, subscription)
    return due


def _pulled(one: Delivery) -> PulledMessage:
    message = one.message
    return PulledMessage(
        one.ack_id,
        message.message_id,
        message.data,
        message.attributes,
        message.ordering_key,
        from_micros(message.published),
        one.attempt,
    )
