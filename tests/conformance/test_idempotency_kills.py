"""200 messages, each delivered five times, to processes that stall and are killed: none twice, none lost."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import uuid
from queue import Empty, Queue
from typing import TYPE_CHECKING

import pytest

from nbactl.ports.documents import Create
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from tests.kit.engines import Engine

MESSAGES, DELIVERIES, PROCESSES = 200, 5, 4


@pytest.mark.needs("processes")
class TestIdempotencyKills:
    @pytest.mark.timeout(120)
    def test_inv_05_inv_06_nothing_is_done_twice_and_nothing_is_lost_whichever_process_is_killed(
        self, engine: Engine
    ) -> None:
        store = engine.open()
        name = f"effects-{uuid.uuid4().hex[:12]}"
        for start in range(0, MESSAGES, 100):
            store.commit([Create(f"{name}/m{number}", {"n": 0}) for number in range(start, start + 100)])
        deliveries = [f"m{number}" for number in range(MESSAGES)] * DELIVERIES
        random.Random(11).shuffle(deliveries)
        queue: Queue[str] = Queue()
        for delivery in deliveries:
            queue.put(delivery)
        acknowledged: list[str] = []
        kills: list[int] = []

        def deliver(seed: int) -> None:
            """Feed one process after the other; what it did not acknowledge comes again."""
            while not queue.empty():
                seed += PROCESSES
                kills.append(_feed(engine.as_text(), name, seed, queue, acknowledged))

        threads = [threading.Thread(target=deliver, args=(number,)) for number in range(PROCESSES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        documents = store.get_all([f"{name}/m{number}" for number in range(MESSAGES)])
        counts = [document.data["n"] for document in documents if document is not None]
        store.close()
        assert counts == [1] * MESSAGES
        assert len(acknowledged) == len(deliveries)
        assert sum(kills) >= PROCESSES, "too few were killed for this to tell anything"


def _feed(opener: str, name: str, seed: int, queue: Queue[str], acknowledged: list[str]) -> int:
    """Return 1 if the process was killed."""
    command = [sys.executable, "-m", "tests.conformance.idempotency_worker", opener, name, str(seed)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while True:
            try:
                delivery = queue.get_nowait()
            except Empty:
                break
            answer = ""
            try:
                process.stdin.write(delivery + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
            except BrokenPipeError:
                pass
            if answer == "ack\n":
                acknowledged.append(delivery)
                continue
            queue.put(delivery)
            if answer != "nack\n":
                break
        process.stdin.close()
        process.stdout.read()
    assert process.returncode in (0, -9), f"the worker ended with {process.returncode}"
    return int(process.returncode == -9)
