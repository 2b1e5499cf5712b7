"""Each kind of fault is found, repaired by its owner and verified by its effect, on every engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap.schedule import make_decision_log
from nbactl.core._support.clock import SystemClock
from nbactl.core.completions.documents import completions_of
from nbactl.errors import UnavailableError
from nbactl.migrations.completions.selection import Selection
from nbactl.ports.documents import Delete, Query, Update
from nbactl.schedule.decide import Action, Decision, Slot
from nbactl.schedule.occurrences import Occurrence
from nbactl.workflows.model import RunReport, RunRequest, RunStatus
from tests.kit.handoffs import PHASE3_TOPIC
from tests.kit.healing import DATE, HealingLab, healing_lab
from tests.kit.migration import Lab
from tests.kit.production import DAY, NIGHT, PHASE2, phase_document, put, report
from tests.kit.run_records import run, task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.workflows.model import RunRecord
    from tests.kit.engines import Engine

SCORES = "p2_nbacom_boxscores"


@pytest.fixture
def lab(engine: Engine, tmp_path: Path) -> Iterator[HealingLab]:
    with healing_lab(engine, tmp_path) as lab:
        yield lab


@pytest.fixture
def in_production(engine: Engine, tmp_path: Path) -> Iterator[HealingLab]:
    with healing_lab(engine, tmp_path, target="gcp", project="test-1") as lab:
        yield lab


def reported(lab: HealingLab, **changed: dict[str, Any]) -> None:
    put(lab.store, {f"phase2_completion/{DAY}": {**phase_document(PHASE2), **changed}})


def done(lab: HealingLab, request: RunRequest, **more: Any) -> RunReport:
    """Record a run that took a second, and return its report."""
    now = lab.clock.now()
    ended = [
        replace(one, started_at=now, finished_at=now + timedelta(seconds=1))
        for one in (task(name, "succeeded", 0.0, 1.0, rows=9) for name in request.only or request.names)
    ]
    record = replace(
        run(*ended),
        run_id=lab.app.ids.new("run"),
        name=request.names[0],
        game_date=request.dates[0],
        started_at=now,
        finished_at=now + timedelta(seconds=1),
        lease="x",
        **more,
    )
    lab.app.ledger.start(record, supersedes=None)
    return RunReport((record,))


def test_incident_7_a_green_task_without_rows_is_run_again_and_believed_only_with_rows(
    in_production: HealingLab,
) -> None:
    lab = in_production
    reported(lab, **{SCORES: report(records=0)})
    lab.later(minutes=20)
    assert lab.look("zero_rows").cases == ()
    lab.later(minutes=20)
    lab.execute = lambda request: done(lab, request)
    [case] = lab.round("zero_rows")
    assert (case.fault.object, case.state) == (f"phase2/{DAY}/{SCORES}", "waiting")
    assert "0 rows" in case.fault.what
    assert [(request.names, request.force, request.upstream) for request in lab.ran] == [(("phase2",), True, "skip")]
    reported(lab, **{SCORES: report(minute=50, records=180)})
    assert lab.states("zero_rows") == {f"phase2/{DAY}/{SCORES}": "healed"}
    assert lab.round("zero_rows") == []
    assert len(lab.ran) == 1


def test_a_required_output_that_is_missing_is_run_after_what_it_needs(in_production: HealingLab) -> None:
    lab = in_production
    reported(lab)
    lab.later(hours=6)
    assert lab.look("output_missing").cases == (), "phase 1 leaves no record, and phase 2 shows that it took place"
    document = {name: value for name, value in phase_document(PHASE2).items() if name != SCORES}
    put(lab.store, {f"phase2_completion/{DAY}": document})
    states = {case.fault.object: case for case in lab.look("output_missing", auto=True).cases}
    assert states[f"phase2/{DAY}"].fault.what.startswith(f"lacks {SCORES}")
    assert states[f"phase3/{DAY}"].state == "waiting"
    assert states[f"phase3/{DAY}"].reason == f"after phase2/{DAY}"

    def execute(request: RunRequest) -> RunReport:
        if request.names == ("phase2",):
            reported(lab)
            return RunReport((run(task(SCORES, "succeeded", 0.0, 1.0)),))  # of a service, in no ledger of ours
        raise UnavailableError("the service is down")

    lab.execute = execute
    found = {case.fault.object: case.state for case in lab.round("output_missing")}
    assert [request.names for request in lab.ran] == [("phase2",), ("phase3",)]
    assert found[f"phase2/{DAY}"] == "healed"
    assert found[f"phase3/{DAY}"] == "failed"
    assert found[f"phase4/{DAY}"] == "waiting"


def test_a_task_that_ended_exactly_at_its_limit_is_run_again(lab: HealingLab) -> None:
    """A function that ended at its 540 s limit silently skipped its last steps."""
    limit = lab.app.config.timeouts["task.raw"]
    record = ledger_run(lab, task("p2_schedule", "succeeded", 0.0, limit, rows=9), "phase2")
    lab.app.ledger.start(record, supersedes=None)
    lab.later(hours=1)
    name = f"phase2/{DAY}/p2_schedule"
    [by_hand] = lab.round("ended_at_limit")
    assert (by_hand.fault.object, by_hand.state) == (name, "waiting")
    assert by_hand.reason == "it is not repaired automatically: nbactl heal"
    lab.execute = lambda request: done(lab, request)
    healer = lab.healer("ended_at_limit")
    [case] = healer.heal(healer.look(), "ada@vm")
    assert (case.state, case.effect) == ("healed", "p2_schedule ended within its limit")
    assert [(one.names, one.only, one.force) for one in lab.ran] == [(("phase2",), ("p2_schedule",), True)]


def ledger_run(lab: HealingLab, one: Any, name: str) -> RunRecord:
    began = lab.clock.now()
    took = one.finished_at - one.started_at
    moved = replace(one, started_at=began, finished_at=began + took)
    return replace(run(moved), name=name, game_date=DATE, started_at=began, finished_at=began + took, lease="x")


def test_a_task_that_ended_within_its_limit_is_believed(lab: HealingLab) -> None:
    record = ledger_run(lab, task("p2_schedule", "succeeded", 0.0, 530.0, rows=9), "phase2")
    lab.app.ledger.start(record, supersedes=None)
    lab.later(hours=1)
    assert lab.look("ended_at_limit").cases == ()


def test_completions_that_differ_are_repaired_as_the_migration_does(lab: HealingLab, tmp_path: Path) -> None:
    kit = Lab(lab.store, tmp_path / "exports", clock=lab.clock, project=lab.app.settings.project or "local")
    kit.batch("b1", ["p1", "p2"], expected_players=4, game_date=DAY)
    kit.to("dual_write")
    tracker = lab.app.completions
    for player in ("p3", "p4"):
        tracker.record_completion("b1", player, 3)
    kit.migration.backfill(Selection(), kit.caller)
    lab.store.commit([Delete(f"{completions_of('b1')}/p3")])
    plan = lab.healer("completion_drift").look(auto=True)
    if not plan.cases:  # an emulator goes by the clock of the machine: the batch looks as if it had just changed
        lab.clock.advance((SystemClock().now() - lab.clock.now()).total_seconds() + 3600)
    healer = lab.healer("completion_drift")
    plan = healer.look(DATE)
    [case] = plan.cases
    assert (case.fault.object, case.state) == ("b1", "planned")
    assert "1 x create document" in case.fault.what
    [healed] = healer.heal(plan, "ada@vm")
    assert (healed.state, healed.effect) == ("healed", "both sides agree")
    assert lab.store.get(f"{completions_of('b1')}/p3") is not None


def test_a_decision_whose_run_never_began_is_run(lab: HealingLab) -> None:
    name = next(iter(lab.app.config.workflows.workflows))
    slot = Slot(name, Occurrence(NIGHT, None, DATE), NIGHT + timedelta(minutes=5))
    decision = Decision(name, Action.RUN, "due", "due", slot)
    recorded = make_decision_log(lab.app).record(decision, lab.clock.now(), "elsewhere:boot:1:1:tick")
    assert recorded is not None
    lab.later(minutes=10)
    assert lab.look("decision_orphan").cases == ()
    lab.later(hours=2)
    lab.execute = lambda request: done(lab, request, decision_id=request.decision_id)
    [case] = lab.round("decision_orphan")
    assert (case.fault.object, case.state) == (recorded.id, "healed")
    assert case.effect is not None
    assert case.effect.endswith("is succeeded")
    assert [one.decision_id for one in lab.ran] == [recorded.id]
    assert lab.round("decision_orphan") == []


def test_incident_3_bookkeeping_that_the_warehouse_refuses_for_hours_stops_no_repair(
    lab: HealingLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loads of single rows reached their quota: all writes stopped for four hours."""
    loads: list[str] = []

    def refused(table: str, *_: Any, **__: Any) -> None:
        loads.append(table)
        raise UnavailableError("Quota exceeded: number of load jobs per table")

    monkeypatch.setattr(lab.app.warehouse, "load", refused)
    lab.later(minutes=20)
    for hour in range(4):
        lab.store.commit([lab.app.outbox.message(f"phase3/{DAY}/{hour}", PHASE3_TOPIC, {})])
        done(lab, RunRequest(("phase3",), (DATE,)))
        lab.later(hours=1)
        assert lab.states("outbox_pending", "lease_stale", "batch_stalled") == {f"phase3/{DAY}/{hour}": "healed"}
    assert loads == [], "a repair loads no bookkeeping rows of its own"
    assert lab.store.count(Query("audit")) == 4


