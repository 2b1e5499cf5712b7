from __future__ import annotations

import asyncio
import threading

from nbactl.workflows.stop import Stop, StopSignal


def test_the_first_reason_stays_and_everybody_hears_of_it_once() -> None:
    async def main() -> None:
        signal, heard = StopSignal(), list[str]()
        signal.subscribe(lambda: heard.append("a"))
        leave = signal.subscribe(lambda: heard.append("b"))
        leave()
        signal.request(Stop("cancelled", "first"))
        signal.request(Stop("error", "second"))
        signal.subscribe(lambda: heard.append("late"))
        assert signal.stop == Stop("cancelled", "first")
        assert heard == ["a", "late"]

    asyncio.run(main())


def test_another_thread_may_ask_and_after_the_loop_nobody_minds() -> None:
    signals: list[StopSignal] = []

    async def main() -> None:
        signal = StopSignal()
        signals.append(signal)
        heard = asyncio.Event()
        signal.subscribe(heard.set)
        threading.Thread(target=signal.request_threadsafe, args=(Stop("lease_lost", "gone"),)).start()
        await asyncio.wait_for(heard.wait(), 10)

    asyncio.run(main())
    signals[0].request_threadsafe(Stop("cancelled", "too late"))
    assert signals[0].stop == Stop("lease_lost", "gone")
