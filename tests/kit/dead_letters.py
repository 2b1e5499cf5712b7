"""Dead letters in a state directory: one that waits, and one that is archived."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from nbactl.adapters.localbus.bus import LocalBus
from nbactl.core._support.clock import SystemClock
from nbactl.core.dead_letters.dead_letters import DeadLetters
from nbactl.ports.bus import SOURCE_ATTEMPTS, SOURCE_SUBSCRIPTION, Subscription
from tests.kit.batches import open_documents

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore

TOPIC = "nba-phase3-trigger"
DEAD = f"{TOPIC}-dead-letter"
SOURCE = Subscription("phase3-trigger", TOPIC, DEAD, ack_deadline=10.0, least_backoff=0.0, most_backoff=0.0)
QUEUE = Subscription(DEAD, DEAD, DEAD, ack_deadline=10.0, least_backoff=0.0, most_backoff=0.0)
GIVEN_UP = {SOURCE_SUBSCRIPTION: SOURCE.name, SOURCE_ATTEMPTS: "5"}
"""The attributes that a message gets in a dead-letter topic."""


class GivenIds:
    """Gives ids in the order in which they are needed."""

    def __init__(self, *ids: str) -> None:
        self._ids = iter(ids)

    def new(self, prefix: str) -> str:
        return next(self._ids, f"{prefix}-more")


def save_letters(store: DocumentStore, bus: LocalBus, count: int = 1) -> DeadLetters:
    """Save so many dead letters; the bus gives their message ids."""
    for topic in (TOPIC, DEAD):
        bus.create_topic(topic)
    for subscription in (SOURCE, QUEUE):
        bus.create_subscription(subscription)
    for _ in range(count):
        bus.publish(DEAD, b'{"game_date": "2024-01-15"}', GIVEN_UP)
    letters = DeadLetters(store, lambda: bus, SystemClock(), wait=0.0)
    assert letters.collect().moved == {DEAD: count}
    return letters


def leave_dead_letters(state: Path, waiting: str, archived: str) -> None:
    """Save two dead letters with these message ids in a state directory."""
    ids = GivenIds(waiting, archived)
    with (
        closing(open_documents(state)) as store,
        closing(LocalBus(state / "bus.db", clock=SystemClock(), ids=ids, busy_timeout=10.0)) as bus,
    ):
        letters = save_letters(store, bus, 2)
        letters.archive(letters.find(archived), by="operator@host", reason="sent by hand")
