"""The embedded bus for tests: in a file that processes share, or in memory."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from nbactl.adapters.localbus.bus import LocalBus
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds

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


def fresh(kind: str) -> str:
    """Return a name that no other test uses."""
    return f"{kind}-{uuid.uuid4().hex[:12]}"
