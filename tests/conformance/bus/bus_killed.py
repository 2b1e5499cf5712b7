"""A process that takes messages, notes each as done, and kills itself somewhere: prints what it has acknowledged."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

from nbactl.core._support import faults
from tests.kit.bus import bus_at

POINTS = ("bus.pulled", "bus.before_ack", "bus.acked", "bus.before_publish", "bus.published")


def main(file: str, source: str, target: str, seed: int) -> None:
    """Pass on messages from a subscription to a topic until none is left."""
    rng = random.Random(seed)
    bus = bus_at(Path(file))

    def perhaps_die() -> None:
        if rng.random() < 0.05:
            os.kill(os.getpid(), signal.SIGKILL)

    for point in POINTS:
        faults.arm(point, perhaps_die)
    while messages := bus.pull(source, limit=3, timeout=0.0):
        for message in messages:
            bus.publish(target, message.data)
            bus.ack(source, [message.ack_id])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
