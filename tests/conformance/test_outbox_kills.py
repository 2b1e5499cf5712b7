"""100 decisions, announced by processes that are killed again and again: each is announced, and acted on once."""

from __future__ import annotations

import random
import threading
import uuid
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core.outbox.outbox import KEY_ATTRIBUTE, Outbox
from nbactl.ports.documents import Query
from nbactl.testing import FakeClock
from tests.kit.bus import bus_at
from tests.kit.warm import run_module

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kit.engines import Engine

DECISIONS, PROCESSES = 100, 4


@pytest.mark.needs("processes")
class TestOutboxKills:
    @pytest.mark.timeout(120)
    def test_inv_07_inv_08_what_was_decided_is_announced_whichever_process_is_killed(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        store = engine.open()
        file = tmp_path / "bus.db"
        topic = f"topic-{uuid.uuid4().hex}"
        waiting = [f"{topic}/{number}" for number in range(DECISIONS)] * 2  # two processes decide the same
        random.Random(7).shuffle(waiting)
        lock, kills = threading.Lock(), [0]

        def live(seed: int) -> None:
            """Start one process after the other; each takes decisions up until it is killed."""
            while True:
                with lock:
                    mine = [waiting.pop() for _ in range(min(50, len(waiting)))]
                if not mine:
                    return
                seed += PROCESSES
                done = run_module(
                    "tests.conformance.outbox_killed", engine.as_text(), str(file), topic, str(seed), *mine
                )
                assert done.returncode in (0, -9), done.stderr
                with lock:
                    kills[0] += done.returncode == -9
                    # What it did not get to comes again, as a message that was not acknowledged does.
                    waiting.extend(mine[len(done.stdout.splitlines()) :])

        threads = [threading.Thread(target=live, args=(number,)) for number in range(PROCESSES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        clock = FakeClock(start=SystemClock().now().replace(year=9000))
        bus = bus_at(file, topic, clock=clock)
        outbox = Outbox(store, bus, clock, redrive_after=60.0, keep=3600.0)
        while outbox.sweep().published:
            pass
        announced = [message.attributes[KEY_ATTRIBUTE] for message in bus.messages(topic)]
        decided = {document.data["key"] for document in store.query(Query(f"decisions-{topic}"))}
        pending = [each.key for each in outbox.pending() if each.key.startswith(topic)]
        store.close()
        assert decided == {f"{topic}/{number}" for number in range(DECISIONS)}
        assert set(announced) == decided
        assert pending == []
        assert kills[0] >= PROCESSES, "too few were killed for this to tell anything"
