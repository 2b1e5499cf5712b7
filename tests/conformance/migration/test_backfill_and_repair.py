"""How the completions migration fills in and repairs, on every engine that can hold its documents."""

from __future__ import annotations

from typing import Any

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.core.completions.documents import batch_path, completion_path
from nbactl.migrations.completions.export import read_export
from nbactl.migrations.completions.selection import Selection
from nbactl.ports.documents import ArrayUnion, Create, Delete, Update
from tests.kit.migration import ALL, Lab


@pytest.mark.parametrize("counter", [..., None, -1, 1.0, "1"])
def test_inv_03_a_counter_that_is_none_is_drift_and_the_backfill_sets_it(lab: Lab, counter: Any) -> None:
    lab.batch("b", ["p1"], completed_count=counter)
    expected = None if counter is ... else counter
    drift = lab.migration.compare(ALL, lab.caller).findings.counter_drift
    assert [(each.batch, each.counter, each.actual) for each in drift] == [("b", expected, 1)]
    lab.to("validated")
    assert (type(lab.counter("b")), lab.counter("b")) == (int, 1)


@pytest.mark.parametrize("stage", ["legacy", "backfilled", "reads_switched"])
def test_old_batches_without_counters_are_readable_and_the_backfill_counts_them(lab: Lab, stage: str) -> None:
    lab.batch("b", ["p1", "p2"], predictions_by_player={"p1": 3}, total_predictions=..., completed_count=...)
    lab.batch("c", ["p1"], total_predictions=..., total_predictions_subcoll=4)
    before = [lab.tracker().progress(name) for name in "bc"]
    assert [(each.completed, each.predictions) for each in before] == [(2, 3), (1, 4)]
    lab.to(stage) if stage != "legacy" else None
    assert lab.migration.compare(ALL, lab.caller).findings.unreadable == []
    if stage != "legacy":
        assert lab.migration.compare(ALL, lab.caller).consistent
        assert lab.counter("b") == 2
    after = [lab.tracker().progress(name) for name in "bc"]
    assert [(each.completed, each.predictions) for each in after] == [(2, 3), (1, 4)]


@pytest.mark.parametrize("field", ["total_predictions", "total_predictions_subcoll"])
def test_a_repair_sums_up_what_both_kinds_of_writers_counted(lab: Lab, field: str) -> None:
    lab.batch("b", ["p1"], predictions_by_player={"p1": 3}, total_predictions=3, total_predictions_subcoll=4)
    lab.to("backfilled")
    beyond = {"player_lookup": "p2", "predictions_count": 4}
    lab.store.commit(
        [
            Create(completion_path("b", "p2"), beyond),
            Update(batch_path("b"), {field: "many", "completed_players": ["p1", "p2"], "completed_count": 2}),
        ]
    )
    plan, _ = lab.migration.plan_repair(ALL, lab.caller)
    assert [step.what for step in plan.steps] == [f"{field} is summed up again"]
    lab.migration.repair(plan, lab.caller)
    assert lab.tracker().progress("b").predictions == 7
    assert lab.migration.compare(ALL, lab.caller).consistent


def test_inv_01_a_backfill_never_overwrites_what_a_live_writer_made(lab: Lab) -> None:
    lab.batch("b", ["p1", "p2"], predictions_by_player={"p1": 1, "p2": 2})
    lab.to("dual_write")
    made = {"player_lookup": "p1", "predictions_count": 9}
    lab.store.commit([Create(completion_path("b", "p1"), made)])
    report = lab.migration.backfill(ALL, lab.caller)
    assert lab.documents("b")["p1"] == made
    assert lab.documents("b")["p2"]["predictions_count"] == 2
    assert (report.counts.created, lab.counter("b")) == (1, 2)


def test_a_backfill_goes_on_until_array_only_writers_have_ended(lab: Lab) -> None:
    lab.batch("b", ["p1"])
    lab.to("dual_write")
    late = iter(["x1", "x2"])

    def old_code(event: object) -> None:
        player = next(late, None)
        if player and "backfill" in str(event):
            lab.store.commit([Update(batch_path("b"), {"completed_players": ArrayUnion((player,))})])

    caller = type(lab.caller)(lab.caller.operator, old_code, lab.cancellation)
    report = lab.migration.backfill(ALL, caller)
    assert set(lab.documents("b")) == {"p1", "x1", "x2"}
    assert report.counts.passes >= 3
    assert lab.counter("b") == 3
    assert lab.migration.stage == "backfilled"


def test_a_backfill_of_a_part_does_not_move_the_migration(lab: Lab) -> None:
    lab.batch("b", ["p1"])
    lab.batch("c", ["p1"], game_date="2024-03-01")
    lab.to("dual_write")
    lab.migration.backfill(Selection(("b",)), lab.caller)
    assert (len(lab.documents("b")), len(lab.documents("c"))) == (1, 0)
    assert lab.migration.stage == "dual_write"


