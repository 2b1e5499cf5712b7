"""A tick decides on every workflow, records what is new, and runs what is due once, however many ticks overlap."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import UsageError
from nbactl.ports.documents import Query
from nbactl.schedule.decide import Action
from nbactl.schedule.log import TABLE
from tests.kit.league import League
from tests.kit.ticking import DAY, Schedule, at, opened
from tests.kit.warm import run_module

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

NOON = at("12:00")


def rows(plan: Schedule, now: datetime) -> list[tuple[str, str]]:
    """Return the decisions that are on their way into the warehouse, in their order."""
    with opened(plan.folder, now) as app:
        kept = [document.data for document in app.documents.query(Query("row_buffer/sample/rows"))]
    found = sorted(
        (one["created_at"], one["row"]["workflow_name"], one["row"]["action"]) for one in kept if one["table"] == TABLE
    )
    return [(name, action) for _, name, action in found]


def test_what_is_due_runs_once_by_priority_and_every_decision_has_its_row(tmp_path: Path) -> None:
    plan = Schedule(
        tmp_path,
        {
            "later": {"schedule": {"at": "18:00"}},
            "low": {"schedule": {"at": "12:00"}, "priority": "low"},
            "urgent": {"schedule": {"at": "11:50"}, "priority": "critical", "needs": ["normal"]},
            "normal": {"schedule": {"at": ["09:00", "12:00"]}},
            "off": {"schedule": {"at": "12:00"}, "enabled": False, "disabled_reason": "The source is gone"},
            "by_hand": {},
        },
    )
    looked = plan.result(NOON, dry_run=True)
    assert [step.name for step in looked.steps] == ["rollouts", "workflows"]
    assert plan.runs() == []
    done = plan.tick(NOON)
    assert plan.runs() == [f"{name} {DAY}" for name in ("normal", "urgent", "low")], "what it waited for came first"
    assert {name: (one.action.value, one.recorded) for name, one in done.items()} == {
        "later": ("WAIT", False), "low": ("RUN", True), "urgent": ("RUN", True), "normal": ("RUN", True),
        "off": ("SKIP", True), "by_hand": ("SKIP", False),
    }  # fmt: skip
    run = done["low"].execution
    assert run is not None
    [listed] = plan.decisions(NOON, name="low")
    assert (listed.execution.run_id if listed.execution else None, listed.orphan) == (run.run_id, False)
    assert (listed.decision.open, listed.decision.outcome) == (False, "succeeded")
    with opened(tmp_path, NOON) as app:
        assert app.ledger.find(run.run_id).decision_id == listed.decision.id == "low-20250106T170000Z"
    kept = rows(plan, NOON)
    for minutes in range(1, 5):
        assert not [one for one in plan.tick(NOON + timedelta(minutes=minutes)).values() if one.recorded]
    assert rows(plan, NOON) == kept, "nothing new, no row"
    assert sorted(kept) == [
        ("later", "WAIT"), ("low", "RUN"), ("low", "WAIT"), ("normal", "RUN"), ("normal", "WAIT"), ("off", "SKIP"),
        ("urgent", "RUN"), ("urgent", "WAIT"), ("urgent", "WAIT"),
    ]  # fmt: skip
    assert len(plan.runs()) == 3
    again = plan.tick(at("11:50") + timedelta(days=1))
    assert again["urgent"].action is Action.WAIT, "normal of this date is due later"


def test_a_missed_tick_is_caught_up_within_its_tolerance_and_not_later(tmp_path: Path) -> None:
    plan = Schedule(
        tmp_path, {"soon": {"schedule": {"at": "12:00"}}, "late": {"schedule": {"at": "12:00", "tolerance": "2h"}}}
    )
    plan.tick(at("11:00"))
    done = plan.tick(at("13:00"))
    assert plan.runs() == [f"late {DAY}"]
    assert (done["soon"].action, done["soon"].reason) == (
        Action.SKIP, "missed: due at 12:00 on 2025-01-06, 1h00m ago"
    )  # fmt: skip
    assert [line.splitlines()[0] for line in plan.said] == ["alert (critical): soon missed"]
    plan.tick(at("13:01"))
    assert (plan.runs(), plan.said) == ([f"late {DAY}"], [])


def test_an_alert_is_one_line_though_the_log_has_no_handler(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    both = {"not_run": {"severity": "critical", "channels": ["console", "log"]}}
    plan = Schedule(tmp_path, {"soon": {"schedule": {"at": "12:00"}, "alerts": both}})
    plan.tick(at("11:00"))
    plan.tick(at("13:00"))
    assert [line.splitlines()[0] for line in plan.said] == ["alert (critical): soon missed"]
    assert capsys.readouterr().err == ""
    plan.tick(at("11:00", DAY + timedelta(days=1)), quiet=True)
    plan.tick(at("13:00", DAY + timedelta(days=1)), quiet=True)
    assert "missed" in capsys.readouterr().err, "with --quiet the log says it"


def test_five_real_ticks_at_once_run_each_workflow_once(tmp_path: Path) -> None:
    plan = Schedule(tmp_path, {name: {"schedule": {"at": "12:00"}} for name in ("a", "b", "c")})
    plan.tick(at("11:00"))
    arguments = (str(tmp_path), NOON.isoformat(), "schedule.before_decision=sleep:0.2")
    with ThreadPoolExecutor(5) as pool:
        ended = list(pool.map(lambda _: run_module("tests.kit.ticking", *arguments), range(5)))
    assert [one.returncode for one in ended] == [0] * 5, [one.stderr for one in ended]
    assert sorted(plan.runs()) == [f"{name} {DAY}" for name in ("a", "b", "c")]


def test_a_tick_that_is_busy_holds_nothing_up(tmp_path: Path) -> None:
    plan = Schedule(
        tmp_path, {"a": {"schedule": {"at": "12:00"}, "priority": "critical"}, "b": {"schedule": {"at": "12:00"}}}
    )
    hold = tmp_path / "hold a"
    hold.touch()
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(run_module, "tests.kit.ticking", str(tmp_path), NOON.isoformat())
        end = monotonic() + 30
        while not plan.decisions(NOON, name="a", action=Action.RUN) and monotonic() < end:
            sleep(0.02)
        done = plan.tick(NOON)
        assert (done["a"].execution, plan.runs()) == (None, [f"b {DAY}"])
        hold.unlink()
        assert busy.result().returncode == 0, busy.result().stderr
    assert plan.runs() == [f"b {DAY}", f"a {DAY}"]


POINTS = (
    "schedule.before_decision",
    "schedule.decided",
    "runner.run_recorded",
    "engine.after_effect",
    "schedule.executed",
)


@pytest.mark.parametrize("point", POINTS)
def test_inv_20_a_killed_tick_is_taken_up_by_the_next_one_and_the_work_is_done(tmp_path: Path, point: str) -> None:
    plan = Schedule(tmp_path, {"a": {"schedule": {"at": "12:00"}}})
    killed = run_module("tests.kit.ticking", str(tmp_path), NOON.isoformat(), f"{point}=kill")
    assert killed.returncode == -9, killed.stderr
    before = len(plan.runs())
    lost = point == "schedule.decided"
    assert [one.orphan for one in plan.decisions(NOON, action=Action.RUN)] == ([] if point == POINTS[0] else [lost])
    done = plan.tick(NOON + timedelta(minutes=1))["a"]
    assert [f"a {DAY}"] == plan.runs()[before:] or point == "schedule.executed"
    assert done.taken_up is (point in POINTS[1:4])
    assert len([line for line in plan.said if "its run never began" in line]) == lost
    [ended] = plan.decisions(NOON, action=Action.RUN)
    assert (ended.decision.open, ended.decision.outcome, ended.orphan) == (False, "succeeded", False)
    runs = len(plan.runs())
    plan.tick(NOON + timedelta(minutes=2))
    assert (len(plan.runs()), plan.said) == (runs, []), "done, and alerted once"


def test_an_orphan_that_is_too_late_is_not_run_but_reported_and_alerted_once(tmp_path: Path) -> None:
    plan = Schedule(tmp_path, {"a": {"schedule": {"at": "12:00"}}})
    run_module("tests.kit.ticking", str(tmp_path), NOON.isoformat(), "schedule.decided=kill")
    plan.tick(at("13:00"))
    assert plan.runs() == []
    assert plan.said[0].startswith(f"alert (critical): a {DAY} was due and its run never began")
    [orphan] = plan.decisions(at("13:00"), orphans=True)
    assert (orphan.decision.workflow, orphan.decision.outcome, orphan.orphan) == ("a", "not_run", True)
    plan.tick(at("13:01"))
    assert plan.said == []


def test_a_schedule_of_games_that_does_not_cover_the_date_aborts_what_depends_on_it(tmp_path: Path) -> None:
    league = League(tmp_path / "league", {DAY: 1})
    plan = Schedule(
        tmp_path,
        {
            "a": {"schedule": {"at": "12:00", "game_days_only": True}},
            "b": {"schedule": {"at": "12:00", "first_game_before": "15:00"}},
            "c": {"schedule": {"at": "12:00"}},
        },
        source=f"path:{league.folder}",
    )
    tomorrow = NOON + timedelta(days=1)
    done = plan.tick(tomorrow)
    assert {name: one.action.value for name, one in done.items()} == {"a": "ABORT", "b": "ABORT", "c": "RUN"}
    assert done["a"].reason == "the schedule of games does not cover 2025-01-07"
    assert [line.splitlines()[0] for line in plan.said] == [
        "alert (critical): a, b not run, because the schedule of games is not up to date"
    ]
    plan.tick(tomorrow + timedelta(minutes=1))
    assert (plan.said, len(plan.runs())) == ([], 1)


def test_a_failed_run_is_the_exit_code_and_no_step_keeps_the_others(tmp_path: Path) -> None:
    plan = Schedule(tmp_path, {"a": {"schedule": {"at": "12:00"}}})
    (tmp_path / "fail").touch()
    done = plan.result(NOON)
    assert [step.name for step in done.steps] == [
        "rollouts", "quotas", "phases", "outbox", "rows", "expiry", "retention", "alerts", "workflows"
    ]  # fmt: skip
    assert done.error is not None
    assert (done.error.exit_code, done.error.message) == (1, f"a for {DAY} failed")
    assert done.value("outbox").published is not None
    with pytest.raises(UsageError, match="no step 'workflow'"):
        plan.result(NOON, skip=("workflow",))
    assert [step.name for step in plan.result(NOON, only=("rows", "outbox")).steps] == ["outbox", "rows"]
