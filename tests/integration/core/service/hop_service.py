"""A service for the tests of context on its way: it logs what it works on, calls the next and announces a message.

`GET /next` is answered with what is known of the request; a message pushed to `/push` calls NEXT and writes to the
outbox.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from nbactl.bootstrap.service import compose
from nbactl.core.calls.deadline import remaining
from nbactl.core.observe.context import current
from nbactl.core.once.claim import current_claim
from nbactl.core.service.propagation import outgoing_headers
from nbactl.core.service.service import Service

if TYPE_CHECKING:
    from nbactl.core._support.aio import App, Receive, Scope, Send
    from nbactl.core.service.push import PushMessage

log = logging.getLogger("hop")
parts = compose("hop")
service = Service("hop", parts)


def known() -> dict[str, object]:
    """Return what is known here: labels, trace, and how many seconds are left."""
    context = current()
    trace = context.trace.trace_id if context.trace else None
    return {**context.labels(), "trace": trace, "left": remaining(10_000.0)}


@service.push("/push", timeout="task.worker")
def work(message: PushMessage) -> None:
    """Call the next service, and announce the work to whoever listens."""
    with closing(HTTPConnection(os.environ["NEXT"], timeout=20)) as connection:
        connection.request("GET", "/next", headers=outgoing_headers())
        answer = connection.getresponse()
        told = json.loads(answer.read())
    log.info("worked", extra={"next": told, "answered": answer.headers["x-correlation-id"]})
    current_claim().write(service.outbox.message(f"done/{message.message_id}", "done", {}))


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what is known of a request."""
    if scope["type"] != "http" or scope["path"] != "/next":
        await service._endpoints(scope, receive, send)
        return
    log.info("asked")
    body = json.dumps(known()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


app: App = parts.around(answer)
