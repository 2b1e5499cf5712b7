from __future__ import annotations

import asyncio
import signal

import pytest

from nbactl.workflows.loop import run_on_loop


def test_it_returns_what_the_work_returned_and_raises_what_it_raised() -> None:
    async def answer() -> int:
        return 42

    async def fail() -> int:
        raise ValueError("no")

    assert run_on_loop(answer(), on_interrupt=lambda: None) == 42
    with pytest.raises(ValueError, match="no"):
        run_on_loop(fail(), on_interrupt=lambda: None)


def test_work_that_swallows_its_cancellation_is_dropped_at_the_end() -> None:
    async def deaf() -> None:
        while True:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                continue

    kept: list[asyncio.Task[None]] = []

    async def main() -> str:
        kept.append(asyncio.get_running_loop().create_task(deaf()))
        await asyncio.sleep(0)
        return "done"

    assert run_on_loop(main(), on_interrupt=lambda: None) == "done"


def test_a_keyboard_interrupt_lets_the_work_come_to_its_orderly_end() -> None:
    interrupted = asyncio.Event()

    async def main() -> str:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        await interrupted.wait()
        return "orderly"

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert run_on_loop(main(), on_interrupt=interrupted.set) == "orderly"
    finally:
        signal.signal(signal.SIGINT, before)
