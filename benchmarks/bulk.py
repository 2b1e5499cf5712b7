"""Copying 10,000 ids into Firestore's emulator: the bulk writer beside the ways that Google's client offers.

All in this process, one after the other, in turns: ratios of the same run count, for the emulator shares the machine.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Line
from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.bulk import BulkWriter
from nbactl.core.calls.retry import RetryPolicy
from nbactl.ports.documents import Create
from nbactl.testing import emulator_documents
from nbactl.testing.emulators import firestore_emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCUMENTS = 10_000
FEW = 1_000
"""What the slow ways copy; their times are scaled."""
CHUNK = 500
IN_FLIGHT = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the clock and of this process's CPU, for one document."""

    wall: float
    cpu: float


def measure(runs: int) -> Iterator[Line]:
    """Yield the lines of this suite."""
    with tempfile.TemporaryDirectory() as folder, firestore_emulator(Path(folder)) as address:
        os.environ["FIRESTORE_EMULATOR_HOST"] = address
        ways: dict[str, tuple[Callable[[str, str, int], None], int]] = {
            "sequential set()": (sequential, FEW),
            "WriteBatch of create()": (write_batch, DOCUMENTS),
            "client's BulkWriter, no limit": (clients_bulk_writer, FEW),
            "low-level BatchWrite": (low_level, DOCUMENTS),
            "nbactl's bulk writer": (_ours, DOCUMENTS),
        }
        costs: dict[str, list[Cost]] = {name: [] for name in ways}
        for run in range(runs + 1):
            for name, (way, count) in ways.items():
                taken = cost(way, address, count)
                if run:  # the first one warms the emulator up
                    costs[name].append(taken)
    wall = {name: median(each.wall for each in of) for name, of in costs.items()}
    cpu = {name: median(each.cpu for each in of) for name, of in costs.items()}
    for name in ways:
        yield Line(f"bulk: {name}", 1 / wall[name], "documents/s", None, f"{cpu[name] * 1e6:.0f} µs CPU a document")
    ours = "nbactl's bulk writer"
    yield Line("bulk: low-level / ours", wall[ours] / wall["low-level BatchWrite"], "x its time", 1 / 0.7)
    yield Line("bulk: ours / naive", wall[ours] / wall["sequential set()"], "x its time", 0.1)
    yield Line("bulk: CPU a document", cpu[ours] * 1e6, "µs", 30.0)


def cost(way: Callable[[str, str, int], None], address: str, count: int) -> Cost:
    """Measure a way in a project of its own."""
    project = f"bench-{uuid.uuid4().hex[:12]}"
    wall, cpu = time.perf_counter(), time.process_time()
    way(address, project, count)
    return Cost((time.perf_counter() - wall) / count, (time.process_time() - cpu) / count)


def _payload(number: int) -> dict[str, Any]:
    return {"player_lookup": f"player-{number:06}", "predictions_count": 25}


def _client(project: str) -> Any:  # noqa: ANN401 - Google's client
    from google.cloud import firestore

    return firestore.Client(project=project)


def sequential(_: str, project: str, count: int) -> None:
    """Copy one by one, as the naive loop does."""
    collection = _client(project).collection("c")
    for number in range(count):
        collection.document(f"{number:06}").set(_payload(number))


def write_batch(_: str, project: str, count: int) -> None:
    """Copy with WriteBatch."""
    client = _client(project)
    collection = client.collection("c")
    for start in range(0, count, CHUNK):
        batch = client.batch()
        for number in range(start, start + CHUNK):
            batch.create(collection.document(f"{number:06}"), _payload(number))
        batch.commit()


def clients_bulk_writer(_: str, project: str, count: int) -> None:
    """Copy with the BulkWriter of Google's client."""
    from google.cloud.firestore_v1.bulk_writer import BulkWriterOptions

    client = _client(project)
    writer = client.bulk_writer(BulkWriterOptions(initial_ops_per_second=1_000_000, max_ops_per_second=1_000_000))
    collection = client.collection("c")
    for number in range(count):
        writer.create(collection.document(f"{number:06}"), _payload(number))
    writer.close()


def low_level(address: str, project: str, count: int, *, collection: str = "c", whole: bool = False) -> None:
    """Send ready requests: the floor, with neither checks nor statuses looked at; `whole` with all that we write."""
    from nbactl.adapters.firestore import messages  # noqa: PLC0415
    from nbactl.adapters.firestore.channel import Database, Stubs, open_channel  # noqa: PLC0415

    database = Database(project, emulator=address)
    channel = open_channel(database)
    stubs = Stubs(channel)

    def send(start: int) -> None:
        request = messages.BatchWriteRequest(database=database.resource)
        for number in range(start, start + CHUNK):
            write = request.writes.add()
            write.update.name = f"{database.root}/{collection}/{number:06}"
            write.update.fields["player_lookup"].string_value = f"player-{number:06}"
            write.update.fields["predictions_count"].integer_value = 25
            write.current_document.exists = False
            if whole:
                write.update.fields["completed_at"].timestamp_value.seconds = 1_700_000_000
                stamp = write.update_transforms.add()
                stamp.field_path, stamp.set_to_server_value = "backfilled_at", messages.REQUEST_TIME
        stubs.batch_write(request, timeout=30, metadata=database.metadata)

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(send, range(0, count, CHUNK)))
    channel.close()


def _ours(address: str, project: str, count: int) -> None:
    store = emulator_documents(address, project)
    retry = RetryPolicy("firestore", attempts=6, base=0.1, cap=5.0)
    writer = BulkWriter(store, in_flight=IN_FLIGHT, retry=retry, clock=SystemClock(), rng=random.Random(1))  # noqa: S311
    results = writer.write_all(Create(f"c/{number:06}", _payload(number)) for number in range(count))
    refused = [result for result in results if result.error]
    store.close()
    if refused:
        raise RuntimeError(f"{len(refused)} writes were refused")
