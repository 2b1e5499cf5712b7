"""The embedded bus: publish, pull and acknowledge, durable, by 50 callers at once.

Beside it the floor, one SQLite writer with group commit that inserts, marks and deletes a bare row for each message,
and huey on SQLite, which a message leaves without an acknowledgement. All on the same disk, synchronous FULL; ratios of
the same run count. Then how soon a waiting pull of another connection has a message.
"""

from __future__ import annotations

import queue
import sqlite3
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from huey.storage import SqliteStorage

from benchmarks.measure import Line
from nbactl.adapters.localbus.bus import LocalBus
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.ports.bus import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLERS = 50
MESSAGES = 5_000
SLOW = 600
"""Messages of huey, which commits each by itself."""
BODY = b"x" * 200
WAKES = 200
AT_ONCE = 50


def measure(runs: int) -> Iterator[Line]:
    """Yield the lines of this suite."""
    bus, floor, peer = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for run in range(runs):
            bus.append(_timed(lambda path=Path(folder) / f"bus{run}.db": _bus(path), MESSAGES))  # type: ignore[misc]
            floor.append(_timed(lambda path=Path(folder) / f"floor{run}.db": _floor(path), MESSAGES))  # type: ignore[misc]
            peer.append(_timed(lambda path=Path(folder) / f"huey{run}.db": _huey(path), SLOW))  # type: ignore[misc]
        ratio = median(mine[0] / other[0] for mine, other in zip(bus, floor, strict=True))
        against = median(other[0] / mine[0] for mine, other in zip(bus, peer, strict=True))
        rate = median(1 / seconds for seconds, _ in bus)
        yield Line("bus, group-commit floor", ratio, "x time a message", 2.0, f"{rate:,.0f} messages/s")
        yield Line("bus, CPU", median(cpu for _, cpu in bus) * 1e6, "us a message", 100.0)
        yield Line("bus, huey on SQLite", 1 / against, "of huey's time", 0.2, f"{against:.1f} x as many a second")
        yield Line("bus, wake-up", _wake_up(Path(folder) / "wake.db") * 1e3, "ms, p99", 20.0)


def _timed(work: Callable[[], None], messages: int) -> tuple[float, float]:
    """Return seconds and CPU seconds a message."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - began) / messages, (time.process_time() - cpu) / messages


def _open(path: Path) -> LocalBus:
    clock = SystemClock()
    bus = LocalBus(path, clock=clock, ids=TimeSortedIds(clock), busy_timeout=10.0)
    bus.create_topic("topic")
    bus.create_subscription(Subscription("worker", "topic", "topic"))
    return bus


def _bus(path: Path) -> None:
    with closing(_open(path)) as bus:
        _all(CALLERS, lambda: [bus.publish("topic", BODY) for _ in range(MESSAGES // CALLERS)])

        def consume() -> None:
            while messages := bus.pull("worker", limit=AT_ONCE, timeout=0.0):
                bus.ack("worker", [message.ack_id for message in messages])

        _all(2, consume)


def timed_floor(path: Path, callers: int) -> tuple[float, float]:
    """Return seconds and CPU seconds a message of the floor."""
    return _timed(lambda: _floor(path, callers), MESSAGES)


def _floor(path: Path, callers: int = CALLERS) -> None:
    """Let callers hand rows to one writer, which commits what waits; each row is inserted, marked and deleted."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB, state INTEGER)")
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    writer = threading.Thread(target=lambda: _write(connection, waiting))
    writer.start()

    def run(sql: str, rows: list[tuple[Any, ...]]) -> None:
        done = threading.Event()
        waiting.put((sql, rows, done))
        done.wait()

    def publish() -> None:
        for _ in range(MESSAGES // callers):
            run("INSERT INTO t (data, state) VALUES (?, 0)", [(BODY,)])

    _all(callers, publish)
    numbers = [(number + 1,) for number in range(MESSAGES)]
    for start in range(0, MESSAGES, AT_ONCE):
        run("UPDATE t SET state = 1 WHERE id = ?", numbers[start : start + AT_ONCE])
        run("DELETE FROM t WHERE id = ?", numbers[start : start + AT_ONCE])
    waiting.put(None)
    writer.join()
    connection.close()


def _write(connection: sqlite3.Connection, waiting: queue.SimpleQueue[Any]) -> None:
    """Commit what waits, all at once, until None comes."""
    while True:
        works = [waiting.get()]
        while not waiting.empty():
            works.append(waiting.get())
        connection.execute("BEGIN IMMEDIATE")
        for sql, rows, _ in (work for work in works if work is not None):
            connection.executemany(sql, rows)
        connection.execute("COMMIT")
        for work in works:
            if work is None:
                return
            work[2].set()


def _huey(path: Path) -> None:
    storage = SqliteStorage("bench", str(path), fsync=True)
    for _ in range(SLOW):
        storage.enqueue(BODY)
    while storage.dequeue() is not None:
        pass
    storage.close()


def _wake_up(path: Path) -> float:
    """Return within how many seconds 99 of 100 messages of another connection reach a pull that waits."""
    waits: list[float] = []
    with closing(_open(path)) as bus, closing(_open(path)) as other:
        ready = threading.Event()

        def wait() -> None:
            for _ in range(WAKES):
                ready.set()
                [message] = bus.pull("worker", limit=1, timeout=30.0)
                waits.append(time.time() - message.published_at.timestamp())
                bus.ack("worker", [message.ack_id])

        waiting = threading.Thread(target=wait)
        waiting.start()
        for _ in range(WAKES):
            ready.wait()
            ready.clear()
            time.sleep(0.005)
            other.publish("topic", BODY)
        waiting.join()
    return quantiles(waits, n=100)[98]


def _all(count: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
