"""Prediction batches of 450 to 10,000 players on SQLite and the embedded bus: CPU a player in each step, and memory.

Start is the batch's documents and one request a player, work is the worker's prediction and staging, record is the
ready message, merge is the reading of all staged rows and their write to the warehouse, DuckDB. All sizes in one
process; the ratio of the dearest to the cheapest size counts. Completions go where the migration ends: the array, which
old programs read, costs more the longer it is (benchmarks/completions.py).
"""

from __future__ import annotations

import json
import random
import resource
import tempfile
import time
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from benchmarks.measure import Line
from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.adapters.localbus.bus import LocalBus
from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.calls.retry import NO_RETRY
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.core.lease.leases import Leases
from nbactl.core.outbox.outbox import Outbox
from nbactl.core.phases.messages import PhaseTrigger
from nbactl.pipeline.predict.model import MOST_GAMES, STATS, PastGame, PlayerInputs
from nbactl.pipeline.predict.writing import TABLE, merge_predictions
from nbactl.ports.bus import Subscription
from nbactl.services.batch_start import BatchLimits, BatchParts
from nbactl.services.batches import BatchCoordinator
from nbactl.services.worker import PredictionWorker
from nbactl.warehouse.tables import ensure_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

SIZES: Final = (450, 2_000, 10_000)
STEPS: Final = ("start", "work", "record", "merge")
FLAT: Final = 1.5
DAY: Final = GameDate(date(2024, 1, 15))
AT_ONCE: Final = 500
_LIMITS: Final = BatchLimits(quiet=600.0, limit=1800.0, late=60.0, keep=604_800.0, lease=60.0, renew_every=20.0)


def measure(runs: int) -> Iterator[Line]:
    """Yield the lines of this suite."""
    taken: dict[str, dict[int, list[float]]] = {step: {size: [] for size in SIZES} for step in STEPS}
    walls, grown = [], 0.0
    for _ in range(runs):
        for size in SIZES:
            before = _peak()
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                for step, cpu in _batch(Path(folder), size).items():
                    taken[step][size].append(cpu / size * 1e6)
                if size == SIZES[-1]:
                    walls.append(time.perf_counter() - began)
                    grown = max(grown, _peak() - before)
    for step in STEPS:
        each = {size: median(values) for size, values in taken[step].items()}
        note = ", ".join(f"{size:,}: {value:.0f} us" for size, value in each.items())
        # Of 450 players the fixed costs are felt: what must not happen is that a player costs more in a large batch.
        yield Line(f"batches: {step}", each[SIZES[-1]] / each[SIZES[0]], "x CPU a player, 10,000 to 450", FLAT, note)
    yield Line("batches: 10,000 players", median(walls), "s, all steps in one thread", None, f"{grown:.0f} MB more")


def _batch(folder: Path, size: int) -> dict[str, float]:
    """Take a batch through all steps; returns the CPU seconds of each."""
    clock = SystemClock()
    ids, rng = TimeSortedIds(clock), random.Random(1)  # noqa: S311 - pauses
    players = {name: _inputs(name) for name in (f"player-{number:05}" for number in range(size))}
    bus = LocalBus(folder / "bus.db", clock=clock, ids=ids, busy_timeout=10.0)
    store = SqliteDocuments(folder / "documents.db", clock=clock, busy_timeout=10.0)
    warehouse = DuckDbWarehouse(folder / "w.duckdb", clock=clock, lock_wait=10.0, holder="benchmark")
    with closing(bus), closing(store), closing(warehouse):
        ensure_tables(warehouse, (TABLE,))
        for topic in ("request", "ready", "done"):
            bus.create_topic(topic)
            bus.create_subscription(Subscription(f"{topic}-sub", topic, topic))
        mode = mode_of(CompletionStage.CLEANED, {})
        tracker = CompletionTracker(store, clock, mode=lambda _: mode, acting=60.0, retry=NO_RETRY, rng=rng)

        def merge(day: GameDate, rows: Sequence[Mapping[str, Any]], batch_id: str) -> int:
            return merge_predictions(warehouse, day.day, rows, batch_id=batch_id, timeout=60.0)

        parts = BatchParts(
            store=store, tracker=tracker, bus=bus, outbox=Outbox(store, bus, clock, redrive_after=120.0, keep=3600.0),
            leases=Leases(store, clock), clock=clock, limits=_LIMITS, owner=lambda: ids.new("owner"),
            alert=lambda _: None, has_games=lambda _: True, load_inputs=lambda *_: players, merge=merge,
            request_topic="request", done_topic="done",
        )  # fmt: skip
        coordinator = BatchCoordinator(parts)
        worker = PredictionWorker(store, tracker, bus, clock, ready_topic="ready", load_inputs=lambda *_: players)
        cpu = {"start": _timed(lambda: coordinator.start(PhaseTrigger("phase5", DAY)))}
        requests = _pulled(bus, "request-sub")
        cpu["work"] = _timed(lambda: _each(worker.work, requests))
        ready = _pulled(bus, "ready-sub")
        cpu["record"] = _timed(lambda: _each(coordinator.ready, ready[:-1]))
        cpu["merge"] = _timed(lambda: coordinator.ready(ready[-1]))
        assert len(bus.pull("done-sub", limit=2, timeout=0.0)) == 1  # noqa: S101 - or it measured something else
    return cpu


def _inputs(player: str) -> PlayerInputs:
    games = tuple(
        PastGame(game_date=DAY.day - timedelta(days=2 * number + 1), minutes=30.5, points=21, rebounds=5, assists=7)
        for number in range(MOST_GAMES)
    )
    return PlayerInputs(
        player_lookup=player, game_id="0022300500", game_date=DAY.day, team_abbr="BOS", opponent_team_abbr="MIA",
        rest_days=1, opponent_factors=dict.fromkeys(STATS, 1.01), games=games,
    )  # fmt: skip


def _pulled(bus: LocalBus, subscription: str) -> list[dict[str, Any]]:
    found = []
    while messages := bus.pull(subscription, limit=AT_ONCE, timeout=0.0):
        bus.ack(subscription, [message.ack_id for message in messages])
        found += [json.loads(message.data) for message in messages]
    return found


def _each(handle: Callable[[dict[str, Any]], None], messages: Sequence[dict[str, Any]]) -> None:
    for message in messages:
        handle(message)


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _peak() -> float:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
