"""Topics and subscriptions in the file of the embedded bus."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.names import closest
from nbactl.errors import AlreadyExistsError, NotFoundError
from nbactl.ports.bus import FoundSubscription, PushTarget, Subscription

if TYPE_CHECKING:
    import sqlite3

_FIELDS: Final = tuple(field.name for field in fields(Subscription) if field.name != "push")
_COLUMNS: Final = ", ".join((*_FIELDS, "push_endpoint", "push_account", "push_audience"))


def receivers(connection: sqlite3.Connection, topic: str) -> list[tuple[str, bool]]:
    """Return name and `ordered` of the subscriptions of a topic. Raises NotFoundError for one that is not there."""
    found = connection.execute(
        "SELECT s.name, s.ordered FROM topics t LEFT JOIN subscriptions s ON s.topic = t.name WHERE t.name = ?",
        (topic,),
    ).fetchall()
    if not found:
        meant = closest(topic, topics(connection))
        raise NotFoundError(
            f"there is no topic {topic}",
            next_step=f"Did you mean '{meant}'?" if meant else None,
            details={"missing": "topic", "topic": topic},
        )
    return [(name, bool(ordered)) for name, ordered in found if name is not None]


def create_topic(connection: sqlite3.Connection, topic: str) -> None:
    """Store a topic unless it is there."""
    connection.execute("INSERT OR IGNORE INTO topics VALUES (?)", (topic,))


def topics(connection: sqlite3.Connection) -> list[str]:
    """Return the names of all topics, sorted."""
    return [name for (name,) in connection.execute("SELECT name FROM topics ORDER BY name")]


def create_subscription(connection: sqlite3.Connection, wanted: Subscription) -> None:
    """Store a subscription, or its new endpoint. Raises NotFoundError, AlreadyExistsError."""
    for topic in (wanted.topic, wanted.dead_letter_topic):
        receivers(connection, topic)
    found = next((one for one in subscriptions(connection) if one.name == wanted.name), None)
    if found is None:
        values = [getattr(wanted, name) for name in _FIELDS]
        push = wanted.push and (wanted.push.endpoint, wanted.push.account, wanted.push.audience)
        values += push or (None, None, None)
        marks = ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO subscriptions ({_COLUMNS}) VALUES ({marks})", values)  # noqa: S608 - constants
    elif wanted.push is not None and wanted.moved_from(found):
        sql = "UPDATE subscriptions SET push_endpoint = ? WHERE name = ?"
        connection.execute(sql, (wanted.push.endpoint, wanted.name))
    elif unlike := wanted.differing(found):
        raise AlreadyExistsError(
            f"the subscription {wanted.name} is there with another {', '.join(unlike)}",
            next_step="Give the new one another name.",
        )


def subscriptions(connection: sqlite3.Connection) -> list[Subscription]:
    """Return all subscriptions, sorted by name."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM subscriptions ORDER BY name")  # noqa: S608 - constants
    return [_subscription(row) for row in rows]


def found_subscriptions(connection: sqlite3.Connection) -> list[FoundSubscription]:
    """Return all subscriptions as those of every bus are shown, sorted by name."""
    return [
        FoundSubscription(
            one.name,
            one.topic,
            one.ack_deadline,
            one.dead_letter_topic,
            one.most_attempts,
            (one.least_backoff, one.most_backoff),
            one.ordered,
            one.push,
        )
        for one in subscriptions(connection)
    ]


def subscription(connection: sqlite3.Connection, name: str) -> Subscription:
    """Return a subscription. Raises NotFoundError."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM subscriptions WHERE name = ?", (name,)).fetchone()  # noqa: S608 - constants
    if row is None:
        raise NotFoundError(f"there is no subscription {name}", details={"missing": "subscription", "name": name})
    return _subscription(row)


def _subscription(row: tuple[Any, ...]) -> Subscription:
    *values, endpoint, account, audience = row
    found = dict(zip(_FIELDS, values, strict=True))
    push = None if endpoint is None else PushTarget(endpoint, account, audience)
    return Subscription(**{**found, "ordered": bool(found["ordered"])}, push=push)
