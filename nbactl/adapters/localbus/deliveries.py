"""What subscriptions have to deliver. All of it runs within a transaction; times are microseconds since 1970.

A delivery that is not under way has no `ack`; its message may be delivered when it is due. While one is under way, it
is due at the end of its time. In an ordered subscription only the first message of a key is ever due.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.adapters.localbus import topology
from nbactl.core._support.micros import from_micros, rfc3339
from nbactl.ports.bus import (
    LOCAL_PROJECT,
    SOURCE_ATTEMPTS,
    SOURCE_PROJECT,
    SOURCE_PUBLISHED,
    SOURCE_REASON,
    SOURCE_SUBSCRIPTION,
)
from nbactl.ports.bus_rules import LONGEST_VALUE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.ports.bus import Subscription

_NOT_YET: Final = 2**62
"""When a message is due that waits for an earlier one of its key."""
_KEEP: Final = 7 * 86_400_000_000
"""How long messages are kept: Pub/Sub's default."""
_SWEEP_EVERY: Final = 1_000
_MOST_DOUBLINGS: Final = 30
_LONGEST_WAIT: Final = 600_000_000
"""How long a backoff and a deadline can be (bus_rules.py)."""
_STUCK: Final = "subscription = ? AND due > ? AND due < ? AND (due > ? OR (attempt = 0 AND ack IS NULL))"
"""A message that was never delivered is due when it was published, which is past; others are due within ten minutes."""
_SECOND: Final = 1_000_000
_DIGITS: Final = 19
"""Digits with which a number may be too large for SQLite."""
_INSERT_MESSAGE: Final = (
    "INSERT INTO messages (topic, id, data, attributes, ordering_key, published) VALUES (?, ?, ?, ?, ?, ?)"
)
_INSERT_DELIVERY: Final = "INSERT INTO deliveries VALUES (?, ?, ?, 0, ?, NULL)"
_SET_DUE: Final = "UPDATE deliveries SET due = ? WHERE subscription = ? AND seq = ?"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as it was published."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    ordering_key: str
    published: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery that begins now, the `attempt`-th of its message."""

    ack_id: str
    attempt: int
    message: Outgoing


def publish(connection: sqlite3.Connection, topic: str, messages: Sequence[Outgoing]) -> None:
    """Store messages, to be delivered to every subscription of the topic. Raises NotFoundError without the topic."""
    receivers = topology.receivers(connection, topic)
    for message in messages:
        key = message.ordering_key
        attributes = json.dumps(dict(message.attributes)) if message.attributes else "{}"
        row = (topic, message.message_id, message.data, attributes, key, message.published)
        seq = connection.execute(_INSERT_MESSAGE, row).lastrowid
        for name, ordered in receivers:
            own_key = key if ordered else ""
            waits = own_key and _first_of_key(connection, name, own_key) is not None
            connection.execute(_INSERT_DELIVERY, (name, seq, own_key, _NOT_YET if waits else message.published))
        if seq is not None and seq % _SWEEP_EVERY == 0:
            _sweep(connection, message.published - _KEEP)


def next_due(connection: sqlite3.Connection, subscription: str) -> int | None:
    """Return when the next message of a subscription is due."""
    row = connection.execute("SELECT min(due) FROM deliveries WHERE subscription = ?", (subscription,)).fetchone()
    found: int | None = row[0]
    return found


def is_stuck(connection: sqlite3.Connection, subscription: str, now: int) -> bool:
    """Say whether a message waits for a time that it was never to wait for: the clock was set back."""
    sql = f"SELECT EXISTS (SELECT 1 FROM deliveries WHERE {_STUCK})"  # noqa: S608 - a constant
    return bool(connection.execute(sql, _stuck(subscription, now)).fetchone()[0])


def free_stuck(connection: sqlite3.Connection, subscription: str, now: int) -> None:
    """Let messages that are stuck come now."""
    sql = f"UPDATE deliveries SET due = ? WHERE {_STUCK}"  # noqa: S608 - a constant
    connection.execute(sql, (now, *_stuck(subscription, now)))


def _stuck(subscription: str, now: int) -> tuple[str, int, int, int]:
    return subscription, now, _NOT_YET, now + _LONGEST_WAIT


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The deliveries of one subscription at one moment. `new_id` makes identifiers."""

    connection: sqlite3.Connection
    subscription: Subscription
    now: int
    new_id: Callable[[str], str]

    def begin(self, limit: int, lease: float | None = None) -> list[Delivery]:
        """Begin at most `limit` deliveries, of `lease` seconds; what is over unacknowledged is given back first."""
        name, now = self.subscription.name, self.now
        late = "SELECT seq, attempt, due FROM deliveries WHERE subscription = ? AND due <= ? AND ack IS NOT NULL"
        for seq, attempt, over in self.connection.execute(late, (name, now)).fetchall():
            self._fail(seq, attempt, over)
        rows = self.connection.execute(
            "SELECT d.seq, d.attempt, m.id, m.data, m.attributes, m.ordering_key, m.published "
            "FROM deliveries d JOIN messages m USING (seq) "
            "WHERE d.subscription = ? AND d.due <= ? ORDER BY d.due, d.seq LIMIT ?",
            (name, now, limit),
        ).fetchall()
        over = now + int((self.subscription.ack_deadline if lease is None else lease) * _SECOND)
        batch = self.new_id("ack")
        self.connection.executemany(
            "UPDATE deliveries SET attempt = attempt + 1, due = ?, ack = ? WHERE subscription = ? AND seq = ?",
            [(over, f"{row[0]}-{batch}", name, row[0]) for row in rows],
        )
        return [
            Delivery(f"{seq}-{batch}", attempt + 1, Outgoing(identifier, data, json.loads(attributes), key, published))
            for seq, attempt, identifier, data, attributes, key, published in rows
        ]

    def count(self) -> int:
        """Return how many messages are not acknowledged."""
        sql = "SELECT count(*) FROM deliveries WHERE subscription = ?"
        found: int = self.connection.execute(sql, (self.subscription.name,)).fetchone()[0]
        return found

    def end(self, ack_ids: Sequence[str]) -> None:
        """Remove what was acknowledged."""
        sql = "DELETE FROM deliveries WHERE subscription = ? AND seq = ? AND ack = ? RETURNING ordering_key"
        for ack_id in ack_ids:
            found = (self.subscription.name, _number(ack_id), ack_id)
            self._let_go_on(self.connection.execute(sql, found).fetchall())

    def give_back(self, failed: Mapping[str, str]) -> None:
        """End deliveries without success, each with the reason, which may be empty."""
        for ack_id, reason in failed.items():
            for seq, attempt in self._under_way([ack_id]):
                self._fail(seq, attempt, self.now, reason)

    def release(self, ack_ids: Sequence[str]) -> None:
        """End deliveries as if they had not begun."""
        sql = "UPDATE deliveries SET attempt = ?, due = ?, ack = NULL WHERE subscription = ? AND seq = ?"
        for seq, attempt in self._under_way(ack_ids):
            self.connection.execute(sql, (attempt - 1, self.now, self.subscription.name, seq))

    def extend(self, ack_ids: Sequence[str], until: int) -> None:
        """Let deliveries end later."""
        for seq, _ in self._under_way(ack_ids):
            self.connection.execute(_SET_DUE, (until, self.subscription.name, seq))

    def _under_way(self, ack_ids: Sequence[str]) -> list[tuple[int, int]]:
        """Return number and attempt of deliveries. One that was over and has begun again has another id."""
        found = []
        for ack_id in ack_ids:
            found += self.connection.execute(
                "SELECT seq, attempt FROM deliveries WHERE subscription = ? AND seq = ? AND ack = ?",
                (self.subscription.name, _number(ack_id), ack_id),
            ).fetchall()
        return found

    def _fail(self, seq: int, attempt: int, over: int, reason: str = "") -> None:
        """Have a message come again after its backoff, or give it up; its delivery was over at `over`."""
        one = self.subscription
        if attempt >= one.most_attempts:
            self._dead_letter(seq, attempt, reason)
            return
        pause = min(one.most_backoff, one.least_backoff * 2 ** min(attempt - 1, _MOST_DOUBLINGS))
        self.connection.execute(
            "UPDATE deliveries SET due = ?, ack = NULL WHERE subscription = ? AND seq = ?",
            (over + int(pause * _SECOND), one.name, seq),
        )

    def _dead_letter(self, seq: int, attempt: int, reason: str) -> None:
        data, attributes, key, published = self.connection.execute(
            "SELECT data, attributes, ordering_key, published FROM messages WHERE seq = ?", (seq,)
        ).fetchone()
        source = {
            SOURCE_SUBSCRIPTION: self.subscription.name,
            SOURCE_PROJECT: LOCAL_PROJECT,
            SOURCE_ATTEMPTS: str(attempt),
            SOURCE_PUBLISHED: rfc3339(from_micros(published)),
        }
        if reason:
            source[SOURCE_REASON] = reason.encode()[:LONGEST_VALUE].decode(errors="ignore")
        letter = Outgoing(self.new_id("msg"), data, {**json.loads(attributes), **source}, key, self.now)
        publish(self.connection, self.subscription.dead_letter_topic, [letter])
        sql = "DELETE FROM deliveries WHERE subscription = ? AND seq = ? RETURNING ordering_key"
        self._let_go_on(self.connection.execute(sql, (self.subscription.name, seq)).fetchall())

    def _let_go_on(self, removed: Sequence[tuple[str]]) -> None:
        """Make the next message of the ordering key of each removed delivery due."""
        name = self.subscription.name
        for (key,) in removed:
            if key and (following := _first_of_key(self.connection, name, key)) is not None:
                self.connection.execute(_SET_DUE, (self.now, name, following))


