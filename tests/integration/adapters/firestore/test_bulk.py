"""Bulk writing through a network that fails, beside live writers."""

from __future__ import annotations

import random
import threading
import uuid
from typing import TYPE_CHECKING

from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.bulk import BulkWriter
from nbactl.core.calls.retry import RetryPolicy
from nbactl.errors import AlreadyExistsError
from nbactl.ports.documents import Create, Query
from nbactl.testing import emulator_documents
from nbactl.testing.proxy import FaultProxy

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore

POLICY = RetryPolicy("firestore", attempts=100, base=0.02, cap=0.2)
BREAKS = 8
ALL = 2_500


def bulk(store: DocumentStore) -> BulkWriter:
    return BulkWriter(store, retry=POLICY, clock=SystemClock(), rng=random.Random(1))


def test_inv_20_a_backfill_loses_and_overwrites_nothing_while_connections_break(firestore_address: str) -> None:
    project = f"test-{uuid.uuid4().hex[:20]}"
    truth = emulator_documents(firestore_address, project)
    live = range(0, ALL, 7)
    with FaultProxy(firestore_address) as proxy:
        store = emulator_documents(proxy.address, project)
        stop = threading.Event()

        def break_connections() -> None:
            for _ in range(BREAKS):
                if stop.wait(0.15):
                    return
                proxy.reset()

        def write_live() -> None:
            for number in live:
                truth.batch_write([Create(f"c/{number:05}", {"by": "live"})])

        threads = [threading.Thread(target=break_connections), threading.Thread(target=write_live)]
        for thread in threads:
            thread.start()
        try:
            results = list(bulk(store).write_all(Create(f"c/{n:05}", {"by": "backfill"}) for n in range(ALL)))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            store.close()
    refused = {result.path for result in results if isinstance(result.error, AlreadyExistsError)}
    assert [result for result in results if result.error and result.path not in refused] == []
    assert len(results) == ALL
    found = {document.id: document.data["by"] for document in truth.query(Query("c"))}
    assert len(found) == ALL
    assert {path.removeprefix("c/") for path in refused} >= {name for name, by in found.items() if by == "live"}
    truth.close()
