"""A service for tests.

`/alert?KEY` raises an alert, as the work of a request does; `/die` lets a thread die. `/plain`, `/coroutine`,
`/wrapped` and `/object` take messages, by handlers of these kinds, and create `effects/{message id}`; `/long` and
`/long_coroutine` work on one for a minute.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from typing import TYPE_CHECKING

from nbactl.core import Alert, Create, current_claim, open_service

if TYPE_CHECKING:
    from nbactl.core import PushMessage
    from nbactl.core._support.aio import Receive, Scope, Send

service = open_service("small")


def work(message: PushMessage) -> None:
    current_claim().write(Create(f"effects/{message.message_id}", {}))


async def work_async(message: PushMessage) -> None:
    await asyncio.sleep(0)
    work(message)


@functools.wraps(work_async)
def wrapped(message: PushMessage) -> object:
    return work_async(message)


class Handler:
    async def __call__(self, message: PushMessage) -> None:
        await work_async(message)


def long(_: PushMessage) -> None:
    time.sleep(60)


async def long_coroutine(_: PushMessage) -> None:
    await asyncio.sleep(60)


service.push("/long", timeout="task.worker")(long)
service.push("/long_coroutine", timeout="task.worker")(long_coroutine)
service.push("/plain", timeout="task.worker")(work)
service.push("/coroutine", timeout="task.worker")(work_async)
service.push("/wrapped", timeout="task.worker")(wrapped)
service.push("/object", timeout="task.worker")(Handler())


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http" and scope["path"] == "/alert":
        alert = Alert(scope["query_string"].decode(), "critical", "the feed is empty")
        await asyncio.to_thread(service.alert, alert)
    elif scope["type"] == "http" and scope["path"] == "/die":
        threading.Thread(target=lambda: 1 / 0, name="background").start()
    else:
        await service(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"told"})
