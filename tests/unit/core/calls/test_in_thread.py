from __future__ import annotations

import asyncio
import threading

import pytest

from nbactl.core import bound, current, deadline_scope, in_thread, remaining
from nbactl.errors import TimedOutError, UnavailableError
from nbactl.testing import FakeClock

WAIT = 10.0
"""Seconds after which a test that waits for another thread has failed."""


class Gate:
    """A function that blocks until it is let through, and counts how often it came to its end."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        self.ends = 0

    def __call__(self) -> str:
        self.entered.set()
        assert self.open.wait(WAIT)
        self.ends += 1
        return "taken"


async def _until(event: threading.Event) -> None:
    while not event.is_set():  # noqa: ASYNC110 - a thread sets the event
        await asyncio.sleep(0)


def test_the_event_loop_goes_on_while_a_call_blocks() -> None:
    async def main() -> str:
        gate = Gate()
        call = asyncio.ensure_future(in_thread(gate))
        await _until(gate.entered)  # the loop is free, or this would never return
        gate.open.set()
        return await call

    assert asyncio.run(main()) == "taken"


def test_context_and_deadline_go_along_and_errors_come_back() -> None:
    clock = FakeClock()

    def work() -> tuple[str | None, float]:
        return current().run_id, remaining(60.0)

    def fail() -> None:
        raise UnavailableError("down")

    async def main() -> None:
        with bound(run_id="run-1"), deadline_scope(20.0, clock):
            assert await in_thread(work) == ("run-1", 20.0)
        with pytest.raises(UnavailableError, match="down"):
            await in_thread(fail)

    asyncio.run(main())


def test_the_wait_ends_with_the_deadline_and_what_was_taken_is_given_back() -> None:
    clock, gate, given_back = FakeClock(), Gate(), list[str]()

    async def main() -> None:
        with deadline_scope(20.0, clock):
            call = asyncio.ensure_future(in_thread(gate, undo=given_back.append))
            await _until(gate.entered)
            await clock.advance_async(20.0)
            gate.open.set()
            with pytest.raises(TimedOutError):
                await call

    asyncio.run(main())
    assert (gate.ends, given_back) == (1, ["taken"])


def test_what_a_cancelled_call_took_is_given_back() -> None:
    gate, given_back = Gate(), list[str]()

    async def main() -> None:
        call = asyncio.ensure_future(in_thread(gate, undo=given_back.append))
        await _until(gate.entered)
        call.cancel()
        await asyncio.sleep(0)
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(main())
    assert (gate.ends, given_back) == (1, ["taken"])


def test_a_call_without_undo_is_left_to_itself() -> None:
    gate = Gate()

    async def main() -> None:
        call = asyncio.ensure_future(in_thread(gate))
        await _until(gate.entered)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert gate.ends == 0
        gate.open.set()

    asyncio.run(main())
