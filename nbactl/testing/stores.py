"""Stores for tests: in memory, and on Google's emulator; a bus in memory."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from nbactl.adapters.localbus.bus import LocalBus
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.policy import CallPolicy, CallSettings
from nbactl.core.calls.retry import RetryPolicy
from nbactl.testing.clock import FakeClock, SequentialIds

if TYPE_CHECKING:
    from nbactl.adapters.firestore.documents import FirestoreDocuments
    from nbactl.core._support.clock import Clock

_BUSY_TIMEOUT = 5.0  # nbactl: ignore[hardcoded-timeout] of a test, not of the pipeline
_CALL, _TRIES = 10.0, 30.0
_RETRY = RetryPolicy("firestore", attempts=6, base=0.1, cap=5.0)


def memory_documents(clock: Clock | None = None) -> SqliteDocuments:
    """Return an empty document store in memory; without a clock it gets a FakeClock."""
    return SqliteDocuments(":memory:", clock=clock or FakeClock(), busy_timeout=_BUSY_TIMEOUT)


def memory_bus(clock: Clock, *topics: str) -> LocalBus:
    """Return a bus in memory that has these topics; `messages(topic)` yields what was published, the oldest first."""
    bus = LocalBus(":memory:", clock=clock, ids=SequentialIds(), busy_timeout=_BUSY_TIMEOUT)
    for topic in topics:
        bus.create_topic(topic)
    return bus


def emulator_documents(
    address: str, project: str, *, retry: RetryPolicy = _RETRY, call: float = _CALL
) -> FirestoreDocuments:
    """Return the document store of a project on an emulator; every project has documents of its own.

    One try of a call may take `call` seconds. Time is the machine's: an emulator knows no other.
    """
    from nbactl.adapters.firestore.calls import CallLimits  # noqa: PLC0415 - loads Google's client
    from nbactl.adapters.firestore.channel import Database  # noqa: PLC0415
    from nbactl.adapters.firestore.documents import FirestoreDocuments  # noqa: PLC0415

    rng = random.Random(project)  # noqa: S311 - pauses
    return FirestoreDocuments(
        Database(project, emulator=address),
        limits=CallLimits(read=call, write=call),
        policy=CallPolicy(CallSettings("firestore", _TRIES, retry, call), clock=SystemClock(), rng=rng),
        rng=rng,
    )
