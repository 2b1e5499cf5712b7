"""Whatever is pruned of a ledger, every later decision and every undo is what it was (invariants 20, 25)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.bootstrap.indexes import INDEXES
from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.core._support.clock import SystemClock
from nbactl.core.lease.leases import Leases
from nbactl.ports.documents import Query, Update
from nbactl.testing import FakeClock, memory_documents
from nbactl.workflows.board import Boards
from nbactl.workflows.freshness import Freshness, NoVersions
from nbactl.workflows.ledger import Ledger
from nbactl.workflows.pruning import OldRuns
from nbactl.workflows.reading import read_run
from nbactl.workflows.settling import Settling
from nbactl.workflows.writing import RUNS
from tests.kit.budget import budget
from tests.kit.run_records import START, run, task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore
    from nbactl.workflows.model import RunRecord

WORKFLOWS = load_config(shipped_config_dir()).workflows
NAMES = ("phase1", "phase2", "odds")
STATES = ("succeeded", "partial", "failed", "cancelled", "running", "detached")
DAYS = 3
FIRST = run().game_date


@st.composite
def histories(draw: st.DrawFn) -> list[RunRecord]:
    """Runs in the order of their start, each of which may resume an earlier one of its date and carry its tasks."""
    made: list[RunRecord] = []
    for index in range(draw(st.integers(1, 14))):
        day = FIRST.plus(draw(st.integers(0, DAYS - 1)))
        earlier = [before.run_id for before in made if before.game_date == day]
        named = st.sampled_from([None, *earlier])
        status = draw(st.sampled_from(STATES))
        started = START + timedelta(hours=index)
        ended = None if status == "running" else started + timedelta(minutes=1)
        done = replace(task("a", "succeeded", 0, 1), carried_from=draw(named))
        tasks = (done, task("b", "failed" if status == "failed" else "succeeded", 0, 1))
        record = run(
            *tasks, run_id=f"run-{index:04d}", name=draw(st.sampled_from(NAMES)), status=status, started_at=started,
            finished_at=ended, game_date=day, source=draw(st.sampled_from(("sample", "other"))),
            resumed_from=draw(named), owner="host:boot:17:1:x", lease=f"lease-{index}",
        )  # fmt: skip
        made.append(record)
    return made


class House:
    """A ledger with its board. Runs in `dead` have lost their process."""

    def __init__(self, runs: Sequence[RunRecord], dismissed: Sequence[str]) -> None:
        self.clock = FakeClock(START + timedelta(days=400))
        self.store: DocumentStore = memory_documents(self.clock)
        self.ledger = Ledger(self.store, self.clock, is_dead=lambda _: False)
        for record in runs:
            self.ledger.start(record, supersedes=None)
        self.ledger.dismiss(dismissed, by="ann", reason=None)
        freshness = Freshness(WORKFLOWS, "local", NoVersions, Settling(self.clock, 28 * 3600.0))
        leases = Leases(self.store, self.clock)
        self.boards = Boards(WORKFLOWS, {}, self.ledger, "local", leases.held, freshness)

    def decisions(self) -> Mapping[str, Any]:
        """Return what is read to decide: of each date and source the last runs with their tasks, and the board."""
        last = FIRST.plus(DAYS - 1)
        now = self.clock.now()
        return {
            source: (
                dict(self.ledger.latest_between(NAMES, FIRST, last, source).items()),
                [self.boards.draw(FIRST.plus(day), source, now) for day in range(DAYS)],
            )
            for source in ("sample", "other")
        }

    def runs(self) -> dict[str, RunRecord]:
        return {record.run_id: record for record in self.ledger.list(limit=None)}

    def tasks(self) -> int:
        return sum(
            self.store.count(Query(f"{RUNS}/{run_id}/tasks")) for run_id in [f"run-{index:04d}" for index in range(14)]
        )


def prune(house: House, hours: int, at_most: int, *, dry_run: bool = False) -> int:
    """Prune in calls of `at_most`; returns how many runs."""
    before, start, removed = START + timedelta(hours=hours, seconds=1), None, 0
    while True:
        found = OldRuns(house.store).prune(before, at_most, start=start, dry_run=dry_run)
        removed, start = removed + found.removed, found.resume
        if start is None:
            return removed


@budget(150)
@given(histories(), st.integers(0, 16), st.integers(1, 20), st.data())
def test_inv_20_a_prune_changes_no_decision_and_no_undo(
    made: list[RunRecord], hours: int, at_most: int, data: st.DataObject
) -> None:
    failed = [record.run_id for record in made if record.status.value == "failed"]
    dismissed = data.draw(st.lists(st.sampled_from(failed), unique=True)) if failed else []
    house = House(made, dismissed)
    before, runs = house.decisions(), house.runs()
    would = prune(house, hours, at_most, dry_run=True)
    assert house.runs() == runs, "a dry run removes nothing"
    assert prune(house, hours, at_most) == would
    left = house.runs()
    assert house.decisions() == before
    assert len(left) == len(runs) - would
    assert all(runs[run_id] == record for run_id, record in left.items()), "what stays is whole"
    assert house.tasks() == 2 * len(left), "tasks go with their run"
    named = {one for record in left.values() for one in (record.resumed_from, *(t.carried_from for t in record.tasks))}
    assert named - {None} <= left.keys(), "what is named is there"
    kept_too = {
        record.run_id
        for record in made
        if record.status.value == "running"
        or record.run_id in dismissed
        or record.started_at > START + timedelta(hours=hours)
    }
    assert kept_too <= left.keys()
    assert prune(house, hours, at_most) == 0, "the same again removes nothing more"
    house.ledger.undo_dismissal(dismissed)


@budget(60)
@given(histories(), st.integers(0, 16))
def test_a_prune_leaves_only_what_something_needs(made: list[RunRecord], hours: int) -> None:
    """Each old run that stays is the last of its name and source, ended well as the last, runs, or is named."""
    house = House(made, [])
    prune(house, hours, 1_000)
    left = house.runs()
    named = {one for record in left.values() for one in (record.resumed_from, *(t.carried_from for t in record.tasks))}
    for record in left.values():
        same = [
            other
            for other in left.values()
            if (other.name, other.game_date, other.source) == (record.name, record.game_date, record.source)
            and other.started_at > record.started_at
        ]
        well = {"succeeded", "partial", "detached"}
        assert (
            (record.finished_at or record.started_at) > START + timedelta(hours=hours)
            or record.status.value == "running"
            or record.run_id in named
            or not same
            or (record.status.value in well and not any(other.status.value in well for other in same))
        )


def test_a_date_with_a_run_that_cannot_be_read_is_left_alone() -> None:
    runs = [run(task("a", "succeeded", 0, 1), run_id=f"run-{index:04d}") for index in range(4)]
    runs = [replace(record, started_at=START + timedelta(hours=index)) for index, record in enumerate(runs)]
    house = House(runs, [])
    found = house.store.get(f"{RUNS}/run-0002")
    assert found is not None
    house.store.commit([Update(found.path, {"status": "of a newer nbactl"})])
    assert prune(house, 10, 100) == 0
    house.store.commit([Update(found.path, {"status": "failed"})])
    assert prune(house, 10, 100) == 3
    assert [read_run(document).run_id for document in house.store.query(Query(RUNS))] == ["run-0003"]


def record(index: int, status: str = "succeeded", **more: Any) -> RunRecord:
    started = START + timedelta(hours=index)
    done = replace(task("a", "succeeded", 0, 1), carried_from=more.pop("carried_from", None))
    ended = None if status == "running" else started
    return run(done, run_id=f"run-{index:04d}", status=status, started_at=started, finished_at=ended, **more)


@pytest.mark.parametrize(
    ("runs", "left"),
    [
        pytest.param([record(0), record(1), record(2)], [2], id="the last one"),
        pytest.param([record(0), record(1, "failed"), record(2, "failed")], [0, 2], id="the last that ended well"),
        pytest.param([record(0, "running"), record(1), record(2)], [0, 2], id="one that runs"),
        pytest.param([record(0), record(1, name="phase2"), record(2, source="other")], [0, 1, 2], id="of each"),
        pytest.param([record(0), record(1), record(2, resumed_from="run-0000")], [0, 2], id="resumed"),
        pytest.param([record(0), record(1), record(2, carried_from="run-0001")], [1, 2], id="carried from"),
        pytest.param(
            [record(0), record(1, carried_from="run-0000"), record(2, resumed_from="run-0001")], [0, 1, 2], id="in turn"
        ),
        pytest.param([record(0), record(12), record(13)], [12, 13], id="young ones"),
    ],
)
def test_what_stays(runs: list[RunRecord], left: list[int]) -> None:
    house = House(runs, [])
    prune(house, 10, 100)
    assert sorted(house.runs()) == [f"run-{index:04d}" for index in left]


def test_a_dismissed_failure_stays_for_its_undo() -> None:
    house = House([record(0, "failed"), record(1, "failed"), record(2)], ["run-0000"])
    assert prune(house, 10, 100) == 1
    house.ledger.undo_dismissal(["run-0000"])
    assert sorted(house.runs()) == ["run-0000", "run-0002"]


def test_one_that_is_dismissed_meanwhile_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House([record(0, "failed"), record(1, "failed"), record(2)], [])
    query = house.store.query

    def dismissed_meanwhile(asked: Query) -> object:
        found = list(query(asked))
        house.ledger.dismiss(["run-0000"], by="ann", reason=None)
        return iter(found)

    monkeypatch.setattr(house.store, "query", dismissed_meanwhile)
    assert prune(house, 10, 100) == 1
    monkeypatch.undo()
    assert sorted(house.runs()) == ["run-0000", "run-0002"]
    assert house.tasks() == 2


def test_a_run_with_more_tasks_than_a_commit_holds_is_removed_whole() -> None:
    many = replace(record(0), tasks=tuple(task(f"t{index}", "succeeded", 0, 1) for index in range(1_200)))
    house = House([many, record(1)], [])
    assert prune(house, 10, 100) == 1
    assert house.tasks() == 1


def test_several_prunes_at_once_remove_each_run_once(tmp_path: Path) -> None:
    clock = SystemClock()
    with closing(SqliteDocuments(tmp_path / "documents.db", clock=clock, busy_timeout=20.0, indexes=INDEXES)) as store:
        ledger = Ledger(store, clock, is_dead=lambda _: False)
        for index in range(60):
            made = record(index, game_date=FIRST.plus(index % 3))
            ledger.start(made, supersedes=None)

        def all_of_it(_: int) -> int:
            return OldRuns(store).prune(START + timedelta(days=30), 1_000, start=None, dry_run=False).removed

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(all_of_it, range(4))) == 57
        assert sorted(one.run_id for one in ledger.list(limit=None)) == ["run-0057", "run-0058", "run-0059"]
