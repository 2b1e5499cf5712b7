"""A process that records the last completion of phase 2, and is killed at a given point."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from tests.kit.bus import bus_at
from tests.kit.engines import open_engine
from tests.kit.handoffs import TOPICS, Night
from tests.kit.production import PHASE2


def main(opener: str, bus: str, point: str) -> None:
    clock = SystemClock()
    night = Night(open_engine(opener), clock=clock, bus=bus_at(Path(bus), *TOPICS))
    faults.arm(point, lambda: os.kill(os.getpid(), signal.SIGKILL))
    night.report("phase2", PHASE2[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
