"""Pushed messages with new keys, each claimed, worked on and completed durably, many at the same time in one process.

Beside them the floor, in the same run and on the same disk (synchronous FULL): the group-commit writer of
benchmarks/bus.py, which handles a bare row for each message.
"""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import bus
from benchmarks.measure import Line
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.lease.holder import is_dead, process_identity
from nbactl.core.once.claim import ClaimSettings
from nbactl.core.once.idempotency import Idempotency
from nbactl.core.service.push import PubSubPush

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.core._support.aio import Message, Receive, Scope, Send

_MESSAGES = 3_000
_TERMS = ClaimSettings(lease=60.0, renew_every=20.0, keep=86400.0)


def measure(runs: int) -> Iterator[Line]:
    """Yield the lines of pushed messages."""
    with tempfile.TemporaryDirectory() as folder:
        for callers in (50, 200):
            pushed, floor = [], []
            for run in range(max(runs, 3)):
                pushed.append(_pushed(Path(folder) / f"push-{callers}-{run}.db", callers))
                floor.append(bus.timed_floor(Path(folder) / f"floor-{callers}-{run}.db", callers))
            seconds, cpu = (min(values) for values in zip(*pushed, strict=True))
            ratio = median(mine[1] / other[1] for mine, other in zip(pushed, floor, strict=True))
            floor_cpu = min(cpu for _, cpu in floor) * 1e6
            name = f"push: new key, {callers} at once"
            yield Line(name, cpu * 1e6, "us CPU", 250.0, f"{ratio:.1f} x the group-commit floor ({floor_cpu:.0f})")
            yield Line(name, seconds * 1e6, "us a message", 250.0, f"{1 / seconds:,.0f} messages/s")


def _pushed(path: Path, callers: int) -> tuple[float, float]:
    """Return seconds and CPU seconds a message."""
    clock = SystemClock()
    with closing(SqliteDocuments(path, clock=clock, busy_timeout=5.0)) as store:
        once = Idempotency(
            store, clock, TimeSortedIds(clock), owner=lambda: process_identity("bench"), terms=_TERMS, is_dead=is_dead
        )
        push = PubSubPush(_work, once, path="/push", timeout=30.0, clock=clock)
        asyncio.run(_deliver(push, [_body(f"warm-{number}") for number in range(callers)], callers))
        bodies = [_body(f"m{number}") for number in range(_MESSAGES)]
        began, cpu = time.perf_counter(), time.process_time()
        asyncio.run(_deliver(push, bodies, callers))
        taken = time.perf_counter() - began, time.process_time() - cpu
        once.close()
    return taken[0] / _MESSAGES, taken[1] / _MESSAGES


async def _deliver(push: PubSubPush, bodies: list[bytes], callers: int) -> None:
    left = iter(bodies)

    async def caller() -> None:
        for body in left:

            async def receive(body: bytes = body) -> Message:
                return {"type": "http.request", "body": body}

            async def send(message: Message) -> None:
                if message.get("status", 204) != 204:
                    raise RuntimeError(f"answered with {message['status']}")

            await push({"type": "http", "path": "/push", "method": "POST", "headers": []}, receive, send)

    await asyncio.gather(*(caller() for _ in range(callers)))


async def _work(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _body(message_id: str) -> bytes:
    data = base64.b64encode(json.dumps({"batch": "batch", "player": message_id, "predictions": 3}).encode()).decode()
    attributes = {"correlation_id": "corr", "game_date": "2025-01-15"}
    message = {"messageId": message_id, "data": data, "attributes": attributes}
    return json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()
