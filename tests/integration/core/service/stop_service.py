"""A service for the tests of stopping: it holds a lease and answers `/slow` after as many seconds as are asked for."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.lease.leases import Leases
from nbactl.core.service.stopping import GracefulStop, Stopping

if TYPE_CHECKING:
    from nbactl.core._support.aio import Receive, Scope, Send

clock = SystemClock()
folder = Path(os.environ["NBACTL_STATE_DIR"])
folder.mkdir(parents=True, exist_ok=True)
store = SqliteDocuments(folder / "documents.db", clock=clock, busy_timeout=5.0)
leases = Leases(store, clock, is_dead=lambda _: False)
lease = leases.acquire("stop-test", "holder", 600.0)
stop = GracefulStop(
    clock, finish=float(os.environ.get("FINISH", "2")), let_go=1.0, steps=float(os.environ.get("STEPS", "1"))
)
if os.environ.get("HANG"):
    stop.add("what hangs", lambda: time.sleep(60))
stop.add("what fails", lambda: 1 / 0)
stop.add("lease", lambda: leases.release(lease))
stop.add("documents", store.close)


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/slow":
        (folder / "under-way").touch()
        await asyncio.sleep(float(scope["query_string"]))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


app = Stopping(answer, stop)
