"""What heals must do on every engine: find, repair by the owner, believe only the effect, and stop."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap.season import make_halts
from nbactl.core._support.gamedate import GameDate
from nbactl.core.completions.documents import batch_path
from nbactl.healing.healer import after_causes
from nbactl.healing.model import Case, Fault
from nbactl.ports.documents import Query, Set, Update
from tests.kit.handoffs import PHASE3_TOPIC, PHASE5_TOPIC
from tests.kit.healing import DATE, HealingLab, healing_lab
from tests.kit.production import DAY, NIGHT, PHASE2, finished_night, pending, phase_document, put, triggered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kit.engines import Engine

KEY = f"phase3/{DAY}/1"
PENDING = "handoff_pending"
NOT_TRIGGERED = "phase_not_triggered"


@pytest.fixture
def lab(engine: Engine, tmp_path: Path) -> Iterator[HealingLab]:
    with healing_lab(engine, tmp_path) as lab:
        yield lab


@pytest.fixture
def in_production(engine: Engine, tmp_path: Path) -> Iterator[HealingLab]:
    """A project whose phase documents are those of production's programs."""
    with healing_lab(engine, tmp_path, target="gcp", project="test-1") as lab:
        yield lab


def message(lab: HealingLab, key: str = KEY) -> None:
    lab.store.commit([lab.app.outbox.message(key, PHASE3_TOPIC, {"game_date": DAY})])


def entries(lab: HealingLab) -> list[dict[str, Any]]:
    found = [document.data for document in lab.store.query(Query("audit"))]
    return sorted(found, key=lambda entry: entry["at"])


def test_nothing_is_found_where_nothing_is_wrong(lab: HealingLab) -> None:
    put(lab.store, finished_night())
    lab.later(hours=3)
    assert lab.look(PENDING, "outbox_pending", "lease_stale", "batch_stalled").cases == ()


def test_inv_27_what_never_works_is_tried_a_few_times_in_six_hours_and_then_stopped(lab: HealingLab) -> None:
    """Incident 15: 322 times in six hours, to a wrong path."""
    message(lab)
    lab.bus.down = True
    tried, states = 0, list[str]()
    for _ in range(12):
        lab.later(minutes=30)
        for case in lab.round("outbox_pending"):
            tried = max(tried, case.attempts)
            states.append(case.state)
    budget = lab.app.config.workflows.healing.kinds["outbox_pending"].attempts  # type: ignore[union-attr]
    assert tried == budget == len(entries(lab)) == states.count("failed")
    assert states[-1] == "stopped"
    assert set(states[states.index("stopped") :]) == {"stopped"}
    [alert] = lab.alerts
    assert alert.severity == "critical"
    assert f"{KEY} was repaired {budget} times without effect" in alert.title
    assert alert.next_step == f"nbactl outbox drive {KEY}"
    assert {entry["outcome"] for entry in entries(lab)} == {"failed"}


