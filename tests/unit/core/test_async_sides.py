"""The async sides of leases, outbox and completions: made in a thread, bounded, undone when they are cancelled."""

from __future__ import annotations

import asyncio
import random
import threading
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core import CompletionTracker, GameDate, Leases, Outbox, RetryPolicy, StageReader, deadline_scope, remaining
from nbactl.core.completions.stages import mode_in_force
from nbactl.testing import FakeClock, faults, memory_bus, memory_documents

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WAIT = 10.0
"""Seconds after which a test that waits for another thread has failed."""
TOPIC = "nba-phase3-analytics-complete"


class Lab:
    """The three on one store, each with something to do."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        store = memory_documents(self.clock)
        self.leases = Leases(store, self.clock)
        self.outbox = Outbox(store, memory_bus(self.clock, TOPIC), self.clock, redrive_after=120.0, keep=3600.0)
        self.tracker = CompletionTracker(
            store,
            self.clock,
            mode=mode_in_force(StageReader(store, self.clock, ttl=5.0), {}),
            acting=60.0,
            retry=RetryPolicy(),
            rng=random.Random(1),
        )
        self.tracker.create_batch("batch", GameDate(date(2024, 1, 15)), 2, "corr")
        store.commit([self.outbox.message("one", TOPIC, {}), self.outbox.message("two", TOPIC, {})])
        self.lease = self.leases.acquire("held", "owner", 60.0)


CALLS: dict[str, Callable[[Lab], Awaitable[Any]]] = {
    "acquire": lambda lab: lab.leases.acquire_async("free", "owner", 60.0),
    "renew": lambda lab: lab.leases.renew_async(lab.lease, 60.0),
    "drive": lambda lab: lab.outbox.drive_async("one"),
    "sweep": lambda lab: lab.outbox.sweep_async(),
    "create_batch": lambda lab: lab.tracker.create_batch_async("new", GameDate(date(2024, 1, 15)), 2, "corr"),
    "record_completion": lambda lab: lab.tracker.record_completion_async("batch", "lukadoncic", 5),
    "record_failure": lambda lab: lab.tracker.record_failure_async("batch", "lukadoncic"),
    "complete": lambda lab: lab.tracker.complete_async("batch"),
}


class Commits:
    """Notes in which thread and with what time left each commit is made, and holds it up until it is let through."""

    def __init__(self, *, hold: bool = False) -> None:
        self.threads: set[int] = set()
        self.left: list[float] = []
        self.entered, self.open = threading.Event(), threading.Event()
        if not hold:
            self.open.set()

    def __call__(self) -> None:
        self.threads.add(threading.get_ident())
        self.left.append(remaining(3600.0))
        self.entered.set()
        assert self.open.wait(WAIT)

    async def reached(self) -> None:
        """Wait for a commit; if the loop were not free, this would never end."""
        while not self.entered.is_set():  # noqa: ASYNC110 - a thread sets the event
            await asyncio.sleep(0)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_made_in_a_thread_under_the_deadline_in_force(name: str) -> None:
    lab, commits = Lab(), Commits(hold=True)

    async def main() -> None:
        with faults.calling("documents.before_commit", commits), deadline_scope(20.0, lab.clock):
            call = asyncio.ensure_future(CALLS[name](lab))
            await commits.reached()
            commits.open.set()
            await call

    asyncio.run(main())
    assert threading.get_ident() not in commits.threads
    assert max(commits.left[:1]) == 20.0


def test_a_lease_that_comes_after_a_cancellation_is_released() -> None:
    lab, commits = Lab(), Commits(hold=True)

    async def main() -> None:
        with faults.calling("documents.before_commit", commits):
            call = asyncio.ensure_future(lab.leases.acquire_async("free", "owner", 60.0))
            await commits.reached()
            call.cancel()
            await asyncio.sleep(0)
            commits.open.set()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(main())
    assert lab.leases.is_known("free")
    assert lab.leases.current("free") is None


def test_a_lease_is_released_although_no_time_is_left() -> None:
    lab, commits = Lab(), Commits(hold=True)

    async def main() -> None:
        with faults.calling("documents.before_commit", commits), deadline_scope(5.0, lab.clock):
            call = asyncio.ensure_future(lab.leases.release_async(lab.lease))
            await commits.reached()
            await lab.clock.advance_async(6.0)
            commits.open.set()
            await call

    asyncio.run(main())
    assert lab.leases.current("held") is None
    assert threading.get_ident() not in commits.threads


def test_the_async_sides_return_what_the_sync_sides_return() -> None:
    lab = Lab()

    async def main() -> None:
        assert await lab.outbox.drive_async("one")
        assert (await lab.outbox.sweep_async()).published == ("two",)
        recorded = await lab.tracker.record_completion_async("batch", "lukadoncic", 5)
        assert (recorded.new, recorded.progress.completed) == (True, 1)
        assert await lab.tracker.progress_async("batch") == lab.tracker.progress("batch")
        assert (await lab.leases.acquire_async("free", "owner", 60.0)).name == "free"

    asyncio.run(main())