def _number(ack_id: str) -> int:
    """Return the number of the message that an id of ours is about, -1 for another id."""
    seq = ack_id.partition("-")[0]
    return int(seq) if seq.isdecimal() and len(seq) < _DIGITS else -1


def _first_of_key(connection: sqlite3.Connection, subscription: str, key: str) -> int | None:
    row = connection.execute(
        "SELECT min(seq) FROM deliveries WHERE subscription = ? AND ordering_key = ? AND ordering_key <> ''",
        (subscription, key),
    ).fetchone()
    found: int | None = row[0]
    return found


def backlogs(connection: sqlite3.Connection) -> list[tuple[str, int, int | None]]:
    """Return of each subscription how many messages are not acknowledged, and when the oldest was published."""
    sql = (
        "SELECT waits.name, waits.messages, m.published FROM ("
        "SELECT s.name AS name, count(d.seq) AS messages, min(d.seq) AS oldest "
        "FROM subscriptions s LEFT JOIN deliveries d ON d.subscription = s.name GROUP BY s.name"
        ") waits LEFT JOIN messages m ON m.seq = waits.oldest ORDER BY waits.name"
    )
    return connection.execute(sql).fetchall()


def old_messages(connection: sqlite3.Connection, before: int, after: int, at_most: int) -> list[tuple[int, int, int]]:
    """Return messages published before that time, numbered above `after`: number, bytes, whether one is to deliver."""
    sql = """
SELECT seq, length(data) + length(attributes), seq IN (SELECT seq FROM deliveries)
FROM messages WHERE seq > ? AND published < ? ORDER BY seq LIMIT ?"""
    return connection.execute(sql, (after, before, at_most)).fetchall()


def remove(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Remove messages."""
    connection.executemany("DELETE FROM messages WHERE seq = ?", [(number,) for number in numbers])


def _sweep(connection: sqlite3.Connection, before: int) -> None:
    """Delete messages that were published before that time, delivered or not."""
    old = "SELECT seq FROM messages WHERE published < ?"
    connection.execute(f"DELETE FROM deliveries WHERE seq IN ({old})", (before,))  # noqa: S608 - a constant
    connection.execute("DELETE FROM messages WHERE published < ?", (before,))
