"""A process that does idempotent work for a kill test: reads keys, answers `ack` or `nack`, stalls, kills itself."""

from __future__ import annotations

import os
import random
import signal
import sys
import time

from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.lease.holder import process_identity
from nbactl.core.once.claim import ClaimSettings, current_claim
from nbactl.core.once.idempotency import Idempotency
from nbactl.errors import NbactlError
from nbactl.ports.documents import Increment, Update
from tests.kit.engines import open_engine

LEASE = 0.1
POINTS = ("idempotency.claimed", "idempotency.worked", "documents.before_commit", "documents.after_commit")


def main(opener: str, name: str, seed: int) -> None:
    rng = random.Random(seed)
    clock = SystemClock()
    # Renewals come too late to keep a claim, as in a process that stands still.
    terms = ClaimSettings(lease=LEASE, renew_every=1000.0, keep=3600.0)
    keeper = Idempotency(
        open_engine(opener),
        clock,
        TimeSortedIds(clock),
        owner=lambda: process_identity(f"w{seed}"),
        terms=terms,
    )

    def perhaps_die() -> None:
        if rng.random() < 0.003:
            os.kill(os.getpid(), signal.SIGKILL)

    for point in POINTS:
        faults.arm(point, perhaps_die)
    for line in sys.stdin:
        key = line.strip()

        def work(key: str = key) -> None:
            if rng.random() < 0.02:
                time.sleep(LEASE * 1.5)
            current_claim().write(Update(f"{name}/{key}", {"n": Increment(1)}))

        try:
            keeper.run(f"{name}/{key}", work)
            answer = "ack"
        except NbactlError:
            answer = "nack"
        print(answer, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
