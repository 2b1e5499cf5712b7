"""A process that appends rows, flushes after each, and kills itself somewhere: prints the numbers that are durable."""

from __future__ import annotations

import os
import random
import signal
import sys
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from tests.kit.bigquery import bigquery_warehouse
from tests.kit.engines import open_engine
from tests.kit.rows import TABLE, buffer_of, row

if TYPE_CHECKING:
    from datetime import datetime

POINTS = (
    "documents.before_commit", "documents.after_commit", "warehouse.before_commit", "warehouse.after_commit",
    "rows.loaded",
)  # fmt: skip


class LaterClock(SystemClock):
    """A clock that is some hours ahead, so that the leases of the round before have expired."""

    def __init__(self, hours: int) -> None:
        super().__init__()
        self._ahead = timedelta(hours=hours)

    def now(self) -> datetime:
        """Return that instant."""
        return super().now() + self._ahead


def main(opener: str, address: str, hours: int, seed: int, numbers: list[int]) -> None:
    rng = random.Random(seed)

    def perhaps_die() -> None:
        if rng.random() < 0.05:
            os.kill(os.getpid(), signal.SIGKILL)

    for point in POINTS:
        faults.arm(point, perhaps_die)
    with closing(open_engine(opener)) as store, closing(bigquery_warehouse(address)) as warehouse:
        buffer = buffer_of(store, warehouse, LaterClock(hours))
        for number in numbers:
            buffer.append(TABLE.name, "id", row(number))
            print(number, flush=True)  # noqa: T201 - the acknowledgement
            buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), [int(text) for text in sys.argv[5:]])