def test_a_run_that_failed_is_a_failed_repair_with_its_name(in_production: HealingLab) -> None:
    lab = in_production
    reported(lab, **{SCORES: report(records=0)})
    lab.later(minutes=40)

    def execute(request: RunRequest) -> RunReport:
        found = done(lab, request)
        failed = replace(found.runs[0], status=RunStatus.FAILED, tasks=(task(SCORES, "failed", 0.0, 1.0),))
        return RunReport((failed,))

    lab.execute = execute
    [case] = lab.round("zero_rows")
    assert case.state == "failed"
    assert case.reason is not None
    assert f"failed: {SCORES}" in case.reason


def test_a_batch_of_nbactl_is_healed_only_when_it_was_merged(lab: HealingLab) -> None:
    fields = {"started_by": f"phase5/{DAY}/1", "attempt": 1}
    lab.app.completions.create_batch("b2", DATE, 4, "corr", fields={**fields, "start_time": NIGHT})
    lab.store.commit([Update("prediction_batches/b2", {"start_time": NIGHT})])
    lab.later(minutes=45)
    assert lab.states("batch_stalled") == {"b2": "waiting"}
    assert lab.states("batch_stalled") == {"b2": "waiting"}
    lab.store.commit([Update("prediction_batches/b2", {"consolidated_at": lab.clock.now()})])
    assert lab.states("batch_stalled") == {"b2": "healed"}
