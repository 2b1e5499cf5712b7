"""Processes full of live writers, old code and new, that journal what they try and what they are told.

Messages are delivered at least once: what fails is delivered again, and much is delivered twice. The store fails now
and then, before a commit and after it (the reply is lost). Started as `python -m tests.proof.writers PLAN`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.completions.stages import StageReader, mode_in_force
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.errors import NbactlError, NotFoundError, UnavailableError
from tests.kit.engines import Engine
from tests.kit.paths import ROOT
from tests.proof.journal import Journal
from tests.proof.old_code import BATCHES, OldCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.documents import DocumentStore

    Record = Callable[[Journal, str, str], None]

DAY: Final = GameDate(date(2024, 1, 15))
PATIENT: Final = RetryPolicy("completions", attempts=15, base=0.02, cap=0.5)
REDELIVERIES: Final = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process of writers does until the file `stop` is there.

    `old` threads run old code, and end when the file `drained` is there. `new` threads follow the migration's stage,
    which they believe for `ttl` seconds and act upon for `acting`. Every `generation` seconds (from `start`, monotonic
    ns) there are two more batches of `players`, on one of which old code works as well; `pause` is the mean time
    between two messages of one writer, in seconds; `unreliable` the share of commits that fail, half of them after they
    took effect. `history` names batches that were there before.
    """

    name: str
    kind: str
    place: str
    address: str
    folder: str
    start: int
    old: int
    new: int
    ttl: float
    acting: float
    seed: int
    generation: float = 3.0
    players: int = 40
    pause: float = 0.3
    unreliable: float = 0.04
    history: tuple[str, ...] = ()

    @property
    def engine(self) -> Engine:
        return Engine(self.kind, self.place, self.address)


def players(number: int) -> list[str]:
    """Return so many ids of players, some of which need care as names of documents."""
    odd = ["o'neal.jr", "karl-anthony/towns", "__reserved__", "dončić", "100%"]
    return [*odd, *(f"player{n}" for n in range(number - len(odd)))][:number]


def plain_players(number: int) -> list[str]:
    """Return so many ids of players as old code knows them."""
    return [f"player{n}" for n in range(number)]


def predictions_of(player: str) -> int:
    """Return with how many predictions a player completes: the same in each delivery of the message."""
    return 1 + sum(player.encode()) % 23


PREDICTIONS: Final = {player: predictions_of(player) for player in {*players(20_000), *plain_players(20_000)}}


def start(plan: Plan) -> subprocess.Popen[bytes]:
    """Start the process of a plan."""
    path = Path(plan.folder) / f"{plan.name}.plan"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(plan)), encoding="utf-8")
    with (Path(plan.folder) / f"{plan.name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.proof.writers", str(path)],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            env={**os.environ, "NBACTL_FAULTS": ""},
        )


class Writer:
    """One thread that takes messages and records them."""

    def __init__(self, plan: Plan, number: int, store: DocumentStore) -> None:
        self._plan = plan
        self._store = store
        self._rng = random.Random(f"{plan.seed}/{plan.name}/{number}/{time.monotonic_ns()}")
        self._old = OldCode(store) if number < plan.old else None
        clock = SystemClock()
        self._tracker = CompletionTracker(
            store,
            clock,
            mode=mode_in_force(StageReader(store, clock, ttl=plan.ttl), {}),
            acting=plan.acting,
            retry=PATIENT,
            rng=self._rng,
        )
        folder = Path(plan.folder)
        self._path = folder / "journals" / f"{plan.name}-{number}-{os.getpid()}.jsonl"
        self._ends = [folder / "stop", *([folder / "drained"] if self._old else [])]

    def run(self) -> None:
        with Journal(self._path) as journal:
            while not any(end.exists() for end in self._ends):
                batch, both = self._pick()
                self._look(journal, batch)
                self._deliver(journal, batch, both=both)
                time.sleep(self._rng.uniform(0.2, 1.8) * self._plan.pause)

    def _pick(self) -> tuple[str, bool]:
        """Return a batch, and whether old code works on it as well."""
        plan = self._plan
        if plan.history and self._rng.random() < 0.15:
            return self._rng.choice(plan.history), True
        number = int((time.monotonic_ns() - plan.start) / 1e9 / plan.generation)
        number = max(0, number - self._rng.choice((0, 0, 0, 1, 1, 3)))
        both = self._old is not None or self._rng.random() < 0.5
        return f"batch-{number:03d}-{'both' if both else 'new'}", both

    def _deliver(self, journal: Journal, batch: str, *, both: bool) -> None:
        pool = plain_players(self._plan.players) if both else players(self._plan.players)
        player = self._rng.choice(pool)
        record = self._fail if not both and self._rng.random() < 0.08 else self._complete
        for _ in range(REDELIVERIES):
            if self._attempt(record, journal, batch, player):
                break
            time.sleep(self._rng.random() * self._plan.pause)
        if self._rng.random() < 0.3:
            self._attempt(record, journal, batch, player)

    def _attempt(self, record: Record, journal: Journal, batch: str, player: str) -> bool:
        try:
            record(journal, batch, player)
        except NotFoundError:
            return self._begin_batch(batch)
        except NbactlError as error:
            journal.note("failed", batch, player, why=f"{type(error).__name__}: {error.message}")
            return False
        return True

    def _begin_batch(self, batch: str) -> bool:
        """Create a batch that is not there, which is the new code's work; says that the message is done with."""
        if self._old is not None:
            return True
        shards = 3 if batch.endswith("4-new") else 0
        try:
            self._tracker.create_batch(batch, DAY, self._plan.players, f"corr-{batch}", counter_shards=shards)
        except UnavailableError:
            return False
        return False

    def _complete(self, journal: Journal, batch: str, player: str) -> None:
        if self._store.get(f"{BATCHES}/{batch}") is None:
            raise NotFoundError(batch)
        began = journal.note("tried", batch, player)
        if self._old is not None:
            self._old.record_completion(batch, player, predictions_of(player))
            journal.note("told", batch, player, began=began)
            return
        did = self._tracker.record_completion(batch, player, predictions_of(player))
        journal.note("told", batch, player, began=began, new=did.new, finished=did.became_complete)

    def _fail(self, journal: Journal, batch: str, player: str) -> None:
        began = journal.note("tried", batch, player, "fail")
        did = self._tracker.record_failure(batch, player)
        journal.note("told", batch, player, "fail", began=began, new=did.new, finished=did.became_complete)

    def _look(self, journal: Journal, batch: str) -> None:
        began = time.monotonic_ns()
        try:
            completed = self._old.completed(batch) if self._old else self._tracker.progress(batch).completed
        except (NotFoundError, UnavailableError, AssertionError):
            return
        journal.note("saw", batch, began=began, completed=completed)


def _be_unreliable(share: float, seed: int) -> None:
    rng = random.Random(seed)

    def perhaps() -> None:
        if rng.random() < share / 2:
            raise UnavailableError("the connection was lost")

    faults.arm("documents.before_commit", perhaps)
    faults.arm("documents.after_commit", perhaps)


def main(plan: Plan) -> None:
    """Run the writers of a plan to their end."""
    store = plan.engine.open()
    _be_unreliable(plan.unreliable, plan.seed)
    writers = [Writer(plan, number, store) for number in range(plan.old + plan.new)]
    threads = [threading.Thread(target=writer.run) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    faults.disarm_all()
    store.close()


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    main(Plan(**given | {"history": tuple(given["history"])}))
