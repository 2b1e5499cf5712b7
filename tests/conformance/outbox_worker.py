"""A process that decides something, announces it through the outbox, and is killed at a given point."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.core.outbox.outbox import Outbox
from nbactl.ports.documents import Create
from tests.kit.bus import bus_at
from tests.kit.engines import open_engine


def main(opener: str, bus: str, key: str, topic: str, state: str, point: str) -> None:  # noqa: PLR0917 - the arguments of a process  # noqa: PLR0917 - the arguments of a process
    clock = SystemClock()
    store = open_engine(opener)
    outbox = Outbox(store, bus_at(Path(bus), topic), clock, redrive_after=60.0, keep=3600.0)
    faults.arm(point, lambda: os.kill(os.getpid(), signal.SIGKILL))
    faults.reach("outbox_test.before_decision")
    store.commit([Create(state, {}), outbox.message(key, topic, {})])
    faults.reach("outbox_test.decided")
    outbox.drive(key)


if __name__ == "__main__":
    main(*sys.argv[1:])
