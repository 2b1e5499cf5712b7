"""What a screen asks of the store does not grow with the ledger, and a list holds only some of it in memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.core.lease.leases import Leases
from nbactl.core.observe.counted_documents import CountedDocuments
from nbactl.testing import FakeClock, memory_documents
from nbactl.workflows.board import Boards
from nbactl.workflows.freshness import Freshness, NoVersions
from nbactl.workflows.ledger import Ledger
from nbactl.workflows.settling import Settling
from tests.kit.run_records import START, run, task

if TYPE_CHECKING:
    from nbactl.core.observe.events import Event
    from nbactl.workflows.model import RunRecord

WORKFLOWS = load_config(shipped_config_dir()).workflows


class Counted:
    """A ledger of `number` runs of a year, every third failed, whose reads are counted."""

    def __init__(self, number: int) -> None:
        self.asked: Counter[str] = Counter()
        self.documents_read = 0
        clock = FakeClock(START)
        inner = memory_documents(clock)
        filled = Ledger(inner, clock, is_dead=lambda _: False)
        for index in range(number):
            filled.start(_run(index), supersedes=None)
        store = CountedDocuments(inner, self.count)
        self.ledger = Ledger(store, clock, is_dead=lambda _: False)
        freshness = Freshness(WORKFLOWS, "local", NoVersions, Settling(clock, 28 * 3600.0))
        self.boards = Boards(WORKFLOWS, {}, self.ledger, "local", Leases(store, clock).held, freshness)

    def count(self, event: Event) -> None:
        self.asked[event.name] += 1
        self.documents_read += event.fields["documents"]


def _run(index: int) -> RunRecord:
    made = run(
        task("a", "failed" if index % 3 == 0 else "succeeded", 0, 1),
        run_id=f"run-{index:05d}",
        name=f"phase{index % 4 + 1}",
        status="failed" if index % 3 == 0 else "succeeded",
        group=f"group-{index // 4}",
    )
    return replace(made, game_date=made.game_date.plus(index // 4), started_at=START + timedelta(minutes=index))


def board_of(number: int) -> Counted:
    counted = Counted(number)
    counted.boards.draw(_run(number - 1).game_date, "sample", START)
    return counted


def test_a_board_asks_as_much_of_a_long_ledger_as_of_a_longer_one() -> None:
    long, longer = board_of(400), board_of(800)
    assert long.asked == longer.asked
    assert long.documents_read == longer.documents_read
    assert long.asked["query"] <= 4, "the recent ones, those of the date, those that run; leases"
    assert sum(long.asked.values()) <= 10


@pytest.mark.parametrize("number", [20, 250])
def test_a_board_reads_each_run_once(number: int) -> None:
    counted = board_of(number)
    tasks_and_leases = 20
    assert number <= counted.documents_read <= number + tasks_and_leases


def test_a_date_with_more_runs_than_a_board_reads_has_the_newest_of_each_name() -> None:
    """Phase 2 ran once, before 300 runs of phase 1."""
    counted = Counted(1)
    day = _run(0).game_date
    for index in range(1, 302):
        again = replace(_run(4 * index), game_date=day, name="phase2" if index == 1 else "phase1")
        counted.ledger.start(again, supersedes=None)
    drawn = counted.boards.draw(day, "sample", START)
    newest = {line.name: line.run.run_id for line in drawn.phases if line.run is not None}
    assert newest == {"phase1": "run-01204", "phase2": "run-00004"}


def test_the_newest_run_of_a_name_is_looked_up_and_not_searched_for() -> None:
    counted = Counted(800)
    day = _run(400).game_date
    assert counted.ledger.latest_between(("phase1",), day, day, "sample")[("phase1", day)].run_id == "run-00400"
    assert counted.documents_read <= 4


@pytest.mark.parametrize("days", [3, 190])
def test_the_newest_runs_of_a_range_are_the_same_looked_up_or_read_through(days: int) -> None:
    counted = Counted(800)
    first = _run(0).game_date
    found = counted.ledger.latest_between(("phase1", "phase2"), first, first.plus(days - 1), "sample")
    assert len(found) == 2 * days
    assert {one.run_id for one in found.values()} == {
        f"run-{4 * day + name:05d}" for day in range(days) for name in (0, 1)
    }


def test_a_stream_of_all_runs_reads_them_in_pieces() -> None:
    counted = Counted(800)
    runs = counted.ledger.stream(limit=None)
    assert next(runs).run_id == "run-00799"
    assert counted.asked["get_all"] == 1
    assert counted.documents_read <= 201
    assert sum(1 for _ in runs) == 799
