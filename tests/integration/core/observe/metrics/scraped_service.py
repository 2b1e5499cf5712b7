"""A small service with metrics, for a real Prometheus to scrape.

`POST /push` with a body is work that is done once per `x-key`; `POST /break` breaks the dependency until its breaker
opens.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.breaker import BreakerSettings
from nbactl.core.calls.policies import CallPolicies
from nbactl.core.calls.policy import CallSettings
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.observe.counted_documents import CountedDocuments
from nbactl.core.observe.metrics import Metrics, metrics_app
from nbactl.core.once.claim import ClaimSettings
from nbactl.core.once.idempotency import Idempotency
from nbactl.errors import NbactlError, PayloadMismatchError, UnavailableError
from nbactl.testing import SequentialIds, memory_documents

if TYPE_CHECKING:
    from nbactl.core._support.aio import Receive, Scope, Send

clock = SystemClock()
metrics = Metrics()
once = Idempotency(
    CountedDocuments(memory_documents(clock), metrics.hook),
    clock,
    SequentialIds(),
    owner=lambda: "service",
    terms=ClaimSettings(lease=60.0, renew_every=20.0, keep=600.0),
    is_dead=lambda _: False,
    hook=metrics.hook,
)
breaker = BreakerSettings("odds_api", failure_rate=0.5, minimum_calls=2, open_for=600.0, window=60.0)
policies = CallPolicies(
    {"odds": CallSettings("odds", 5.0, RetryPolicy("odds"), breaker=breaker)},
    clock=clock,
    rng=random.Random(1),
    hook=metrics.hook,
)
metrics.watch_policies(policies)
exposed = metrics_app(metrics)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request."""
    if scope["type"] != "http" or scope["path"] not in ("/push", "/break"):
        await exposed(scope, receive, send)
        return
    status = 204
    try:
        _break() if scope["path"] == "/break" else _push(scope, await _body(receive))
    except PayloadMismatchError:
        status = 422
    except NbactlError:
        status = 503
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def _push(scope: Scope, payload: bytes) -> None:
    key = dict(scope["headers"])[b"x-key"].decode()
    once.run(key, lambda: "done", payload=payload)


def _break() -> None:
    def call() -> None:
        raise UnavailableError("the dependency is down")

    policies["odds"].call(call)


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message: Any = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body
