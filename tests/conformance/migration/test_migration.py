"""What the completions migration promises, on every engine that can hold its documents."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.core.completions.documents import batch_path, completion_path
from nbactl.errors import LeaseHeldError, NotAuthorisedError, PreconditionError
from nbactl.migrations.completions.export import read_export
from nbactl.ports.documents import DELETE_FIELD, ArrayUnion, Create, Delete, Set, Update
from tests.kit.migration import ALL, LIMITS, Lab

if TYPE_CHECKING:
    from pathlib import Path


def test_the_whole_way_loses_nobody(lab: Lab) -> None:
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


def test_inv_19_a_clean_up_saves_the_arrays_first(lab: Lab) -> None:
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


def test_inv_19_a_clean_up_refuses_what_would_lose_somebody(lab: Lab) -> None:
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
def test_every_stage_but_the_last_has_a_way_back(lab: Lab, stage: str, target: str) -> None:
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


def test_a_rollback_waits_for_writers_that_do_not_know_of_it(lab: Lab) -> None:
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


def test_there_is_no_way_back_from_the_last_stage(lab: Lab) -> None:
    lab.batch("b", ["p1"])
    lab.to("cleaned")
    with pytest.raises(PreconditionError, match="cannot be rolled back"):
        lab.migration.roll_back(lab.caller)


def test_gates_name_what_is_missing_and_who_provides_it(lab: Lab) -> None:
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


def test_force_overrides_proof_but_not_safety(lab: Lab) -> None:
    lab.batch("b", ["p1"])
    with pytest.raises(PreconditionError):
        lab.migration.switch_reads(lab.caller, force=True)
    lab.to("reads_switched")
    with pytest.raises(PreconditionError, match="of 7d"):
        lab.migration.stop_dual_write(lab.caller)
    state = lab.migration.stop_dual_write(lab.caller, force=True)
    assert state.history[-1].forced == ("bake", "validation")


def test_reads_switch_only_while_batches_in_progress_agree(lab: Lab) -> None:
    lab.batch("b", ["p1"])
    lab.to("validated")
    lab.store.commit([Update(batch_path("b"), {"completed_players": ArrayUnion(("x",))})])
    with pytest.raises(PreconditionError, match="in progress have"):
        lab.migration.switch_reads(lab.caller)


def test_drift_starts_the_time_of_probation_again(lab: Lab) -> None:
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


def test_two_operators_do_not_act_at_once(lab: Lab, tmp_path: Path) -> None:
    lab.batch("b", ["p1"])
    lab.to("dual_write")
    other = Lab(lab.store, tmp_path, clock=lab.clock, owner="b")

    def meanwhile(_event: object) -> None:
        with pytest.raises(LeaseHeldError):
            other.migration.backfill(ALL, other.caller)

    lab.migration.backfill(ALL, type(lab.caller)(lab.caller.operator, meanwhile, lab.cancellation))
    assert lab.migration.stage == "backfilled"


def test_the_store_of_another_project_is_refused(lab: Lab) -> None:
    lab.to("dual_write")
    found = lab.store.get("migrations/completions")
    assert found is not None
    lab.store.commit([Set(found.path, {**found.data, "project": "other"})])
    with pytest.raises(NotAuthorisedError, match="project 'other'"):
        lab.migration.record.read()


def test_a_pause_holds_the_work_up_until_it_is_lifted(lab: Lab) -> None:
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


def test_the_plan_tells_what_will_be_done_and_what_production_would_refuse(lab: Lab) -> None:
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


def test_a_new_store_has_nothing_to_migrate(lab: Lab) -> None:
    assert lab.migration.skip_if_empty(lab.caller)
    assert not lab.migration.skip_if_empty(lab.caller)
    [change] = lab.migration.record.read().history
    assert (change.before, change.after, change.why) == ("legacy", "cleaned", "because")
    tracker = lab.tracker()
    tracker.create_batch("b", GameDate(date(2024, 1, 15)), 2, "c")
    assert tracker.record_completion("b", "p1", 1).progress.completed == 1
    assert (lab.array("b"), set(lab.documents("b"))) == (None, {"p1"})


def test_a_store_with_a_batch_is_migrated_step_by_step(lab: Lab) -> None:
    lab.batch("b", ["p1"])
    assert not lab.migration.skip_if_empty(lab.caller)
    assert lab.migration.stage == "legacy"
    lab.to("dual_write")
    assert not lab.migration.skip_if_empty(lab.caller)
    assert lab.migration.stage == "dual_write"