def test_odd_ids_travel_both_ways(lab: Lab) -> None:
    players = ["a/b", "__x__", ".", "é-player", "50%", "a b"]
    lab.batch("b/1", players)
    lab.to("validated")
    assert {each["player_lookup"] for each in lab.documents("b/1").values()} == set(players)


def test_the_predictions_of_odd_ids_are_found_in_both_forms(lab: Lab) -> None:
    lab.batch("b", ["50%", "a/b"], predictions_by_player={"50%": 3, "a/b": 4})  # as the code before wrote them
    for number, player in enumerate(["__x__", "c/d", "100%"]):
        lab.tracker().record_completion("b", player, number)
    lab.to("backfilled")
    counts = {each["player_lookup"]: each["predictions_count"] for each in lab.documents("b").values()}
    assert counts == {"50%": 3, "a/b": 4, "__x__": 0, "c/d": 1, "100%": 2}
    assert lab.migration.validate(ALL, lab.caller).consistent


def test_a_repair_finds_the_predictions_of_odd_ids(lab: Lab) -> None:
    lab.batch("b")
    lab.tracker().record_completion("b", "c/d", 4)
    lab.to("reads_switched")
    lab.store.commit(
        [
            Update(completion_path("b", "c/d"), {"predictions_count": 5}),
            Update(batch_path("b"), {("predictions_by_player", "p1"): -1}),
        ]
    )
    plan, _ = lab.migration.plan_repair(ALL, lab.caller)
    lab.migration.repair(plan, lab.caller)
    assert lab.migration.compare(ALL, lab.caller).consistent
    found = lab.store.get(batch_path("b"))
    assert found is not None
    assert found.data["predictions_by_player"] == {"c%2Fd": 5}


def test_a_total_that_is_summed_up_again_has_everybody_once(lab: Lab) -> None:
    lab.batch("b", ["a/b"], predictions_by_player={"a/b": 1}, total_predictions=1)
    lab.tracker().record_completion("b", "c/d", 4)
    lab.store.commit([Update(batch_path("b"), {"total_predictions": None, "completed_count": 0})])
    lab.to("backfilled")
    assert lab.tracker().progress("b").predictions == 5


def test_sharded_counters_are_set_right_too(lab: Lab) -> None:
    lab.to("dual_write")
    tracker = lab.tracker()
    day = "2024-01-15"

    tracker.create_batch("b", GameDate.parse(day, now=lab.clock.now()), 10, "c", counter_shards=3)
    for number in range(5):
        tracker.record_completion("b", f"p{number}", 1)
    lab.store.commit([Update(f"{batch_path('b')}/counters/1", {"completed_count": 40})])
    lab.to("validated")
    assert tracker.progress("b").completed == 5
    assert lab.migration.compare(ALL, lab.caller).consistent


def test_inv_03_repair_brings_both_sides_together(lab: Lab) -> None:
    lab.batch("b", ["p1", "p2", "p3", "p3", None], predictions_by_player={"p2": 4, "p3": -1})
    lab.to("backfilled")
    lab.store.commit(
        [
            Delete(completion_path("b", "p1")),
            Create(completion_path("b", "p9"), {"player_lookup": "p9", "predictions_count": 1}),
            Update(completion_path("b", "p2"), {"predictions_count": 5}),
            Update(batch_path("b"), {"completed_count": 70, "total_predictions": None}),
        ]
    )
    before = lab.store.get(batch_path("b"))
    plan, _ = lab.migration.plan_repair(ALL, lab.caller)
    assert {(step.kind, step.winner) for step in plan.steps} == {
        ("create_document", "array"),
        ("add_to_array", "subcollection"),
        ("set_predictions", "array"),
        ("clean_array", "subcollection"),
        ("clean_payloads", "subcollection"),
        ("set_counter", "subcollection"),
    }
    assert lab.store.get(batch_path("b")) == before, "a plan changes nothing"
    done, saved = lab.migration.repair(plan, lab.caller)
    assert not done.busy
    assert lab.migration.validate(ALL, lab.caller).consistent
    assert lab.array("b") == ["p1", "p2", "p3", "p9"]
    assert lab.counter("b") == 4
    assert lab.documents("b")["p2"]["predictions_count"] == 4
    assert saved is not None
    assert before is not None
    assert (batch_path("b"), before.data) in read_export(lab.folder / saved)


def test_the_side_that_is_read_wins(lab: Lab) -> None:
    lab.batch("b", ["p1"], predictions_by_player={"p1": 4})
    lab.to("reads_switched")
    lab.store.commit([Update(completion_path("b", "p1"), {"predictions_count": 5})])
    plan, _ = lab.migration.plan_repair(ALL, lab.caller)
    assert [step.winner for step in plan.steps] == ["subcollection"]
    lab.migration.repair(plan, lab.caller)
    assert lab.migration.compare(ALL, lab.caller).consistent
    assert lab.documents("b")["p1"]["predictions_count"] == 5