def test_inv_27_an_answer_without_an_effect_is_not_healed_and_the_effect_is_when_it_is_seen(
    lab: HealingLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Incident 15: 1,749 rows were marked as healed without anything having run."""
    message(lab)
    lab.later(minutes=20)
    with monkeypatch.context() as patch:
        patch.setattr(lab.app.outbox, "drive", lambda _: True)
        states: list[str] = []
        for _ in range(7):
            states += lab.states("outbox_pending").values()
            lab.later(hours=1.5)
    assert "healed" not in states
    assert states[-1] == "stopped"
    assert len(lab.alerts) == 1
    assert lab.app.outbox.drive(KEY)
    [closed] = lab.round("outbox_pending")
    assert (closed.state, closed.action) == ("healed", None)
    assert closed.effect is not None
    assert closed.effect.startswith("published at")
    assert lab.round("outbox_pending") == []


def test_ten_healers_at_once_make_one_attempt(engine: Engine, tmp_path: Path) -> None:
    with healing_lab(engine, tmp_path) as lab:
        message(lab)
        lab.later(minutes=20)
        plans = [(healer := lab.healer("outbox_pending"), healer.look(auto=True)) for _ in range(10)]
        at_once, states = threading.Barrier(10), list[str]()

        def heal(healer: Any, plan: Any) -> None:
            at_once.wait()
            states.extend(case.state for case in healer.heal(plan, "heal"))

        threads = [threading.Thread(target=heal, args=each) for each in plans]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert states.count("healed") >= 1
        assert set(states) <= {"healed", "waiting"}
        assert len(entries(lab)) == 1
        [record] = lab.store.query(Query("healing"))
        assert (record.data["attempts"], record.data["state"]) == (1, "healed")


def test_a_healer_with_an_old_plan_repairs_nothing_that_another_one_has_healed(lab: HealingLab) -> None:
    message(lab)
    lab.later(minutes=20)
    quick, slow = lab.healer("outbox_pending"), lab.healer("outbox_pending")
    plan, old = quick.look(auto=True), slow.look(auto=True)
    assert [case.state for case in quick.heal(plan, "heal")] == ["healed"]
    lab.later(minutes=1)
    [case] = slow.heal(old, "heal")
    assert (case.state, case.action) == ("healed", None)
    assert len(entries(lab)) == 1


def test_attempts_back_off_and_a_day_has_a_limit(lab: HealingLab) -> None:
    message(lab)
    lab.bus.down = True
    lab.later(minutes=20)
    assert lab.states("outbox_pending") == {KEY: "failed"}
    [waiting] = lab.look("outbox_pending").cases
    assert (waiting.state, waiting.attempts, waiting.budget) == ("waiting", 1, 5)
    assert waiting.next_at == lab.clock.now() + timedelta(minutes=5)
    lab.later(minutes=5)
    assert lab.states("outbox_pending") == {KEY: "failed"}
    lab.later(minutes=9)
    assert lab.states("outbox_pending") == {KEY: "waiting"}
    lab.later(minutes=1)
    assert lab.states("outbox_pending") == {KEY: "failed"}
    [record] = lab.store.query(Query("healing"))
    lab.store.commit([Update(record.path, {"today": 10, "state": "healed"})])
    lab.later(hours=1)
    [case] = lab.look("outbox_pending").cases
    assert (case.state, case.attempts, case.reason) == ("waiting", 0, "repaired 10 times today")
    lab.later(hours=24)
    [case] = lab.look("outbox_pending").cases
    assert case.state == "planned"


def test_inv_20_a_healer_that_died_used_an_attempt_and_holds_nothing(lab: HealingLab) -> None:
    message(lab)
    lab.later(minutes=20)
    healer = lab.healer("outbox_pending")
    [case] = healer.look(auto=True).planned
    assert healer._attempts.claim(case.fault, healer._specs["outbox_pending"], lab.clock.now()).state == "planned"
    [case] = lab.look("outbox_pending").cases
    assert case.reason == "another healer repairs it"
    [record] = lab.store.query(Query("healing"))
    lab.store.commit([Update(record.path, {"owner": "elsewhere:boot:1:1:heal"})])
    lab.later(minutes=30)
    assert lab.look("outbox_pending").cases[0].state == "waiting"
    lab.later(hours=2)
    assert lab.states("outbox_pending") == {KEY: "healed"}
    [record] = lab.store.query(Query("healing"))
    assert record.data["attempts"] == 2


def test_a_kind_or_a_repair_that_fails_holds_up_no_other(lab: HealingLab, monkeypatch: pytest.MonkeyPatch) -> None:
    message(lab, f"phase3/{DAY}/1")
    message(lab, f"phase3/{DAY}/2")
    lab.later(minutes=20)
    healer = lab.healer("outbox_pending", "lease_stale")
    monkeypatch.setattr(lab.app.leases, "held", lambda: 1 / 0)
    drive = lab.app.outbox.drive
    monkeypatch.setattr(lab.app.outbox, "drive", lambda key: drive(key) if key.endswith("2") else 1 / 0)
    plan = healer.look(auto=True)
    assert list(plan.failed) == ["lease_stale"]
    assert sorted(case.state for case in healer.heal(plan, "heal")) == ["failed", "healed"]


def test_a_halted_date_is_left_alone_and_a_date_is_looked_at_by_itself(lab: HealingLab) -> None:
    message(lab)
    message(lab, "phase3/2025-01-14/1")
    message(lab, "alerting")
    lab.later(minutes=20)
    assert {case.fault.object for case in lab.look("outbox_pending").cases} == {KEY, "phase3/2025-01-14/1", "alerting"}
    assert [case.fault.object for case in lab.look("outbox_pending", date=DATE).cases] == [KEY]
    make_halts(lab.app).halt(DATE, DATE, reason="the arena is flooded", by="ada@vm")
    assert {case.fault.object for case in lab.look("outbox_pending").cases} == {"phase3/2025-01-14/1", "alerting"}
    assert lab.look("outbox_pending", PENDING, date=DATE).cases == ()


def test_a_lost_hand_off_of_another_program_is_published(lab: HealingLab) -> None:
    """Incident 14: the message between two phases was lost."""
    put(lab.store, {f"phase2_completion/{DAY}": phase_document(PHASE2, **pending())})
    lab.later(minutes=10)
    assert lab.look(PENDING).cases == ()
    lab.later(minutes=15)
    [case] = lab.round(PENDING)
    assert (case.fault.object, case.state) == (f"phase2/{DAY}", "healed")
    assert case.effect is not None
    assert case.effect.startswith("phase3 was triggered at")
    assert lab.published(PHASE3_TOPIC) == 1
    assert lab.round(PENDING) == []


def test_a_hand_off_that_the_bus_does_not_take_is_not_healed(lab: HealingLab) -> None:
    put(lab.store, {f"phase2_completion/{DAY}": phase_document(PHASE2, **pending())})
    lab.later(minutes=25)
    lab.bus.down = True
    assert lab.states(PENDING) == {f"phase2/{DAY}": "waiting"}
    lab.bus.down = False
    assert lab.states(PENDING) == {f"phase2/{DAY}": "waiting"}
    lab.later(minutes=20)
    assert lab.states(PENDING) == {f"phase2/{DAY}": "healed"}


def test_a_phase_that_nobody_triggered_is_decided_on_and_healed_when_it_has_begun(in_production: HealingLab) -> None:
    """Incident 2: a second writer put the processors in, and the phase never fired."""
    lab = in_production
    put(lab.store, {f"phase2_completion/{DAY}": phase_document(PHASE2)})
    lab.later(minutes=10)
    assert lab.look(NOT_TRIGGERED).cases == ()
    lab.later(minutes=20)
    [case] = lab.round(NOT_TRIGGERED)
    assert (case.fault.object, case.state) == (f"phase3/{DAY}", "waiting")
    assert lab.published(PHASE3_TOPIC) == 1
    assert lab.states(NOT_TRIGGERED) == {f"phase3/{DAY}": "waiting"}
    assert lab.published(PHASE3_TOPIC) == 1
    report = {"player_game_summary": {"status": "success", "completed_at": lab.clock.now(), "record_count": 9}}
    put(lab.store, {f"phase3_completion/{DAY}": {**report, "_last_update": lab.clock.now()}})
    assert lab.states(NOT_TRIGGERED) == {f"phase3/{DAY}": "healed"}


def test_a_phase_that_was_triggered_and_left_no_trace_is_run(in_production: HealingLab) -> None:
    """Incident 14, and the hand-off says that it was published."""
    lab, night = in_production, finished_night()
    put(lab.store, {f"phase4_completion/{DAY}": {**night[f"phase4_completion/{DAY}"], **triggered()}})
    lab.later(minutes=15)
    assert lab.look(NOT_TRIGGERED).cases == ()
    lab.later(minutes=30)
    lab.execute = lambda _: (_ for _ in ()).throw(RuntimeError("no service"))
    [case] = lab.round(NOT_TRIGGERED)
    assert (case.fault.object, case.state) == (f"phase5/{DAY}", "failed")
    assert [(request.names, request.dates) for request in lab.ran] == [(("phase5",), (DATE,))]
    assert lab.published(PHASE5_TOPIC) == 0


def test_incident_5_a_batch_at_seventy_percent_is_closed_with_an_alarm(lab: HealingLab) -> None:
    players = [f"p{number}" for number in range(10)]
    put(
        lab.store,
        {
            batch_path("batch-1"): {
                "batch_id": "batch-1",
                "game_date": DAY,
                "expected_players": 10,
                "completed_players": players[:7],
                "failed_players": [],
                "completed_count": 7,
                "total_predictions": 21,
                "is_complete": False,
                "start_time": NIGHT,
                "updated_at": NIGHT,
                "completion_time": None,
                "correlation_id": "corr-1",
            }
        },
    )
    lab.later(minutes=35)
    assert lab.look("batch_stalled").cases == ()
    lab.later(minutes=10)
    [case] = lab.round("batch_stalled")
    assert (case.state, case.fault.game_date) == ("healed", DATE)
    assert case.effect == "complete with 7 of 10 players"
    assert [alert.title for alert in lab.alerts] == ["batch-1 was closed with 7 of 10 players"]
    assert lab.round("batch_stalled") == []


def test_incident_12_a_lock_that_nobody_released_is_removed_with_a_copy(lab: HealingLab) -> None:
    expired = {"owner": "instance-7", "acquired_at": NIGHT, "expires_at": NIGHT + timedelta(minutes=1)}
    put(lab.store, {f"coordinator_batch_locks/{DAY}": expired, "processing_locks/eternal": {"owner": "x"}})
    lab.later(minutes=10)
    assert lab.look("lease_stale").cases == ()
    lab.later(minutes=10)
    [case] = lab.round("lease_stale")
    assert (case.fault.object, case.state, case.effect) == (
        f"coordinator_batch_locks/{DAY}",
        "healed",
        "the lock is gone",
    )
    [copy] = lab.store.query(Query("lock_removals"))
    assert (copy.data["path"], copy.data["by"]) == (f"coordinator_batch_locks/{DAY}", "heal")


def test_a_lease_is_released_only_when_its_holder_is_gone(lab: HealingLab) -> None:
    lab.app.leases.acquire(f"phase3/{DAY}", "elsewhere:boot:1:1:run-1", 3600.0)
    lab.later(minutes=70)
    assert lab.look("lease_stale").cases == ()
    lab.later(minutes=10)
    [case] = lab.round("lease_stale")
    assert (case.state, case.effect) == ("healed", "the lease is free")
    [removal] = lab.app.leases.removals(5)
    assert (removal.name, removal.by) == (f"phase3/{DAY}", "heal")


def test_a_repair_is_in_the_audit_trail(lab: HealingLab) -> None:
    message(lab)
    lab.later(minutes=20)
    lab.round("outbox_pending")
    [entry] = entries(lab)
    assert (entry["action"], entry["by"], entry["outcome"]) == ("heal.outbox_pending", "heal", "done")
    assert entry["touches"][:2] == [KEY, f"published {KEY}"]
    assert entry["reason"] == f"not published to {PHASE3_TOPIC}"


def test_what_may_be_gone_after_another_repair_waits_for_it() -> None:
    def case(kind: str, state: str = "planned", day: str = DAY) -> Case:
        return Case(Fault(kind, kind, "", "", "", GameDate.iso(day)), state, 0, 3)  # type: ignore[arg-type]

    found = after_causes([case(PENDING), case("output_missing"), case("zero_rows", day="2025-01-14")])
    assert [each.state for each in found] == ["planned", "waiting", "planned"]
    found = after_causes([case(PENDING, "stopped"), case("output_missing")])
    assert [each.state for each in found] == ["stopped", "planned"]


def test_a_store_that_fails_in_a_round_is_an_error(engine: Engine, tmp_path: Path) -> None:
    with healing_lab(engine, tmp_path) as lab, closing(engine.open()) as store:
        store.commit([Set("healing/outbox_pending%2Fx", {"state": "open"})])
        message(lab, "x")
        lab.later(minutes=20)
        with pytest.raises(Exception, match="cannot be read: its attempts is missing"):
            lab.look("outbox_pending")


def test_what_was_repaired_and_is_not_looked_at_any_more_is_given_up_with_an_alert(in_production: HealingLab) -> None:
    lab = in_production
    put(lab.store, {f"phase2_completion/{DAY}": phase_document(PHASE2)})
    lab.later(minutes=30)
    assert lab.states(NOT_TRIGGERED) == {f"phase3/{DAY}": "waiting"}
    lab.later(hours=72)
    assert lab.states(NOT_TRIGGERED) == {f"phase3/{DAY}": "stopped"}
    assert [alert.key for alert in lab.alerts if alert.key.startswith("heal")] == [
        f"heal_stopped/{NOT_TRIGGERED}/phase3/{DAY}"
    ]
    assert lab.round(NOT_TRIGGERED) == []
