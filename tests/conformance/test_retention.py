"""What is pruned of documents is the same on every engine."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.core._support.clock import SystemClock
from nbactl.core.outbox.expiry import sweep_expired
from nbactl.core.retention.documents import OldDocuments
from nbactl.core.retention.model import Removal
from nbactl.ports.documents import Create
from nbactl.workflows.ledger import Ledger
from nbactl.workflows.pruning import OldRuns
from tests.kit.run_records import START, run, task

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.core.retention.model import Pruner
    from nbactl.ports.documents import DocumentStore
    from tests.kit.engines import Engine

CLOCK = SystemClock()


def drain(pruner: Pruner, before: datetime, at_most: int) -> Removal:
    total = Removal()
    while True:
        total = total.and_then(pruner.prune(before, at_most, start=total.resume, dry_run=False))
        if total.resume is None:
            return total


def test_old_runs_go_with_their_tasks_page_by_page(engine: Engine) -> None:
    store = engine.another().open()
    ledger = Ledger(store, CLOCK, is_dead=lambda _: False)
    for index in range(12):
        made = run(
            task("a", "succeeded", 0, 1), run_id=f"run-{index:04d}", resumed_from="run-0002" if index == 11 else None
        )
        day = made.game_date.plus(index % 3)
        when = START + timedelta(hours=index)
        ledger.start(replace(made, game_date=day, started_at=when, finished_at=when), supersedes=None)
    drained = drain(OldRuns(store), START + timedelta(hours=9), 3)
    # Of each of three dates there are four: the last stays, and what it resumed.
    assert (drained.removed, drained.examined) == (8, 12)
    left = sorted(one.run_id for one in ledger.list(limit=None))
    assert left == ["run-0002", "run-0009", "run-0010", "run-0011"]
    with_task = [index for index in range(12) if store.get(f"runs/run-{index:04d}/tasks/a") is not None]
    assert with_task == [2, 9, 10, 11]
    store.close()


def test_documents_go_by_their_time_each_once(store: DocumentStore) -> None:
    collection = f"decisions{uuid.uuid4().hex}"
    times = [START + timedelta(minutes=index // 4) for index in range(40)]
    store.commit(
        [Create(f"{collection}/{index:03d}", {"at": at, "open": index == 5}) for index, at in enumerate(times)]
    )
    pruner = OldDocuments(store, collection, "at", lambda document: document.data["open"] is True)
    assert drain(pruner, START + timedelta(minutes=8), 6).removed == 31
    assert list(store.list_ids(collection)) == ["005", *(f"{index:03d}" for index in range(32, 40))]


def test_a_sweep_of_what_has_expired_is_bounded_and_takes_the_oldest_first(store: DocumentStore) -> None:
    collection = f"expiring{uuid.uuid4().hex}"
    times = [START - timedelta(minutes=index // 4) for index in range(20)]
    store.commit([Create(f"{collection}/{index:03d}", {"expires_at": at}) for index, at in enumerate(times)])
    assert sweep_expired(store, collection, CLOCK, limit=6) == 6
    left = list(store.list_ids(collection))
    assert left == [f"{index:03d}" for index in (*range(12), 14, 15)], "of one time those with the first ids"
    assert sweep_expired(store, collection, CLOCK) == 14
