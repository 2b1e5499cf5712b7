"""Topics and subscriptions in the file of the embedded bus."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.names import closest
from nbactl.errors import AlreadyExistsError, NotFoundError
from nbactl.ports.bus import Subscription

if TYPE_CHECKING:
    import sqlite3

_FIELDS: Final = tuple(field.name for field in fields(Subscription))
_COLUMNS: Final = ", ".join(_FIELDS)


def check_topic(connection: sqlite3.Connection, topic: str) -> None:
    """Raise NotFoundError for a topic that is not there."""
    if connection.execute("SELECT 1 FROM topics WHERE name = ?", (topic,)).fetchone() is None:
        meant = closest(topic, topics(connection))
        raise NotFoundError(
            f"there is no topic {topic}",
            next_step=f"Did you mean '{meant}'?" if meant else None,
            details={"missing": "topic", "topic": topic},
        )


def create_topic(connection: sqlite3.Connection, topic: str) -> None:
    """Store a topic unless it is there."""
    connection.execute("INSERT OR IGNORE INTO topics VALUES (?)", (topic,))


def topics(connection: sqlite3.Connection) -> list[str]:
    """Return the names of all topics, sorted."""
    return [name for (name,) in connection.execute("SELECT name FROM topics ORDER BY name")]


def create_subscription(connection: sqlite3.Connection, wanted: Subscription) -> None:
    """Store a subscription unless it is there. Raises NotFoundError, AlreadyExistsError."""
    check_topic(connection, wanted.topic)
    check_topic(connection, wanted.dead_letter_topic)
    found = [one for one in subscriptions(connection) if one.name == wanted.name]
    if found and found[0] != wanted:
        differing = [name for name in _FIELDS if getattr(found[0], name) != getattr(wanted, name)]
        raise AlreadyExistsError(
            f"the subscription {wanted.name} is there with another {', '.join(differing)}",
            next_step="Give the new one another name.",
        )
    if not found:
        values = [getattr(wanted, name) for name in _FIELDS]
        connection.execute(f"INSERT INTO subscriptions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608 - constants


def subscriptions(connection: sqlite3.Connection) -> list[Subscription]:
    """Return all subscriptions, sorted by name."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM subscriptions ORDER BY name")  # noqa: S608 - constants
    return [_subscription(row) for row in rows]


def subscription(connection: sqlite3.Connection, name: str) -> Subscription:
    """Return a subscription. Raises NotFoundError."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM subscriptions WHERE name = ?", (name,)).fetchone()  # noqa: S608 - constants
    if row is None:
        raise NotFoundError(f"there is no subscription {name}", details={"missing": "subscription", "name": name})
    return _subscription(row)


def _subscription(row: tuple[Any, ...]) -> Subscription:
    found = dict(zip(_FIELDS, row, strict=True))
    return Subscription(**{**found, "ordered": bool(found["ordered"])})
