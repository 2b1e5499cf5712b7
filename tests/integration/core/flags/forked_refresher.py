"""A process that refreshes flags, forks, and turns `fast` on: it gets a database, and exits with 0 if both see it.

A process of its own, because a child of one that has called Firestore is ended by gRPC's fork handlers.
"""

from __future__ import annotations

import os
import random
import sys
import time
from contextlib import closing
from pathlib import Path

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.flags import Flags, FlagStore
from nbactl.core.flags.store import ANY_VERSION, Change
from tests.kit.flags import flag

CLOCK = SystemClock()


def to(percent: float) -> Change:
    return Change("fast", ANY_VERSION, percent=percent, enabled=True, salt="fast", hash_version=1, stage=None)


def sees_it_on(flags: Flags) -> bool:
    until = time.monotonic() + 20.0
    while not (on := flags.on("fast")) and time.monotonic() < until:
        time.sleep(0.01)
    return on


with closing(SqliteDocuments(Path(sys.argv[1]), clock=CLOCK, busy_timeout=10.0)) as documents:
    store = FlagStore(documents, CLOCK)
    store.change([to(0)], by="test", reason=None)
    flags = Flags({"fast": flag()}, store.read, environ={}, clock=CLOCK, rng=random.SystemRandom(), every=0.3)
    flags.start()
    child = os.fork()
    if child == 0:
        os._exit(0 if sees_it_on(flags) else 1)
    store.change([to(100)], by="test", reason=None)
    assert sees_it_on(flags), "the parent stopped refreshing"
    assert os.waitpid(child, 0)[1] == 0, "the child stopped refreshing"
    flags.close()
