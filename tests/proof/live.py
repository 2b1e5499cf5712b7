"""A live system: processes of writers around a store, a network that loses things, and the end of their work."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import decode_id
from nbactl.core.completions.stages import StageReader, mode_in_force
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.ports.documents import Query
from nbactl.testing.proxy import FaultProxy
from tests.proof import writers
from tests.proof.checking import Checker, Damage, Expected, Told, Watched, read_journals
from tests.proof.journal import Journal, entries
from tests.proof.old_code import BATCHES, OldCode
from tests.proof.operator import STAGE_TTL, WRITE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kit.engines import Engine

HISTORY = ("history-0", "history-1", "history-2")
DAMAGED = "history-damaged"


@contextmanager
def bad_network(address: str) -> Iterator[FaultProxy]:
    """Give a way to the emulator on which answers, requests and connections are lost."""
    rng, over = random.Random(3), threading.Event()

    def lose(proxy: FaultProxy) -> None:
        while not over.wait(rng.uniform(0.1, 0.6)):
            rng.choice((proxy.drop_answer, proxy.drop_answer, proxy.lose_request, proxy.reset))()

    with FaultProxy(address) as proxy:
        thread = threading.Thread(target=lose, args=(proxy,))
        thread.start()
        try:
            yield proxy
        finally:
            over.set()
            thread.join()


class LiveSystem:
    """50 writers in four processes. Use it as a context manager: they are gone afterwards."""

    def __init__(self, engine: Engine, folder: Path, *, players: int, pause: float) -> None:
        self.engine = engine
        self.folder = folder
        self.store = engine.open()
        self.watched = Watched(self.store)
        self._players = players
        self._journals = folder / "journals"
        plan = writers.Plan(
            name="",
            kind=engine.kind,
            place=engine.place,
            address=engine.address,
            folder=str(folder),
            start=time.monotonic_ns(),
            old=0,
            new=12,
            ttl=STAGE_TTL,
            acting=WRITE,
            seed=7,
            players=players,
            pause=pause,
            history=HISTORY,
        )
        self._plans = [
            replace(plan, name="old", old=13, new=0),
            replace(plan, name="eager", new=13, ttl=0.0),
            replace(plan, name="slow"),
            replace(plan, name="unlucky", unreliable=0.2),
        ]
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._network = ExitStack()

    def __enter__(self) -> Self:
        self._make_history()
        if self.engine.kind == "firestore":
            proxy = self._network.enter_context(bad_network(self.engine.address))
            self._plans[-1] = replace(self._plans[-1], address=proxy.address)
        for plan in self._plans:
            self._running[plan.name] = writers.start(plan)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()
        self._network.close()
        self.store.close()

    def _make_history(self) -> None:
        """Batches of before the migration: recorded by old code, with messages that were delivered twice."""
        old, rng = OldCode(self.store), random.Random(1)
        with Journal(self._journals / "history.jsonl") as journal:
            for batch in (*HISTORY, DAMAGED):
                old.create_batch(batch, "2024-01-14", self._players)
                for player in writers.plain_players(self._players)[: self._players // 2]:
                    for _ in range(rng.choice((1, 1, 1, 2))):
                        journal.note("tried", batch, player)
                        old.record_completion(batch, player, writers.predictions_of(player))
                        journal.note("told", batch, player)

    def wait_for_work(self, told: int = 10) -> None:
        """Wait until every process of writers has recorded something."""
        give_up = time.monotonic() + 60
        while any(self._told_by(name) < told for name in self._running):
            assert time.monotonic() < give_up, self._complaints()
            time.sleep(0.1)

    def kill_writers(self, name: str) -> None:
        """Kill a process of writers in the midst of its work, and start another."""
        self._running[name].kill()
        self._running[name].wait()
        self._running[name] = writers.start(next(plan for plan in self._plans if plan.name == name))

    def drain_old_code(self) -> None:
        """Have the old code end, as a deployment of the last service that had it does."""
        (self.folder / "drained").touch()
        assert self._running.pop("old").wait(timeout=30) == 0, self._complaints()

    def stop(self) -> None:
        """Let all writers come to their end, and deliver once more what was never answered."""
        (self.folder / "stop").touch()
        for name, process in self._running.items():
            assert process.wait(timeout=60) == 0, f"{name}: {self._complaints()}"
        assert not self._complaints()
        clock = SystemClock()
        tracker = CompletionTracker(
            self.store,
            clock,
            mode=mode_in_force(StageReader(self.store, clock, ttl=0.0), {}),
            acting=WRITE,
            retry=writers.PATIENT,
            rng=random.Random(2),
        )
        with Journal(self._journals / "redelivered.jsonl") as journal:
            for batch, player in self.told().unanswered:
                journal.note("tried", batch, player)
                did = tracker.record_completion(batch, player, writers.predictions_of(player))
                journal.note("told", batch, player, new=did.new, finished=did.became_complete)

    def told(self) -> Told:
        """Return what the journals say by now."""
        return read_journals(entries(self._journals))

    def damages(self, *, array: bool) -> list[Damage]:
        """Return everything that is amiss, once nobody writes any more."""
        old = {batch for batch in self.store.list_ids(BATCHES) if not batch.endswith("-new")}
        expected = Expected(array=array, documents=True, counted_by_old_code=frozenset(old))
        checker = Checker(self.store, self.told(), expected, writers.PREDICTIONS)
        return [*checker.damages(), *self.watched.damages()]

    def completions(self) -> int:
        """Return how many completions there are."""
        return sum(self.store.count(Query(f"{BATCHES}/{batch}/completions")) for batch in self.store.list_ids(BATCHES))

    def arrays_lack_players(self) -> bool:
        """Say whether a batch has a completion that its array lacks."""
        for document in self.store.query(Query(BATCHES)):
            done = set(document.data.get("completed_players", ()))
            if any(decode_id(name) not in done for name in self.store.list_ids(f"{document.path}/completions")):
                return True
        return False

    def _told_by(self, name: str) -> int:
        return sum(path.read_bytes().count(b'"told"') for path in self._journals.glob(f"{name}-*.jsonl"))

    def _complaints(self) -> str:
        return "\n".join(text for log in self.folder.glob("*.log") if (text := log.read_text()[-1500:]))
