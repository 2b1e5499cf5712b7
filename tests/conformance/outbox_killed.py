"""A process that decides one thing after the other, announces each, and kills itself somewhere: prints what is done."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
from pathlib import Path

from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.core.outbox.outbox import Outbox
from nbactl.errors import AlreadyExistsError
from nbactl.ports.documents import Create
from tests.kit.bus import bus_at
from tests.kit.engines import open_engine

POINTS = (
    "outbox.taken",
    "outbox.published",
    "bus.before_publish",
    "bus.published",
    "documents.before_commit",
    "documents.after_commit",
)


def main(opener: str, bus: str, topic: str, seed: int, keys: list[str]) -> None:
    rng = random.Random(seed)
    clock = SystemClock()
    store = open_engine(opener)
    outbox = Outbox(store, bus_at(Path(bus), topic), clock, redrive_after=60.0, keep=3600.0)

    def perhaps_die() -> None:
        if rng.random() < 0.008:
            os.kill(os.getpid(), signal.SIGKILL)

    for point in POINTS:
        faults.arm(point, perhaps_die)
    for key in keys:
        decision = Create(f"decisions-{topic}/{key.rpartition('/')[2]}", {"key": key, "by": seed})
        with contextlib.suppress(AlreadyExistsError):
            store.commit([decision, outbox.message(key, topic, {"by": seed})])
            outbox.drive(key)
        print(key, flush=True)  # noqa: T201 - the acknowledgement


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5:])
