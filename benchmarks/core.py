"""The core's calls when nothing fails: CPU microseconds beside a bare call, and beside SQLite's own commit."""

from __future__ import annotations

import asyncio
import importlib
import random
import sqlite3
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import push
from benchmarks.measure import Line
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.calls.breaker import Breaker, BreakerSettings
from nbactl.core.calls.cache import TtlCache
from nbactl.core.calls.policy import CallPolicy, CallSettings
from nbactl.core.calls.rate_limit import RateLimit
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.lease.holder import is_dead, process_identity
from nbactl.core.observe.events import Event
from nbactl.core.observe.metrics import Metrics
from nbactl.core.once.claim import ClaimSettings
from nbactl.core.once.idempotency import Idempotency

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

_CALLS, _MESSAGES = 20_000, 1_000
_BREAKER = BreakerSettings("bench", failure_rate=0.5, minimum_calls=10, open_for=30.0, window=60.0)


def measure(runs: int) -> Iterator[Line]:
    """Measure policies, the breaker, idempotent and pushed messages, metrics and caches."""
    yield from _calls(runs)
    yield from _messages(runs)
    yield from push.measure(runs)
    yield from _metrics(runs)


def _calls(runs: int) -> Iterator[Line]:
    def nothing() -> None:
        return None

    bare = _best(runs, _CALLS, lambda: _repeat(nothing, _CALLS))
    breaker = Breaker(_BREAKER, SystemClock())
    full, without = _policy(5.0), _policy(None)
    peers = _peers(nothing)
    missing = ", ".join(name for name, call in peers.items() if call is None)
    yield Line("call: bare", bare, "µs CPU", None, f"not installed, so not beside it: {missing}" if missing else "")
    cases: list[tuple[str, Callable[[], object], float | None]] = [
        ("call: full policy", lambda: full.call(nothing), 5.0),
        ("call: no attempt timeout", lambda: without.call(nothing), 2.0),
        ("call: breaker closed", lambda: breaker.call(nothing), 1.0),
        *((f"call: {name}", call, None) for name, call in peers.items() if call is not None),
    ]
    for name, call, target in cases:
        taken = _best(runs, _CALLS, lambda call=call: _repeat(call, _CALLS))  # type: ignore[misc]
        yield Line(name, taken, "µs CPU", target, f"{taken / bare:.0f} bare calls")

    async def answer() -> None:
        return None

    async def repeat(call: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]) -> None:
        for _ in range(_CALLS):
            await call(answer)

    for name, awaited, target in (
        ("call: full policy, async", full.call_async, 8.0),
        ("call: no attempt timeout, async", without.call_async, None),
        ("call: breaker closed, async", breaker.call_async, None),
    ):
        taken = _best(runs, _CALLS, lambda awaited=awaited: asyncio.run(repeat(awaited)))  # type: ignore[misc]
        yield Line(name, taken, "µs CPU", target, f"{taken / bare:.0f} bare calls")


def _messages(runs: int) -> Iterator[Line]:
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        floor = sqlite3.connect(Path(folder) / "floor.db", isolation_level=None)
        floor.execute("PRAGMA journal_mode = WAL")
        floor.execute("CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT)")
        numbers = iter(range(10**9))

        def commit() -> None:
            floor.execute("BEGIN IMMEDIATE")
            floor.execute("INSERT INTO t VALUES (?, ?)", (f"key-{next(numbers)}", "x" * 100))
            floor.execute("COMMIT")

        one = _best(runs, _MESSAGES, lambda: _repeat(commit, _MESSAGES))
        floor.close()
        store = SqliteDocuments(Path(folder) / "documents.db", clock=clock, busy_timeout=5.0)
        terms = ClaimSettings(lease=60.0, renew_every=20.0, keep=86400.0)
        keeper = Idempotency(
            store, clock, TimeSortedIds(clock), owner=lambda: process_identity("bench"), terms=terms, is_dead=is_dead
        )
        new = _best(runs, _MESSAGES, lambda: _repeat(lambda: keeper.run(f"new-{next(numbers)}", _work), _MESSAGES))
        keeper.run("known", _work)
        known = _best(runs, _MESSAGES, lambda: _repeat(lambda: keeper.run("known", _work), _MESSAGES))
        keeper.close()
        store.close()
    yield Line("message: new key", new / one, "SQLite commits", 60.0 / 18.0, f"{new:.0f} µs CPU")
    yield Line("message: duplicate", known / one, "SQLite commits", 20.0 / 18.0, f"{known:.0f} µs CPU")


def _metrics(runs: int) -> Iterator[Line]:
    import prometheus_client

    metrics = Metrics(prometheus_client.CollectorRegistry())
    peer = prometheus_client.Counter("peer_total", "A counter.", ["name"], registry=None).labels("bench")
    ours = metrics._children["nbactl_breaker_refused_total"]  # noqa: SLF001 - what the hook counts with
    event = Event("breaker.refused", "bench")
    cache: TtlCache[str, str] = TtlCache("bench", SystemClock(), ttl=3600.0, max_size=10)

    def count_as_peers() -> None:
        peer.inc()

    def count() -> None:
        ours["bench"].inc()

    child = _best(runs, _CALLS, lambda: _repeat(count_as_peers, _CALLS))
    one = _best(runs, _CALLS, lambda: _repeat(count, _CALLS))
    told = _best(runs, _CALLS, lambda: _repeat(lambda: metrics.hook(event), _CALLS))
    hit = _best(runs, _CALLS, lambda: _repeat(lambda: cache.get("key", _work), _CALLS))
    note = f"{child:.2f} µs CPU: prometheus's own cached child"
    yield Line("counter: increment", one / child, "cached children", 1.3, note)
    yield Line("counter: event to increment", told / child, "cached children", None, f"{told:.2f} µs CPU")
    yield Line("cache: hit", hit, "µs CPU", None, "unheard")


def _work() -> str:
    return "done"


def _policy(attempt: float | None) -> CallPolicy:
    retry = RetryPolicy("bench", attempts=3)
    budget = RateLimit(10, 60.0)
    settings = CallSettings("bench", 60.0, retry, attempt=attempt, breaker=_BREAKER, retry_budget=budget)
    return CallPolicy(settings, clock=SystemClock(), rng=random.Random(1))  # noqa: S311 - jitter


def _peers(nothing: Callable[[], None]) -> dict[str, Callable[[], object] | None]:
    """Return what others take for the same; None for a peer that is not installed, as none of them is needed here."""
    peers: dict[str, tuple[str, Callable[[Any], Callable[[], object]]]] = {
        "google Retry": ("google.api_core.retry", lambda google: google.Retry()(nothing)),
        "tenacity": (
            "tenacity",
            lambda tenacity: tenacity.retry(stop=tenacity.stop_after_attempt(3))(nothing),
        ),
        "stamina": ("stamina", lambda stamina: stamina.retry(on=OSError)(nothing)),
        "pybreaker": ("pybreaker", lambda pybreaker: partial(pybreaker.CircuitBreaker().call, nothing)),
    }
    found: dict[str, Callable[[], object] | None] = {}
    for name, (module, wrap) in peers.items():
        try:
            found[name] = wrap(importlib.import_module(module))
        except ImportError:
            found[name] = None
    return found


def _repeat(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        call()


def _best(runs: int, times: int, work: Callable[[], None]) -> float:
    """Return the CPU microseconds of one of `times` calls, in the least disturbed of the runs."""
    taken = []
    for _ in range(max(runs, 3)):
        began = time.process_time()
        work()
        taken.append((time.process_time() - began) / times * 1e6)
    return min(taken)
