"""Many threads while flags change; a fork after they were loaded; a store that is down."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nbactl.core._support.clock import SystemClock
from nbactl.core.flags import Exposures, Flags, StateCache, Stored
from nbactl.errors import UnavailableError
from tests.kit.flags import flag, state
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCK = SystemClock()
THREADS = 1_000


def client(read: Callable[[], Stored], *, every: float, exposures: Exposures | None = None) -> Flags:
    definitions = {each.key: each for each in (flag(), flag("needs", prerequisites=("fast",)))}
    return Flags(
        definitions, read, environ={}, clock=CLOCK, rng=random.SystemRandom(), every=every, exposures=exposures
    )


def test_a_thousand_threads_see_whole_snapshots_while_they_change() -> None:
    # In each of them `needs` is off; it would be on if its prerequisite came from the one and itself from the other.
    one = {"fast": state(100), "needs": state(0, "needs")}
    other = {"fast": state(0), "needs": state(100, "needs")}
    turn, exposures = [0], Exposures()

    def read() -> Stored:
        turn[0] += 1
        return Stored(one if turn[0] % 2 else other)

    flags = client(read, every=60.0, exposures=exposures)
    start, wrong, rounds = threading.Barrier(THREADS + 1), [], 20

    def ask() -> None:
        start.wait()
        for _ in range(rounds):
            answer = flags.evaluate("needs", "b")
            if answer.error is not None or answer.value is not False:
                wrong.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        start.wait()
        while any(thread.is_alive() for thread in threads):
            flags.refresh()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert wrong == []
    assert turn[0] > 2
    assert sum(exposures.counts()["needs"].values()) == THREADS * rounds, "no exposure is lost"


def test_the_child_of_a_fork_goes_on_refreshing(tmp_path: Path) -> None:
    script = Path(__file__).with_name("forked_refresher.py")
    forks = "ignore:.*use of fork:DeprecationWarning"  # that is what is tested
    command = [sys.executable, "-W", "error", "-W", forks, str(script), str(tmp_path / "documents.db")]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60.0, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_notice_of_a_change_is_seen_at_once_and_none_comes_after_the_end() -> None:
    class Told:
        """A store that tells of changes."""

        def __init__(self) -> None:
            self.changed: Callable[[], None] = lambda: None
            self.ended = 0

        def watch(self, changed: Callable[[], None]) -> Told:
            self.changed = changed
            return self

        def close(self) -> None:
            self.ended += 1

    states, told = {"fast": state(0)}, Told()
    flags = Flags(
        {"fast": flag()},
        lambda: Stored(dict(states)),
        environ={},
        clock=CLOCK,
        rng=random.Random(1),
        every=3_600.0,
        watch=told.watch,
    )
    flags.start()
    for percent in (100, 0, 100, 0):
        states["fast"] = state(percent)
        told.changed()
        assert wait_for(lambda percent=percent: flags.on("fast") is (percent == 100))  # type: ignore[misc]
    flags.close()
    assert told.ended == 1
    states["fast"] = state(100)
    told.changed()
    assert not flags.on("fast")


def test_a_store_that_is_down_for_long_changes_nothing_and_is_noticed_when_it_is_back(tmp_path: Path) -> None:
    answers: list[Stored | None] = [Stored({"fast": state(100)})]

    def read() -> Stored:
        if answers[0] is None:
            raise UnavailableError("the store does not answer")
        return answers[0]

    flags = client(read, every=0.001)
    flags._cache = StateCache(tmp_path / "flags.json")
    flags.start()
    answers[0] = None
    assert wait_for(lambda: flags.health.failures > 100)
    assert flags.on("fast")
    answers[0] = Stored({"fast": state(100, enabled=False)})
    assert wait_for(lambda: not flags.on("fast"))
    flags.close()
    flags.close()


def wait_for(condition: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        if condition():
            return True
        time.sleep(0.005)
    return False
