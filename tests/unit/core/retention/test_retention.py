"""Retention: what is old goes, a tick does a little and goes on, and what fails holds up nothing else."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from nbactl.core.flags.store import Change, FlagStore, history_of
from nbactl.core.retention.documents import OldDocuments
from nbactl.core.retention.files import OldFiles
from nbactl.core.retention.flags import OldFlagHistory
from nbactl.core.retention.model import Removal
from nbactl.core.retention.retention import PROGRESS, KindSpec, Retention
from nbactl.errors import UnavailableError
from nbactl.migrations.pruning import OldMigrationSteps
from nbactl.ports.documents import Create, Query, Update
from nbactl.testing import FakeClock, memory_documents

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.core.retention.model import Pruner
    from nbactl.ports.documents import DocumentStore

DAY = 86_400.0


class Pile:
    """A kind of which `left` are old, removed one by one; it may be down."""

    def __init__(self, left: int, *, down: bool = False) -> None:
        self.left, self.down = left, down
        self.asked: list[tuple[datetime, str | None]] = []

    def prune(self, before: datetime, at_most: int, *, start: str | None, dry_run: bool) -> Removal:
        if self.down:
            raise UnavailableError("it is down")
        self.asked.append((before, start))
        begin = int(start or 0) if dry_run else 0
        removed = min(self.left - begin, at_most)
        self.left -= 0 if dry_run else removed
        return Removal(removed, removed, 10 * removed, str(begin + removed) if removed == at_most else None)


def retention(store: DocumentStore, **piles: Pile) -> Retention:
    kinds = {name: KindSpec(10 * DAY, "a reason", partial(piles.__getitem__, name)) for name in piles}
    return Retention(kinds, lambda: store, every=DAY)


def drain(pruner: Pruner, before: datetime, at_most: int = 7) -> int:
    start, removed = None, 0
    while True:
        found = pruner.prune(before, at_most, start=start, dry_run=False)
        removed, start = removed + found.removed, found.resume
        if start is None:
            return removed


def test_all_that_is_due_is_removed_and_a_dry_run_removes_nothing() -> None:
    clock = FakeClock()
    piles = {"a": Pile(4_500), "b": Pile(0)}
    whole = retention(memory_documents(clock), **piles)
    [a] = whole.prune(clock.now(), dry_run=True, kinds=("a",), older_than=5 * DAY)
    assert (a.removed, a.before, piles["a"].left) == (4_500, clock.now() - timedelta(days=5), 4_500)
    [b] = whole.prune(clock.now(), dry_run=True, kinds=("b",))
    assert (b.removed, b.before) == (0, clock.now() - timedelta(days=10))
    piles["a"].asked.clear()
    [a, _] = whole.prune(clock.now(), dry_run=False)
    assert (a.removed, a.size, piles["a"].left) == (4_500, 45_000, 0)
    assert len(piles["a"].asked) == 3, "two thousand at once"


def test_a_tick_does_a_little_and_the_next_one_goes_on_then_they_rest() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    piles = {"a": Pile(250), "b": Pile(60), "c": Pile(0)}
    whole = retention(store, **piles)
    assert [(one.kind, one.removed) for one in whole.prune_due(clock.now(), 100)] == [("a", 100)]
    again = retention(store, **piles)  # another process: what it knows is in the store
    assert [(one.kind, one.removed) for one in again.prune_due(clock.now(), 100)] == [("a", 100)]
    assert [(one.kind, one.removed) for one in again.prune_due(clock.now(), 100)] == [("a", 50), ("b", 50)]
    assert [(one.kind, one.removed) for one in again.prune_due(clock.now(), 100)] == [("b", 10)]
    piles["c"].left = 5
    clock.advance(DAY - 1)
    assert again.prune_due(clock.now(), 100) == [], "not before a day is over"
    clock.advance(1)
    assert [(one.kind, one.removed) for one in again.prune_due(clock.now(), 100)] == [("c", 5)]


def test_a_tick_that_is_too_early_reads_one_document_and_writes_none() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    whole = retention(store, a=Pile(0))
    whole.prune_due(clock.now())
    progress = store.get(PROGRESS)
    assert whole.prune_due(clock.now()) == []
    assert store.get(PROGRESS) == progress


def test_a_kind_that_is_down_holds_up_no_other_and_is_reported() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    piles = {"a": Pile(3, down=True), "b": Pile(3)}
    [a, b] = retention(store, **piles).prune_due(clock.now())
    assert (a.error is not None, b.removed) == (True, 3)
    [a, b] = retention(store, **piles).prune(clock.now(), dry_run=False)
    assert (str(a.error), b.removed) == ("it is down", 0)


def test_documents_go_by_their_time_but_those_that_are_open() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    start = clock.now()
    times = [start + timedelta(minutes=index // 4) for index in range(100)]  # four at a time
    store.commit([Create(f"d/{index:03d}", {"at": at, "open": index % 10 == 0}) for index, at in enumerate(times)])
    pruner = OldDocuments(store, "d", "at", lambda document: document.data["open"] is True)
    before = start + timedelta(minutes=20)
    first = pruner.prune(before, 6, start=None, dry_run=True)
    second = pruner.prune(before, 500, start=first.resume, dry_run=True)
    assert (first.removed, second.removed, second.resume) == (5, 67, None), "each counts once"
    assert drain(pruner, before) == 72
    left = list(store.list_ids("d"))
    assert left == [f"{index:03d}" for index in range(100) if index % 10 == 0 or index >= 80]
    assert drain(pruner, start + timedelta(minutes=20)) == 0


def test_one_that_changed_since_it_was_read_stays() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    store.commit([Create("d/1", {"at": clock.now(), "open": False})])

    def changed(_: object) -> bool:
        store.commit([Update("d/1", {"open": True})])
        return False

    later = clock.now() + timedelta(days=1)
    assert OldDocuments(store, "d", "at", changed).prune(later, 5, start=None, dry_run=False).removed == 0
    assert store.get("d/1") is not None


def test_files_go_by_their_age_but_those_that_are_needed(tmp_path: Path) -> None:
    for index in range(20):
        (tmp_path / f"{index:02d}.jsonl").write_text("12345")
        os.utime(tmp_path / f"{index:02d}.jsonl", (1_000.0 + index, 1_000.0 + index))
    (tmp_path / "00.other").write_text("x")
    os.utime(tmp_path / "00.other", (0, 0))
    before = datetime.fromtimestamp(1_015.0, UTC)
    pruner = OldFiles(tmp_path, "*.jsonl", lambda stems: {stem for stem in stems if stem == "03"})
    found = pruner.prune(before, 100, start=None, dry_run=True)
    assert (found.removed, found.size, found.resume) == (14, 70, None)
    assert drain(pruner, before) == 14
    left = [path.name for path in sorted(tmp_path.iterdir())]
    assert left == ["00.other", "03.jsonl", *(f"{index}.jsonl" for index in range(15, 20))]
    assert drain(OldFiles(tmp_path / "nothing", "*"), before) == 0


def flags_after(store: DocumentStore, clock: FakeClock, key: str, changes: int) -> FlagStore:
    flags = FlagStore(store, clock)
    for version in range(changes):
        clock.advance(DAY)
        flags.change(
            [Change(key, version, version % 100, enabled=True, salt=key, hash_version=1, stage=None)],
            by="ann",
            reason=None,
        )
    return flags


def test_the_history_of_a_flag_goes_from_the_oldest_on_and_the_last_two_entries_stay() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    flags = flags_after(store, clock, "fast", 30)
    flags_after(store, clock, "slow", 1)
    before = clock.now() - timedelta(days=10)
    pruner = OldFlagHistory(store)
    assert pruner.prune(before, 100, start=None, dry_run=True).removed == 20
    assert drain(pruner, before) == 20
    assert [state.version for state in flags.history("fast")] == list(range(30, 20, -1))
    assert drain(pruner, clock.now() + timedelta(days=1)) == 8
    assert [state.version for state in flags.history("fast")] == [30, 29]
    assert [state.version for state in flags.history("slow")] == [1]
    state = flags.get("fast")
    assert state is not None
    assert (
        flags.change(
            [Change("fast", 30, 5, enabled=True, salt="fast", hash_version=1, stage=None)], by="ann", reason=None
        )[0].version
        == 31
    )


def test_a_long_history_goes_in_several_calls_and_a_dry_run_counts_each_entry_once() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    flags_after(store, clock, "fast", 1)
    entry = store.get(f"{history_of('fast')}/1")
    assert entry is not None
    moves = [{**entry.data, "version": version} for version in range(2, 1_301)]
    for start in range(0, len(moves), 400):
        store.commit([Create(f"{history_of('fast')}/{move['version']}", move) for move in moves[start : start + 400]])
    store.commit([Update("flags/fast", {"version": 1_300})])
    pruner, before = OldFlagHistory(store), clock.now() + timedelta(days=1)
    first = pruner.prune(before, 500, start=None, dry_run=True)
    assert (first.removed, first.resume) == (500, "fast 501")
    assert pruner.prune(before, 5_000, start=first.resume, dry_run=True).removed == 798
    assert drain(pruner, before, 500) == 1_298
    assert sorted(store.list_ids(history_of("fast"))) == ["1299", "1300"]


def test_the_history_of_a_flag_whose_state_is_damaged_stays() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    flags = flags_after(store, clock, "fast", 5)
    store.commit([Update("flags/fast", {"version": "x"})])
    assert drain(OldFlagHistory(store), clock.now() + timedelta(days=1)) == 0
    assert len(flags.history("fast")) == 5


def test_old_steps_of_a_migration_go_and_the_last_ten_stay() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    start = clock.now()
    steps = [{"at": start + timedelta(days=index), "to": f"stage-{index}"} for index in range(30)]
    store.commit([Create("migrations/completions", {"stage": "x", "history": steps}), Create("migrations/table", {})])
    pruner = OldMigrationSteps(store)
    assert pruner.prune(start + timedelta(days=5), 10, start=None, dry_run=True).removed == 5
    assert drain(pruner, start + timedelta(days=5)) == 5
    assert drain(pruner, start + timedelta(days=500)) == 15
    [left] = [document.data["history"] for document in store.query(Query("migrations")) if "history" in document.data]
    assert left == steps[20:]
