"""Finished is a statement about data: a plain run does exactly what is not fresh, upstream first, and says why."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from nbactl.errors import PreconditionError
from nbactl.ports.compute import Versions
from nbactl.workflows.freshness import judge
from nbactl.workflows.model import RunStatus, TaskRecord, TaskStatus, exit_code
from tests.kit.versioned import DAYS, SETTLED_LONG_AGO, Project, ran, step
from tests.kit.workflow import DAY

NOW = SETTLED_LONG_AGO


def test_a_finished_date_is_fresh_and_skipped() -> None:
    project = Project()
    assert len(project.did("phase4")) == 7
    report = project.run("phase4")
    assert [(run.name, run.status.value) for run in report.runs] == [("phase4", "skipped")]
    assert exit_code(report) == 0
    assert report.warnings == ()


def test_a_changed_source_is_collected_again_and_all_that_follows_is_done_upstream_first() -> None:
    project = Project()
    project.run("phase4")
    project.source(DAY, "new")
    assert project.did("phase4") == [
        "collect 15 stale: the source changed",
        "load 15 stale: the raw file of box 2024-01-15 changed",
        "summary 15 stale: raw.box 2024-01-15 changed",
        "context 15 stale: sum.player 2024-01-15 changed",
        "features 15 stale: sum.context 2024-01-15 changed",
    ]
    assert project.did("phase4") == []


def test_a_recomputation_with_the_same_result_stops_there() -> None:
    project = Project()
    project.run("phase4")
    project.source(DAY, "1aaa")
    assert [line.partition(" ")[0] for line in project.did("phase4")] == ["collect", "load", "summary", "context"]
    assert project.did("phase4") == []


def test_inside_a_run_a_carried_task_is_judged_again_when_a_task_it_needs_ran() -> None:
    project = Project()
    project.run("phase3")
    project.shelf.code["sum.player"] = "2"
    report = project.run("phase3")
    assert ran(report) == ["summary 15 stale: its code changed"]
    (run,) = report.runs
    assert run.status is RunStatus.SUCCEEDED
    assert run.tasks[1].carried_from is not None


def test_a_repaired_earlier_date_makes_later_dates_of_the_range_stale() -> None:
    project = Project()
    project.declare(collect=step("source:box", "raw:box", trusts=True))
    project.source(DAYS[1], "bad")
    first = project.run("phase3", dates=DAYS)
    assert [run.game_date for run in first.runs if run.status is RunStatus.FAILED] == [DAYS[1]]
    project.source(DAYS[1], "good")
    assert project.did("phase3", dates=DAYS) == [
        "collect 16 stale: the source changed",
        "load 16",
        "summary 16",
        "context 16",
        "summary 17 stale: raw.box 2024-01-16 changed",
        "context 17 stale: sum.player 2024-01-16 changed",
        "summary 18 stale: raw.box 2024-01-16 changed",
        "context 18 stale: sum.player 2024-01-16, sum.player 2024-01-17 changed",
    ]
    fresh = Project()
    fresh.source(DAYS[1], "good")
    fresh.run("phase3", dates=DAYS)
    assert project.shelf.values == fresh.shelf.values


def test_dates_outside_the_range_that_became_stale_are_named_once_with_what_mends_them() -> None:
    project = Project()
    project.run("phase4", dates=DAYS)
    project.source(DAYS[1], "good")
    report = project.run("phase2", dates=(DAYS[1],))
    assert report.outdated is not None
    assert (report.outdated.name, report.outdated.first, report.outdated.last) == ("phase4", DAYS[1], DAYS[3])
    assert report.outdated.stale == ("phase3 2024-01-16", "phase3 2024-01-17", "phase3 2024-01-18")
    assert exit_code(report) == 0
    mended = project.run("phase4", dates=DAYS[1:])
    assert mended.outdated is None
    assert project.run("phase4", dates=DAYS).outdated is None
    assert project.did("phase4", dates=DAYS) == []


def test_a_range_that_is_fresh_is_decided_by_one_query_of_all_its_dates() -> None:
    project = Project()
    project.run("phase4", dates=DAYS)
    project.shelf.asked.clear()
    assert project.did("phase4", dates=DAYS) == []
    assert project.shelf.asked == [(7, 4)]


@pytest.mark.parametrize("resource", ["raw:box", "raw.box", "sum.player", "sum.context"])
@pytest.mark.parametrize("how", ["gone", "replaced"])
def test_inv_25_finished_is_believed_only_while_what_was_produced_is_there(resource: str, how: str) -> None:
    project = Project()
    project.run("phase3")
    whole = dict(project.shelf.values)
    if how == "gone":
        del project.shelf.values[resource, DAY.day]
    else:
        project.shelf.put(resource, DAY.day, "of someone else")
    done = project.did("phase3")
    said = {"gone": "is gone", "replaced": "is not what this run wrote"}[how]
    name = "the raw file of box" if resource == "raw:box" else resource
    assert f"stale: {name} 2024-01-15 {said}" in done[0]
    assert project.shelf.values == whole
    assert project.did("phase3") == []


def test_inv_25_a_lost_warehouse_makes_everything_of_it_stale() -> None:
    project = Project()
    project.run("phase4", dates=DAYS)
    whole = dict(project.shelf.values)
    for resource, day in list(project.shelf.values):
        if ":" not in resource:
            del project.shelf.values[resource, day]
    done = project.did("phase4", dates=DAYS)
    assert len(done) == 4 * 5
    assert all("is gone" in line for line in done)
    assert project.shelf.values == whole


def test_stale_on_says_what_counts() -> None:
    project = Project()
    project.run("phase3")
    project.shelf.code["sum.player"] = "2"
    assert project.did("phase3", stale_on="data") == []
    project.source(DAY, "new")
    assert project.did("phase1", stale_on="code") == []
    assert [line.split()[0] for line in project.did("phase3", stale_on="data")] == [
        "collect",
        "load",
        "summary",
        "context",
    ]
    project.shelf.code["sum.player"] = "3"
    assert project.did("phase3", stale_on="code") == ["summary 15 stale: its code changed"]


def test_an_incomplete_date_is_collected_again_until_it_is_complete_and_ends_partial_meanwhile() -> None:
    project = Project()
    game = "0022300500 BOS at MIA is not over"
    project.shelf.lacks[DAY.day] = (game,)
    first = project.run("phase3")
    assert exit_code(first) == 3
    assert first.warnings == (f"phase1 for {DAY} is incomplete: {game}",)
    again = project.run("phase3")
    assert ran(again) == [f"collect 15 incomplete: {game}", f"odds 15 incomplete: {game}"]
    assert exit_code(again) == 3
    assert again.warnings == first.warnings
    project.shelf.lacks.clear()
    project.source(DAY, "over")
    last = project.run("phase3")
    assert exit_code(last) == 0
    assert [line.split()[0] for line in ran(last)] == ["collect", "odds", "load", "summary", "context"]
    assert project.did("phase3") == []


def test_what_phase_2_finds_missing_is_collected_again_by_phase_1() -> None:
    project = Project()
    project.declare(collect=step("source:box", "raw:box"), load=step("raw:box", "raw.box", looks=True))
    project.shelf.lacks[DAY.day] = ("BOS at MIA is not over",)
    project.run("phase2")
    done = project.did("phase3")
    assert [line.split()[0] for line in done] == ["collect", "odds", "load", "load_odds", "summary", "context"]


def test_a_date_that_is_not_settled_is_not_incomplete() -> None:
    project = Project()
    later = DAY.plus(46)
    project.source(later, "x")
    project.shelf.lacks[later.day] = ("BOS at MIA is not over",)
    report = project.run("phase1", dates=(later,))
    assert (exit_code(report), report.warnings) == (0, ())


def test_an_optional_task_that_failed_upstream_is_tried_again_and_named_while_it_is_missing() -> None:
    project = Project()
    project.shelf.put("source:odds", DAY.day, "bad")
    first = project.run("phase1")
    assert exit_code(first) == 3
    again = project.run("phase3")
    assert (again.runs[0].name, again.runs[0].status.value) == ("phase1", "partial")
    assert exit_code(again) == 3
    assert again.warnings[0] == f"phase1 for {DAY} lacks odds: the value is bad"
    project.shelf.put("source:odds", DAY.day, "good")
    report = project.run("phase3")
    assert ran(report) == ["odds 15", "load_odds 15 stale: the raw file of odds 2024-01-15 changed"]
    assert exit_code(report) == 0
    assert project.did("phase3") == []


def test_an_optional_task_that_was_left_out_on_request_is_not_made_up_for() -> None:
    project = Project()
    project.run("phase1", skip=("odds",))
    assert "odds 15" not in project.did("phase3")


def test_force_redoes_what_it_is_given_and_its_upstream_only_with_upstream_run() -> None:
    project = Project()
    project.run("phase3")
    assert [line.split()[0] for line in project.did("phase3", force=True)] == ["summary", "context"]
    everything = project.did("phase3", force=True, upstream="run")
    assert [line.split()[0] for line in everything] == ["collect", "odds", "load", "load_odds", "summary", "context"]


@pytest.mark.parametrize(
    "request_",
    [{}, {"resume": "last"}, {"force": True}],
)
@pytest.mark.parametrize("name", ["phase2", "phase3"])
def test_a_phase_that_failed_of_bad_data_is_collected_again_when_the_source_is_repaired(
    name: str, request_: dict[str, Any]
) -> None:
    project = Project()
    project.declare(collect=step("source:box", "raw:box", trusts=True))
    project.source(DAY, "bad")
    failed = project.run("phase3")
    assert exit_code(failed) == 1
    assert [(run.name, run.status.value) for run in failed.runs][:2] == [("phase1", "succeeded"), ("phase2", "failed")]
    project.source(DAY, "good")
    assert exit_code(project.run(name, **request_)) == 0


def test_old_records_without_versions_count_as_stale_once() -> None:
    project = Project()
    project.run("phase3")
    for run in project.harness.ledger.list():
        project.harness.ledger.commit(
            [write for task in run.tasks for write in project.harness.ledger.task_writes(run.run_id, [old(task)])]
        )
    done = project.did("phase3")
    assert len(done) == 6
    assert all("stale: it finished before versions were recorded" in line for line in done)
    assert project.did("phase3") == []


def old(task: TaskRecord) -> TaskRecord:
    from dataclasses import replace  # noqa: PLC0415

    return replace(task, versions=None)


def test_upstream_fail_refuses_a_stale_phase() -> None:
    project = Project()
    project.run("phase3")
    assert project.did("phase3", upstream="fail") == []
    project.source(DAY, "new")
    with pytest.raises(PreconditionError, match="needs phase1"):
        project.run("phase3", upstream="fail")


def test_a_dry_run_has_the_state_and_reason_of_every_task() -> None:
    project = Project()
    project.run("phase3")
    project.source(DAY, "new")
    plans = project.harness.plan("phase3")
    assert {plan.name: [(task.name, task.state, task.reason) for task in plan.tasks] for plan in plans} == {
        "phase1": [("collect", "stale", "stale: the source changed"), ("odds", "fresh", None)],
        "phase2": [("load", "fresh", None), ("load_odds", "fresh", None)],
        "phase3": [("summary", "fresh", None), ("context", "fresh", None)],
    }
    assert [plan.depends_on for plan in plans] == [None, f"phase1 {DAY}", f"phase2 {DAY}"]


FRESH_RECORD = TaskRecord(
    "t",
    required=True,
    status=TaskStatus.SUCCEEDED,
    started_at=NOW,
    versions=Versions("c", {"source:x": "1", "a.b": "2"}, {"a.c": "3"}),
)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (Versions("c", {"source:x": "1", "a.b": "2"}, {"a.c": "3"}), None),
        (Versions("c", {"a.b": "2"}, {"a.c": "3"}), None),
        (Versions("d", {"source:x": "9", "a.b": "9"}, {}), "stale: a.c 2024-01-15 is gone"),
        (Versions("d", {"source:x": "9"}, {"a.c": "4"}), "stale: a.c 2024-01-15 is not what this run wrote"),
        (Versions("d", {"source:x": "9", "a.b": "9"}, {"a.c": "3"}), "stale: the source changed"),
        (Versions("d", {"a.b": "9"}, {"a.c": "3"}), "stale: a.b 2024-01-01 changed"),
        (Versions("c", {"a.new": "9"}, {"a.c": "3"}), "stale: a.new changed"),
        (Versions("d", {}, {"a.c": "3"}), "stale: its code changed"),
        (None, None),
    ],
)
def test_the_order_of_reasons(now: Versions | None, reason: str | None) -> None:
    found = judge(FRESH_RECORD, date(2024, 1, 15), now, "both", settled=True, changed=lambda _: ["a.b 2024-01-01"])
    assert found.reason == reason
