"""Daemon threads: used again, never waited for, and nothing of one call is left to the next."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import subprocess
import sys
import threading
import weakref

import pytest

from nbactl.core._support import aio
from nbactl.core._support.aio import in_daemon_thread

WAIT = 10.0
"""Seconds after which a test that waits for another thread has failed."""
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Begin with no idle thread."""
    none: list[object] = []
    monkeypatch.setattr(aio, "_idle", none)
    return none


def _once_idle(idle: list[object], count: int = 1) -> None:
    pause = threading.Event()
    while len(idle) < count:
        pause.wait(0.001)


def test_a_thread_is_used_again_and_one_that_is_busy_is_not_waited_for(idle: list[object]) -> None:
    leave = threading.Event()

    async def main() -> None:
        first = await in_daemon_thread(threading.get_ident)
        _once_idle(idle)
        assert await in_daemon_thread(threading.get_ident) == first
        _once_idle(idle)
        hangs = asyncio.ensure_future(in_daemon_thread(lambda: leave.wait(WAIT)))
        await asyncio.sleep(0)
        others = await asyncio.gather(*(in_daemon_thread(threading.get_ident) for _ in range(3)))
        assert first not in others
        leave.set()
        assert await hangs

    asyncio.run(main())


def test_context_variables_and_references_do_not_reach_the_next_call(idle: list[object]) -> None:
    class Held:
        """What a call holds."""

    def work(held: Held) -> str:
        before = variable.get()
        variable.set(f"of the call with {held}")
        return before

    async def call(value: str) -> str:
        variable.set(value)
        held = Held()
        seen.append(weakref.ref(held))
        return await in_daemon_thread(lambda: work(held))

    async def main() -> list[str]:
        found = []
        for value in ("first", "second"):
            found.append(await asyncio.ensure_future(call(value)))
            _once_idle(idle)
        found.append(await in_daemon_thread(variable.get))
        return found

    seen: list[weakref.ref[Held]] = []
    assert asyncio.run(main()) == ["first", "second", "unset"]
    gc.collect()
    assert [one() for one in seen] == [None, None]


def test_an_error_leaves_the_thread_usable(idle: list[object]) -> None:
    def fail() -> None:
        raise SystemExit("mine")

    async def main() -> bool:
        with contextlib.suppress(SystemExit):
            await in_daemon_thread(fail)
        _once_idle(idle)
        [worker] = idle
        await in_daemon_thread(lambda: None)
        _once_idle(idle)
        return idle == [worker]

    assert asyncio.run(main())


def test_an_idle_thread_ends_after_a_while(idle: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aio, "_IDLE", 0.01)

    async def main() -> threading.Thread:
        return await in_daemon_thread(threading.current_thread)

    thread = asyncio.run(main())
    thread.join(WAIT)
    assert (thread.is_alive(), idle) == (False, [])


HANGS = """
import asyncio, threading
from nbactl.core._support.aio import in_daemon_thread

async def main():
    await in_daemon_thread(lambda: None)
    hangs = [asyncio.ensure_future(in_daemon_thread(threading.Event().wait)) for _ in range(3)]
    await asyncio.sleep(0)
    for one in hangs:
        one.cancel()
    await asyncio.gather(*hangs, return_exceptions=True)

asyncio.run(main())
print("end", flush=True)
"""


def test_calls_that_hang_do_not_hold_up_the_end_of_the_process() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=30.0, check=True)
    assert ended.stdout == "end\n"


FORK = """
import asyncio, os, threading
from nbactl.core._support import aio
from nbactl.core._support.aio import in_daemon_thread

def call():
    return asyncio.run(in_daemon_thread(os.getpid))

assert call() == os.getpid()
while not aio._idle:
    threading.Event().wait(0.001)
pid = os.fork()
if pid == 0:
    os._exit(0 if call() == os.getpid() else 1)
assert os.waitpid(pid, 0)[1] == 0
assert len(aio._idle) == 1
assert call() == os.getpid()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_starts_threads_of_its_own() -> None:
    subprocess.run([sys.executable, "-c", FORK], timeout=30.0, check=True)
