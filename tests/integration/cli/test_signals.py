from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WORK = """
import asyncio, os, sys
from nbactl.cli.signals import interruptible

async def work():
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    def cancel(name):
        os.write(1, f"told {name}\\n".encode())  # print is not re-entrant
        if "stubborn" not in sys.argv:
            loop.call_soon_threadsafe(stopped.set)
    with interruptible(cancel):
        print("ready", flush=True)
        await asyncio.wait_for(stopped.wait(), 300)
        print("cleaned up", flush=True)

asyncio.run(work())
"""


@pytest.fixture
def working(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _WORK, request.param],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.mark.parametrize("working", ["obedient"], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_work_ends_in_its_own_way(working: subprocess.Popen[str], number: int) -> None:
    working.send_signal(number)
    out, err = working.communicate(timeout=30)
    assert (out, err) == (f"told {signal.Signals(number).name}\ncleaned up\n", "")
    assert working.returncode == 0


@pytest.mark.parametrize("working", ["stubborn"], indirect=True)
@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (signal.SIGINT, signal.SIGINT, 130),
        (signal.SIGTERM, signal.SIGTERM, 143),
        (signal.SIGTERM, signal.SIGINT, 130),
    ],
)
def test_the_second_signal_ends_it_at_once(working: subprocess.Popen[str], first: int, second: int, code: int) -> None:
    working.send_signal(first)
    assert working.stdout is not None
    assert working.stdout.readline().startswith("told")
    working.send_signal(second)
    assert working.wait(timeout=60) == code
    assert working.stdout.read() == ""
