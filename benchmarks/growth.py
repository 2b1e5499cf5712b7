"""Growth: how the time of what meets everything that accumulated grows with it, as the exponent of time against size.

1.0 is in proportion, 0.0 not at all. Sizes go from 10² to 10⁴, with `--most 1000000` to 10⁶.
"""

from __future__ import annotations

import math
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Line
from nbactl.adapters.localbus.bus import LocalBus
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.flags.store import Change, FlagStore, fields_of, flag_path, history_of
from nbactl.core.outbox.expiry import sweep_expired
from nbactl.core.outbox.outbox import Outbox
from nbactl.core.retention.flags import OldFlagHistory
from nbactl.ports.documents import MAX_WRITES, Create, Set
from nbactl.workflows.ledger import Ledger
from nbactl.workflows.pruning import OldRuns
from tests.kit.many_runs import fill, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nbactl.adapters.sqlite.documents import SqliteDocuments
    from nbactl.core.retention.model import Pruner
    from nbactl.ports.documents import Write

_SIZES: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
_LINEAR, _FLAT = 1.2, 0.3
CLOCK: Final = SystemClock()
_AGO: Final = timedelta(days=1)

Measured = tuple[int, float]


def measure(runs: int, most: int) -> Iterator[Line]:
    """Yield the lines of this suite."""
    sizes = [size for size in _SIZES if size <= most]
    repeats = min(runs, 3)
    for name, target, work in (
        ("expiry sweep", _LINEAR, _expire),
        ("outbox drain", _LINEAR, _drain),
        ("prune runs", _LINEAR, _prune_runs),
        ("prune flag history", _LINEAR, _prune_history),
        ("a page of runs", _FLAT, _page_of_runs),
        ("a run by its beginning", _FLAT, _beginning),
        ("a board", _FLAT, _board),
        ("flags history", _FLAT, _history),
    ):
        # The smallest size is mostly what a call costs however much there is.
        taken = [(size, median(work(size) for _ in range(repeats))) for size in sizes]
        note = ", ".join(f"{size:,} in {seconds * 1000:.1f} ms" for size, seconds in taken)
        yield Line(f"growth: {name}", exponent(taken), "exponent", target, note)


def exponent(taken: Sequence[Measured]) -> float:
    """Return the slope of the logarithm of time over that of size, by least squares."""
    points = [(math.log(size), math.log(seconds)) for size, seconds in taken]
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    across: float = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return across / float(sum((x - mean_x) ** 2 for x, _ in points))


def _timed(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process that it takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _put(store: SqliteDocuments, writes: list[Write]) -> None:
    for start in range(0, len(writes), MAX_WRITES):
        store.commit(writes[start : start + MAX_WRITES])


def _expire(size: int) -> float:
    """Delete the half that has expired, all at the same time, as ticks do."""
    with tempfile.TemporaryDirectory() as folder, closing(open_store(Path(folder))) as store:
        now = CLOCK.now()
        ends = [now - _AGO if index % 2 else now + _AGO for index in range(size)]
        _put(
            store,
            [Create(f"alerts/{index:07d}", {"expires_at": at, "text": "x" * 200}) for index, at in enumerate(ends)],
        )

        def ticks() -> None:
            while sweep_expired(store, "alerts", CLOCK):
                pass

        return _timed(ticks)


def _drain(size: int) -> float:
    """Publish a backlog to a bus in a file."""
    with tempfile.TemporaryDirectory() as folder, closing(open_store(Path(folder))) as store:
        bus = LocalBus(Path(folder) / "bus.db", clock=CLOCK, ids=TimeSortedIds(CLOCK), busy_timeout=10.0)
        with closing(bus):
            bus.create_topic("topic")
            outbox = Outbox(store, bus, CLOCK, redrive_after=600.0, keep=600.0, sweep_for=3600.0)
            _put(store, [outbox.message(f"{index:07d}", "topic", {"n": index}) for index in range(size)])
            return _timed(outbox.sweep)


def _drained(pruner: Pruner) -> float:
    def calls() -> None:
        start: str | None = None
        while (found := pruner.prune(CLOCK.now() + _AGO, 2_000, start=start, dry_run=False)).resume is not None:
            start = found.resume

    return _timed(calls)


def _prune_runs(size: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), size)
        with closing(open_store(Path(folder))) as store:
            return _drained(OldRuns(store))


def _with_history(store: SqliteDocuments, size: int) -> FlagStore:
    flags = FlagStore(store, CLOCK)
    [first] = flags.change(
        [Change("fast", 0, 5, enabled=True, salt="s", hash_version=1, stage=None)], by="ann", reason=None
    )
    fields = fields_of(first)
    moves = [
        {**fields, "version": version, "updated_at": datetime(2020, 1, 1, tzinfo=UTC)} for version in range(2, size + 1)
    ]
    _put(store, [Create(f"{history_of('fast')}/{move['version']}", move) for move in moves])
    store.commit([Set(flag_path("fast"), {**fields, "version": size})])
    return flags


def _prune_history(size: int) -> float:
    with tempfile.TemporaryDirectory() as folder, closing(open_store(Path(folder))) as store:
        _with_history(store, size)
        return _drained(OldFlagHistory(store))


def _history(size: int) -> float:
    with tempfile.TemporaryDirectory() as folder, closing(open_store(Path(folder))) as store:
        flags = _with_history(store, size)
        return _often(lambda: flags.history("fast", 20))


def _often(work: Callable[[], object]) -> float:
    """Return what one of twenty calls takes, after one that opens what it needs."""
    work()
    return _timed(lambda: [work() for _ in range(20)]) / 20


def _of_ledger(size: int, work: Callable[[Ledger], object]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), size)
        with closing(open_store(Path(folder))) as store:
            ledger = Ledger(store, CLOCK, is_dead=lambda _: False)
            return _often(lambda: work(ledger))


def _page_of_runs(size: int) -> float:
    return _of_ledger(size, lambda ledger: (ledger.list(status="failed"), ledger.list(limit=20)))


def _beginning(size: int) -> float:
    return _of_ledger(size, lambda ledger: ledger.find(f"0old{size - 1:08d}"))


def _board(size: int) -> float:
    def read(ledger: Ledger) -> object:
        [newest] = ledger.list(limit=1)
        return ledger.board_runs(newest.game_date, "sample", 50).past(("phase1", "phase2"), "sample")

    return _of_ledger(size, read)
