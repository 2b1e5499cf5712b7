"""Buses for tests: the embedded one in a file that processes share, and Pub/Sub on Google's emulator."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.localbus.bus import LocalBus
from nbactl.adapters.localbus.push import PushDelivery, PushLimits
from nbactl.adapters.pubsub.bus import PubSubBus
from nbactl.adapters.pubsub.channel import Channel, PubSubProject
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.calls.policy import CallPolicy, CallSettings
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.service.consumer import ConsumerTimings

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.core._support.clock import Clock


def bus_at(path: Path, *topics: str, clock: Clock | None = None) -> LocalBus:
    """Return the bus in a file, with these topics."""
    clock = clock or SystemClock()
    bus = LocalBus(path, clock=clock, ids=TimeSortedIds(clock), busy_timeout=10.0)
    for topic in topics:
        bus.create_topic(topic)
    return bus


def pubsub_at(address: str, project: str, *, attempt: float = 10.0) -> PubSubBus:
    """Return the bus of a project on the emulator; every project has topics of its own."""
    clock = SystemClock()
    settings = CallSettings("pubsub", 30.0, RetryPolicy("pubsub", attempts=4, base=0.05, cap=0.5), attempt)
    policy = CallPolicy(settings, clock=clock, rng=random.Random(1))
    return PubSubBus(Channel(PubSubProject(project, address), attempt), policy)


TIMINGS: Final = ConsumerTimings(lease=10.0, renew_every=2.0, pull=1.0, pause=0.1, finish=5.0)


def delivering(bus: LocalBus, **terms: float) -> PushDelivery:
    """Return what pushes the messages of the bus, already started; close it. `terms` change limits and timings."""
    limits: dict[str, Any] = {"concurrency": 4, "connect": 2.0, "least_pause": 0.05, "most_pause": 0.5}
    limits |= {name: terms.pop(name) for name in list(terms) if name in limits}
    timings = replace(TIMINGS, **terms)
    made = PushDelivery(bus, limits=PushLimits(**limits), timings=timings, clock=SystemClock())
    made.start()
    return made


def fresh(kind: str) -> str:
    """Return a name that no other test uses."""
    return f"{kind}-{uuid.uuid4().hex[:12]}"
