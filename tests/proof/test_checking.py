"""The checker finds each kind of damage: a proof that could not fail would prove nothing."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.completions.documents import completion_path
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.ports.documents import ArrayUnion, Create, Delete, Increment, Set, Update
from nbactl.testing import FakeClock, memory_documents
from tests.proof.checking import Checker, Expected, Told, Watched, read_journals
from tests.proof.journal import Journal, entries
from tests.proof.old_code import OldCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.adapters.sqlite.documents import SqliteDocuments
    from nbactl.ports.documents import Write

BATCH = "prediction_batches/b"
BOTH = Expected(array=True, documents=True)
PLAYERS = ["ann", "bob", "cy/d", "dan"]
PREDICTIONS = {"ann": 1, "bob": 2, "cy/d": 3, "dan": 4, "eve": 5}
BOB = completion_path("b", "bob")


class World:
    """A batch in dual-write with two completions, one failure that completes later, and one that stays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.store: SqliteDocuments = memory_documents(self.clock)
        self.tracker = CompletionTracker(
            self.store,
            self.clock,
            mode=lambda _: mode_of(CompletionStage.DUAL_WRITE, {}),
            acting=10.0,
            retry=RetryPolicy("test", attempts=2, base=0.1, cap=0.1),
            rng=random.Random(1),
        )
        self.tracker.create_batch("b", GameDate(date(2024, 1, 15)), 4, "corr")
        with Journal(folder / "one.jsonl") as journal:
            for player in ("ann", "bob", "bob"):
                self.complete(journal, player)
            for player in ("cy/d", "dan"):
                journal.note("tried", "b", player, "fail")
                did = self.tracker.record_failure("b", player)
                journal.note("told", "b", player, "fail", new=did.new, finished=did.became_complete)
            journal.note("saw", "b", completed=2)
            self.complete(journal, "cy/d")
        self.watched = Watched(self.store)
        self.watched.look()

    def complete(self, journal: Journal, player: str) -> None:
        began = journal.note("tried", "b", player)
        did = self.tracker.record_completion("b", player, PREDICTIONS[player])
        journal.note("told", "b", player, began=began, new=did.new, finished=did.became_complete)

    def told(self) -> Told:
        return read_journals(entries(self.folder))

    def found(self, expected: Expected = BOTH) -> Counter[str]:
        return Counter(
            each.kind
            for each in [*Checker(self.store, self.told(), expected, PREDICTIONS).damages(), *self.watched.damages()]
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


@pytest.mark.parametrize(
    "expected", [BOTH, Expected(array=False, documents=True), Expected(array=True, documents=False)]
)
def test_nothing_is_found_where_nothing_is_wrong(world: World, expected: Expected) -> None:
    assert world.found(expected) == Counter()


@pytest.mark.parametrize(
    ("writes", "kinds"),
    [
        ([Delete(BOB)], {"lost"}),
        ([Delete(BATCH)], {"lost"}),
        ([Update(BATCH, {"completed_players": ["ann", "cy/d"]})], {"lost"}),
        ([Update(BATCH, {"failed_players": []})], {"lost"}),
        ([Update(BATCH, {"completed_count": Increment(1)})], {"counted twice"}),
        ([Update(BATCH, {"completed_count": Increment(-1)})], {"not counted"}),
        ([Update(BATCH, {"total_predictions": Increment(2)})], {"miscounted predictions"}),
        ([Update(BATCH, {"total_predictions": Increment(-2)})], {"miscounted predictions"}),
        ([Update(BATCH, {"completed_players": ["ann", "bob", "bob", "cy/d"]})], {"counted twice"}),
        ([Update(BATCH, {"is_complete": False})], {"unfinished"}),
        ([Update(BATCH, {"expected_players": 5})], {"unfinished"}),
        ([Update(BOB, {"predictions_count": 2})], {"overwritten"}),
        ([Set(BOB, {"player_lookup": "bob", "predictions_count": None})], {"overwritten"}),
        ([Update(BATCH, {"completed_players": ArrayUnion(("eve",)), "completed_count": Increment(1)})], {"invented"}),
    ],
)
def test_damage_to_the_store_is_found(world: World, writes: list[Write], kinds: set[str]) -> None:
    world.clock.advance(1)
    world.store.commit(writes)
    assert kinds <= set(world.found())


def test_a_document_that_nobody_tried_to_record_is_found(world: World) -> None:
    world.store.commit([Create(completion_path("b", "eve"), {"player_lookup": "eve", "predictions_count": 5})])
    assert "invented" in world.found()


def test_a_document_that_was_removed_and_made_again_is_found(world: World) -> None:
    stored = world.store.get(BOB)
    assert stored is not None
    world.store.commit([Delete(BOB)])
    world.clock.advance(1)
    world.store.commit([Create(BOB, stored.data)])
    assert world.found() == {"overwritten": 1}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ({"what": "told", "player": "bob", "new": True}, "counted twice"),
        ({"what": "told", "player": "ann", "new": False, "finished": True}, "finished twice"),
        ({"what": "saw", "completed": 4}, "seen wrong"),
        ({"what": "saw", "completed": 2}, "seen wrong"),
        ({"what": "told", "player": "eve"}, "lost"),
    ],
)
def test_damage_that_only_journals_show_is_found(world: World, line: dict[str, object], kind: str) -> None:
    with Journal(world.folder / "two.jsonl") as journal:
        journal.note(batch="b", **line)  # type: ignore[arg-type]  # each line fits
    assert kind in world.found()


def test_what_old_code_counts_too_often_is_found(world: World) -> None:
    with Journal(world.folder / "two.jsonl") as journal:
        began = journal.note("tried", "b", "bob")
        OldCode(world.store).record_completion("b", "bob", PREDICTIONS["bob"])
        journal.note("told", "b", "bob", began=began)
    assert world.found() == {"counted twice": 1, "miscounted predictions": 1}
    excused = Expected(array=True, documents=True, counted_by_old_code=frozenset("b"))
    assert world.found(excused) == {"counted twice": 1}


def test_a_line_cut_off_by_a_kill_is_left_out(world: World) -> None:
    with (world.folder / "one.jsonl").open("a") as file:
        file.write('{"what": "told", "at": 1')
    assert world.found() == Counter()


def test_completions_that_were_never_answered_are_known(world: World) -> None:
    with Journal(world.folder / "two.jsonl") as journal:
        journal.note("tried", "b", "eve")
        journal.note("failed", "b", "eve", why="the answer was lost")
    assert world.told().unanswered == [("b", "eve")]
