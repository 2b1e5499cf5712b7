"""What the completions migration promises, on every engine that can hold its documents."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.core.completions.documents import batch_path, completion_path
from nbactl.errors import LeaseHeldError, NotAuthorisedError, NotFoundError, PreconditionError
from nbactl.migrations.completions.export import read_export
from nbactl.migrations.completions.selection import Selection
from nbactl.ports.documents import DELETE_FIELD, ArrayRemove, ArrayUnion, Create, Delete, Set, Update
from tests.kit.migration import ALL, LIMITS, Lab

if TYPE_CHECKING:
    from pathlib import Path


LATER = GameDate(date(2030, 1, 1))


class TestCompletionsMigration:
    def test_the_whole_way_loses_nobody(self, lab: Lab) -> None:
        lab.batch("b1", ["p1", "p2"], predictions_by_player={"p1": 3})
        lab.batch("b2")
        tracker = lab.tracker()
        seen = {"p1", "p2"}
        for step, stage in enumerate(
            ("legacy", "dual_write", "backfilled", "validated", "reads_switched", "dual_write_stopped", "cleaned")
        ):
            if stage != "legacy":
                lab.to(stage)
            player = f"q{step}"
            assert tracker.record_completion("b1", player, 5).new
            assert not tracker.record_completion("b1", player, 5).new
            assert not tracker.record_completion("b1", "p1", 3).new
            seen.add(player)
            assert tracker.progress("b1").completed == len(seen)
        assert set(lab.documents("b1")) == seen
        assert lab.counter("b1") == len(seen)
        assert lab.array("b1") is None
        assert lab.documents("b1")["p1"]["predictions_count"] == 3
        assert lab.documents("b1")["p2"]["predictions_count"] is None
        assert [change.after for change in lab.migration.record.read().history] == [
            *("dual_write", "backfilled", "validated", "reads_switched", "dual_write_stopped", "cleaned"),
        ]

    def test_inv_03_a_validation_compares_sets_payloads_and_counters(self, lab: Lab) -> None:
        lab.batch("good", ["p1", "p2"])
        lab.batch("bad", ["p1", "p2", "p3"], predictions_by_player={"p2": 4})
        lab.to("backfilled")
        lab.store.commit(
            [
                Delete(completion_path("bad", "p1")),
                Create(completion_path("bad", "p9"), {"player_lookup": "p9", "predictions_count": 1}),
                Update(completion_path("bad", "p2"), {"predictions_count": 5}),
                Update(batch_path("good"), {"completed_count": 7}),
            ]
        )
        report = lab.migration.validate(ALL, lab.caller)
        found = report.findings.as_json()
        assert not report.consistent
        assert found["missing"] == [{"batch": "bad", "player": "p1"}]
        assert found["extra"] == [{"batch": "bad", "player": "p9"}]
        assert found["different"] == [{"batch": "bad", "player": "p2", "array": 4, "subcollection": 5}]
        assert found["counter_drift"] == [
            {"batch": "bad", "counter": 3, "actual": 4},
            {"batch": "good", "counter": 7, "actual": 2},
        ]
        assert found["unreadable"] == []
        assert lab.migration.stage == "backfilled"
        assert (report.validation.batches, report.validation.completions) == (2, 6)

    def test_inv_03_equal_numbers_of_other_players_are_no_consistency(self, lab: Lab) -> None:
        lab.batch("b", ["p1", "p2"])
        lab.to("backfilled")
        lab.store.commit(
            [
                Update(batch_path("b"), {"completed_players": ArrayRemove(("p1",))}),
                Update(batch_path("b"), {"completed_players": ArrayUnion(("x1",))}),
            ]
        )
        found = lab.migration.validate(ALL, lab.caller).findings
        assert [each.player for each in found.missing] == ["x1"]
        assert [each.player for each in found.extra] == ["p1"]

    @pytest.mark.parametrize(
        ("fields", "field", "reason"),
        [
            ({"completed_players": ["p1", "p1"]}, "completed_players", "2 times"),
            ({"completed_players": ["p1", None]}, "completed_players", "null"),
            ({"completed_players": ["p1", 7]}, "completed_players", "not a string but int"),
            ({"completed_players": ["p1", ""]}, "completed_players", "empty"),
            ({"completed_players": ["p1", "x" * 1_501]}, "completed_players", "cannot name"),
            ({"completed_players": ...}, "completed_players", "no such field"),
            ({"completed_players": "p1"}, "completed_players", "not an array"),
            ({"predictions_by_player": {"p1": -1}}, "predictions_by_player", "not a number"),
            ({"predictions_by_player": [1]}, "predictions_by_player", "not a map"),
            ({"total_predictions": None}, "total_predictions", "not a number"),
            ({"total_predictions_subcoll": "5"}, "total_predictions_subcoll", "not a number"),
            ({"total_predictions": 1.5}, "total_predictions", "not a number"),
            ({"batch_id": "other"}, "batch_id", "document of b"),
            ({"game_date": "15.1."}, "game_date", "YYYY"),
            ({"counter_shards": -2}, "counter_shards", "0 to"),
        ],
    )
    def test_inv_03_what_cannot_be_read_is_reported(
        self, lab: Lab, fields: dict[str, Any], field: str, reason: str
    ) -> None:
        lab.batch("b", ["p1"], **fields)
        lab.to("backfilled")
        report = lab.migration.validate(ALL, lab.caller)
        assert [(each.batch, each.field) for each in report.findings.unreadable] == [("b", field)]
        assert reason in report.findings.unreadable[0].reason
        assert not report.consistent

    @pytest.mark.parametrize("counter", [..., None, -1, 1.0, "1"])
    def test_inv_03_a_counter_that_is_none_is_drift_and_the_backfill_sets_it(self, lab: Lab, counter: Any) -> None:
        lab.batch("b", ["p1"], completed_count=counter)
        expected = None if counter is ... else counter
        drift = lab.migration.compare(ALL, lab.caller).findings.counter_drift
        assert [(each.batch, each.counter, each.actual) for each in drift] == [("b", expected, 1)]
        lab.to("validated")
        assert (type(lab.counter("b")), lab.counter("b")) == (int, 1)

    def test_a_document_whose_name_stands_for_nobody_is_reported(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        lab.to("backfilled")
        lab.store.commit([Create("prediction_batches/b/completions/100%", {"player_lookup": "?"})])
        report = lab.migration.validate(ALL, lab.caller)
        assert [each.value for each in report.findings.unreadable] == ["'100%'"]

    def test_the_digest_stands_for_the_content(self, lab: Lab) -> None:
        lab.batch("b", ["p1", "p2"])
        lab.batch("c", ["p1"])
        lab.to("validated")
        first = lab.migration.validate(ALL, lab.caller).validation.digest
        assert lab.migration.validate(ALL, lab.caller).validation.digest == first
        lab.tracker().record_completion("c", "p2", 1)
        assert lab.migration.validate(ALL, lab.caller).validation.digest != first

    @pytest.mark.parametrize("selection", [Selection(("b",)), Selection(sample=100.0)])
    def test_a_part_is_never_enough_for_a_gate(self, lab: Lab, selection: Selection) -> None:
        lab.batch("b", ["p1"])
        lab.to("backfilled")
        report = lab.migration.validate(selection, lab.caller)
        assert report.consistent
        assert not report.complete
        assert lab.migration.stage == "backfilled"
        assert lab.migration.record.read().last_validation is None

    @pytest.mark.parametrize("selection", [Selection(sample=0.01), Selection(since=LATER), ALL])
    def test_inv_24_a_comparison_of_nothing_is_no_success(self, lab: Lab, selection: Selection) -> None:
        if selection is not ALL:
            lab.batch("b", ["p1"])
        lab.to("backfilled")
        said = "there are none" if selection is ALL else r"the selection \(.*\) has none"
        for ask in (lab.migration.validate, lab.migration.compare):
            assert not ask(selection, lab.caller).consistent
        with pytest.raises(NotFoundError, match=f"no batch was looked at: {said}"):
            lab.migration.plan_repair(selection, lab.caller)
        with pytest.raises(NotFoundError, match=f"no batch was looked at: {said}"):
            lab.migration.plan(selection, 500.0, lab.caller)
        if selection is not ALL:
            with pytest.raises(NotFoundError, match="no batch was looked at"):
                lab.migration.backfill(selection, lab.caller)
        assert lab.migration.stage == "backfilled"
        state = lab.migration.record.read()
        assert (state.last_validation, state.drift_at) == (None, None)

    @pytest.mark.parametrize("stage", ["legacy", "backfilled", "reads_switched"])
    def test_old_batches_without_counters_are_readable_and_the_backfill_counts_them(self, lab: Lab, stage: str) -> None:
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
    def test_a_repair_sums_up_what_both_kinds_of_writers_counted(self, lab: Lab, field: str) -> None:
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

    def test_a_batch_that_is_not_there_is_an_error(self, lab: Lab) -> None:
        with pytest.raises(NotFoundError):
            lab.migration.validate(Selection(("nope",)), lab.caller)

    def test_inv_01_a_backfill_never_overwrites_what_a_live_writer_made(self, lab: Lab) -> None:
        lab.batch("b", ["p1", "p2"], predictions_by_player={"p1": 1, "p2": 2})
        lab.to("dual_write")
        made = {"player_lookup": "p1", "predictions_count": 9}
        lab.store.commit([Create(completion_path("b", "p1"), made)])
        report = lab.migration.backfill(ALL, lab.caller)
        assert lab.documents("b")["p1"] == made
        assert lab.documents("b")["p2"]["predictions_count"] == 2
        assert (report.counts.created, lab.counter("b")) == (1, 2)

    def test_a_backfill_goes_on_until_array_only_writers_have_ended(self, lab: Lab) -> None:
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

    def test_a_backfill_of_a_part_does_not_move_the_migration(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        lab.batch("c", ["p1"], game_date="2024-03-01")
        lab.to("dual_write")
        lab.migration.backfill(Selection(("b",)), lab.caller)
        assert (len(lab.documents("b")), len(lab.documents("c"))) == (1, 0)
        assert lab.migration.stage == "dual_write"

    def test_odd_ids_travel_both_ways(self, lab: Lab) -> None:
        players = ["a/b", "__x__", ".", "é-player", "50%", "a b"]
        lab.batch("b/1", players)
        lab.to("validated")
        assert {each["player_lookup"] for each in lab.documents("b/1").values()} == set(players)

    def test_the_predictions_of_odd_ids_are_found_whoever_recorded_them(self, lab: Lab) -> None:
        lab.batch("b", ["50%", "a/b"], predictions_by_player={"50%": 3, "a/b": 4})  # as the code before wrote them
        for number, player in enumerate(["__x__", "c/d", "100%"]):
            lab.tracker().record_completion("b", player, number)
        lab.to("backfilled")
        counts = {each["player_lookup"]: each["predictions_count"] for each in lab.documents("b").values()}
        assert counts == {"50%": 3, "a/b": 4, "__x__": 0, "c/d": 1, "100%": 2}
        assert lab.migration.validate(ALL, lab.caller).consistent

    def test_a_repair_finds_the_predictions_of_odd_ids(self, lab: Lab) -> None:
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

    def test_a_total_that_is_summed_up_again_has_everybody_once(self, lab: Lab) -> None:
        lab.batch("b", ["a/b"], predictions_by_player={"a/b": 1}, total_predictions=1)
        lab.tracker().record_completion("b", "c/d", 4)
        lab.store.commit([Update(batch_path("b"), {"total_predictions": None, "completed_count": 0})])
        lab.to("backfilled")
        assert lab.tracker().progress("b").predictions == 5

    def test_sharded_counters_are_set_right_too(self, lab: Lab) -> None:
        lab.to("dual_write")
        tracker = lab.tracker()
        day = "2024-01-15"
        from nbactl.core._support.gamedate import GameDate  # noqa: PLC0415

        tracker.create_batch("b", GameDate.parse(day, now=lab.clock.now()), 10, "c", counter_shards=3)
        for number in range(5):
            tracker.record_completion("b", f"p{number}", 1)
        lab.store.commit([Update(f"{batch_path('b')}/counters/1", {"completed_count": 40})])
        lab.to("validated")
        assert tracker.progress("b").completed == 5
        assert lab.migration.compare(ALL, lab.caller).consistent

    def test_inv_03_repair_brings_both_sides_together(self, lab: Lab) -> None:
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

    def test_the_side_that_is_read_wins(self, lab: Lab) -> None:
        lab.batch("b", ["p1"], predictions_by_player={"p1": 4})
        lab.to("reads_switched")
        lab.store.commit([Update(completion_path("b", "p1"), {"predictions_count": 5})])
        plan, _ = lab.migration.plan_repair(ALL, lab.caller)
        assert [step.winner for step in plan.steps] == ["subcollection"]
        lab.migration.repair(plan, lab.caller)
        assert lab.migration.compare(ALL, lab.caller).consistent
        assert lab.documents("b")["p1"]["predictions_count"] == 5

    def test_inv_19_a_clean_up_saves_the_arrays_first(self, lab: Lab) -> None:
        lab.batch("b", ["p1"], predictions_by_player={"p1": 4})
        lab.to("dual_write_stopped")
        lab.tracker().record_completion("b", "new", 1)
        lab.advance(LIMITS.cleanup_bake)
        cleaned = lab.migration.clean_up(lab.caller)
        assert cleaned.batches == 1
        [(path, fields)] = read_export(lab.folder / cleaned.export)
        assert path == batch_path("b")
        assert fields["completed_players"] == ["p1"]
        assert lab.array("b") is None
        assert lab.migration.compare(ALL, lab.caller).consistent
        assert cleaned.export in str(lab.migration.record.read().history[-1].why)

    def test_inv_19_a_clean_up_refuses_what_would_lose_somebody(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        lab.to("dual_write_stopped")
        lab.advance(LIMITS.cleanup_bake)
        lab.store.commit([Delete(completion_path("b", "p1"))])
        with pytest.raises(PreconditionError, match="final validation"):
            lab.migration.clean_up(lab.caller)
        assert lab.array("b") == ["p1"]
        assert lab.migration.stage == "dual_write_stopped"

    @pytest.mark.parametrize(
        ("stage", "target"),
        [
            ("dual_write", "legacy"),
            ("backfilled", "legacy"),
            ("validated", "legacy"),
            ("reads_switched", "validated"),
            ("dual_write_stopped", "reads_switched"),
        ],
    )
    def test_every_stage_but_the_last_has_a_way_back(self, lab: Lab, stage: str, target: str) -> None:
        lab.batch("b", ["p1"])
        lab.to(stage)
        tracker = lab.tracker()
        tracker.record_completion("b", "p2", 1)
        assert lab.migration.roll_back(lab.caller).after == target
        assert lab.migration.stage == target
        lab.settled()
        assert set(lab.array("b") or ()) == {"p1", "p2"}
        assert not tracker.record_completion("b", "p2", 1).new
        assert tracker.record_completion("b", "p3", 1).new
        assert tracker.progress("b").completed == 3
        lab.to("dual_write_stopped")
        assert set(lab.documents("b")) == {"p1", "p2", "p3"}
        assert tracker.progress("b").completed == 3

    def test_a_rollback_waits_for_writers_that_do_not_know_of_it(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        lab.to("dual_write_stopped")
        behind = lab.tracker()
        behind.record_completion("b", "p2", 1)
        done: list[object] = []

        def write_late(event: Any) -> None:
            if not done and lab.migration.stage == "reads_switched":
                done.append(event)
                lab.store.commit(
                    [
                        Create(completion_path("b", "late"), {"player_lookup": "late", "predictions_count": 1}),
                        Update(batch_path("b"), {"completed_count": 3}),
                    ]
                )

        sleep = lab.clock.sleep

        def writing_sleep(seconds: float) -> None:
            write_late(None)
            sleep(seconds)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lab.clock, "sleep", writing_sleep)
            rolled = lab.migration.roll_back(lab.caller)
        assert done
        assert rolled.put_back.players == 2
        assert set(lab.array("b") or ()) == {"p1", "p2", "late"}
        assert lab.migration.compare(ALL, lab.caller).consistent

    def test_there_is_no_way_back_from_the_last_stage(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        lab.to("cleaned")
        with pytest.raises(PreconditionError, match="cannot be rolled back"):
            lab.migration.roll_back(lab.caller)

    def test_gates_name_what_is_missing_and_who_provides_it(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        with pytest.raises(PreconditionError, match="the stage is legacy") as refused:
            lab.migration.backfill(ALL, lab.caller)
        assert refused.value.next_step == "First: nbactl migrate completions --start-dual-write"
        lab.migration.start_dual_write(lab.caller)
        with pytest.raises(PreconditionError, match="may not know"):
            lab.migration.backfill(ALL, lab.caller)
        lab.settled()
        lab.to("validated")
        lab.advance(LIMITS.max_age + 1)
        with pytest.raises(PreconditionError, match="old") as stale:
            lab.migration.switch_reads(lab.caller)
        assert stale.value.next_step == "nbactl migrate completions --validate"
        assert lab.migration.stage == "validated"
        lab.migration.switch_reads(lab.caller, max_age=LIMITS.max_age * 2)

    def test_force_overrides_proof_but_not_safety(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        with pytest.raises(PreconditionError):
            lab.migration.switch_reads(lab.caller, force=True)
        lab.to("reads_switched")
        with pytest.raises(PreconditionError, match="of 168h"):
            lab.migration.stop_dual_write(lab.caller)
        state = lab.migration.stop_dual_write(lab.caller, force=True)
        assert state.history[-1].forced == ("bake", "validation")

    def test_reads_switch_only_while_batches_in_progress_agree(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        lab.to("validated")
        lab.store.commit([Update(batch_path("b"), {"completed_players": ArrayUnion(("x",))})])
        with pytest.raises(PreconditionError, match="in progress have"):
            lab.migration.switch_reads(lab.caller)

    def test_drift_starts_the_time_of_probation_again(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        lab.to("reads_switched")
        lab.advance(LIMITS.reads_bake - 60)
        lab.store.commit([Delete(completion_path("b", "p1"))])
        assert not lab.migration.compare(ALL, lab.caller).consistent
        plan, _ = lab.migration.plan_repair(ALL, lab.caller)
        lab.migration.repair(plan, lab.caller)
        lab.advance(120)
        assert lab.migration.validate(ALL, lab.caller).consistent
        with pytest.raises(PreconditionError, match="an inconsistency was seen"):
            lab.migration.stop_dual_write(lab.caller)

    def test_two_operators_do_not_act_at_once(self, lab: Lab, tmp_path: Path) -> None:
        lab.batch("b", ["p1"])
        lab.to("dual_write")
        other = Lab(lab.store, tmp_path, clock=lab.clock, owner="b")

        def meanwhile(_event: object) -> None:
            with pytest.raises(LeaseHeldError):
                other.migration.backfill(ALL, other.caller)

        lab.migration.backfill(ALL, type(lab.caller)(lab.caller.operator, meanwhile, lab.cancellation))
        assert lab.migration.stage == "backfilled"

    def test_the_store_of_another_project_is_refused(self, lab: Lab) -> None:
        lab.to("dual_write")
        found = lab.store.get("migrations/completions")
        assert found is not None
        lab.store.commit([Set(found.path, {**found.data, "project": "other"})])
        with pytest.raises(NotAuthorisedError, match="project 'other'"):
            lab.migration.record.read()

    def test_a_pause_holds_the_work_up_until_it_is_lifted(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        lab.to("dual_write")
        lab.migration.pause(lab.caller.operator)
        with pytest.raises(PreconditionError, match="paused"):
            lab.migration.backfill(ALL, lab.caller)
        lab.migration.resume()
        lab.events.clear()
        paused = []

        def watch(event: Any) -> None:
            lab.events.append(event)
            if event.paused:
                paused.append(lab.documents("b"))
                if len(paused) == 3:
                    lab.migration.resume()

        work = lab.migration._working(type(lab.caller)(lab.caller.operator, watch, lab.cancellation))
        with work as held:
            lab.migration.pause(lab.caller.operator)
            from nbactl.migrations.work import Meter  # noqa: PLC0415

            held.wait_if_paused(Meter(lab.clock, "backfill", "pass 1", done=0, total=1))
        assert paused == [{}, {}, {}]

    def test_the_plan_tells_what_will_be_done_and_what_production_would_refuse(self, lab: Lab) -> None:
        lab.batch("b", [f"p{number}" for number in range(300)], is_complete=True)
        lab.batch("c", [f"p{number}" for number in range(3)] + [None])
        lab.batch("huge", [f"player-{number:030d}" for number in range(24_000)])
        lab.store.commit([Create(completion_path("b", "p0"), {"player_lookup": "p0"})])
        plan = lab.migration.plan(ALL, 500.0, lab.caller)
        assert (plan.batches, plan.active, plan.players, plan.documents) == (3, 2, 24_303, 1)
        assert plan.to_create == 24_302
        assert plan.seconds() == pytest.approx(48.6, abs=0.1)
        kinds = {(risk.batch, risk.kind, risk.severity) for risk in plan.risks}
        assert ("huge", "document_size", "warning") in kinds
        assert ("c", "unreadable", "warning") in kinds
        assert plan.costs()["backfill"].writes == 24_305
        assert plan.costs()["backfill"].dollars < 0.1
        assert DELETE_FIELD is not None
