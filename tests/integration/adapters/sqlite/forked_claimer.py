"""A process that claims a key, forks and is killed: it gets a database and the seconds of a lease.

Parent and child print their owner texts; the child lives until its standard input ends.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.lease.holder import is_dead, process_identity
from nbactl.core.once.claim import ClaimSettings
from nbactl.core.once.idempotency import Idempotency

clock = SystemClock()
store = SqliteDocuments(Path(sys.argv[1]), clock=clock, busy_timeout=20.0)
lease = float(sys.argv[2])


def owner() -> str:
    return process_identity("worker")


terms = ClaimSettings(lease=lease, renew_every=lease / 10, keep=600.0)
keeper = Idempotency(store, clock, TimeSortedIds(clock), owner=owner, terms=terms, is_dead=is_dead)
keeper.begin("the parent's")
sys.stdout.write(f"{owner()}\n")
sys.stdout.flush()
if os.fork():
    os.kill(os.getpid(), signal.SIGKILL)
keeper.begin("the child's")
sys.stdout.write(f"{owner()}\n")
sys.stdout.flush()
sys.stdin.read()
