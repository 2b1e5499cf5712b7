"""A process that pushes until nothing waits, and kills itself somewhere."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from contextlib import closing
from pathlib import Path

from nbactl.core._support import faults
from tests.kit.bus import bus_at, delivering

POINTS = ("bus.pulled", "push.before_send", "push.answered", "bus.before_ack", "bus.acked")


def main(file: str, subscription: str, kill_at: int) -> None:
    """Push the messages of a file; die when points were reached so many times, never at 0."""
    left = itertools.count(kill_at, -1)
    next(left)

    def perhaps_die() -> None:
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    for point in POINTS:
        faults.arm(point, perhaps_die)
    with closing(bus_at(Path(file))) as bus, closing(delivering(bus, lease=0.5, renew_every=0.1)):
        while bus.waiting(subscription):
            time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
