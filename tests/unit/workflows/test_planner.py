from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbactl.errors import NotFoundError, PreconditionError, UsageError
from nbactl.workflows.model import RunStatus, exit_code
from tests.kit.workflow import DAY, Harness, statuses, workflows

if TYPE_CHECKING:
    from datetime import date

    from nbactl.workflows.model import RunPlan

RANGE = tuple(DAY.until(DAY.plus(3)))
FAILS = {"with": {"raises": "data"}}


def pipeline(tasks: dict[str, Any] | None = None, **more: Any) -> Harness:
    """Three phases in a row of one task each (p1, p2, p3), the second with an optional one, and a service-only p4."""
    declared = {"p1": {}, "p2": {}, "p2_extra": {}, "p3": {}, "p4": {"service": {"name": "s"}}, **(tasks or {})}
    phases: dict[str, dict[str, Any]] = {
        "phase1": {"tasks": ({"task": "p1"},)},
        "phase2": {"tasks": ({"task": "p2"}, {"task": "p2_extra", "required": False}), "needs": ("phase1",)},
        "phase3": {"tasks": ({"task": "p3"},), "needs": ("phase2",)},
        "phase4": {"tasks": ({"task": "p4"},), "needs": ("phase3",)},
    }
    return Harness(workflows(declared, phases=phases, uses=("p1",)), **more)


def names(plans: list[RunPlan]) -> list[str]:
    return [plan.name for plan in plans]


def test_missing_phases_are_run_first_as_runs_of_their_own() -> None:
    harness = pipeline()
    report = harness.run("phase3")
    assert [run.name for run in report.runs] == ["phase1", "phase2", "phase3"]
    assert all(run.status is RunStatus.SUCCEEDED for run in report.runs)
    assert len({run.run_id for run in report.runs}) == 3
    assert len({run.group for run in report.runs}) == 1


def test_a_finished_phase_is_not_run_again_for_the_next_one() -> None:
    harness = pipeline()
    harness.run("phase1")
    assert names(harness.plan("phase3")) == ["phase2", "phase3"]
    harness.run("phase2")
    assert names(harness.plan("phase3")) == ["phase3"]
    assert names(harness.plan("phase3", dates=(DAY.plus(1),))) == ["phase1", "phase2", "phase3"]


def test_an_optional_task_that_failed_is_tried_again_and_does_not_hold_up_the_next_phase() -> None:
    harness = pipeline({"p2_extra": FAILS})
    assert harness.run("phase2").runs[-1].status is RunStatus.PARTIAL
    report = harness.run("phase3")
    assert [(run.name, run.status.value) for run in report.runs] == [("phase2", "partial"), ("phase3", "succeeded")]
    assert (exit_code(report), report.warnings) == (3, (f"phase2 for {DAY} lacks p2_extra: line 3 is wrong",))
    assert names(harness.plan("phase3", upstream="fail")) == ["phase3"]


def test_inv_20_optional_tasks_of_an_interrupted_phase_are_done_before_the_next_one() -> None:
    harness = pipeline({"p2_extra": {"with": {"sleep": 50}}})

    def stop_in_the_optional_task(_: object) -> None:
        if harness.world.events[-1:] == [("end", "p2")]:
            harness.cancellation.request("SIGINT")

    request = harness.request("phase2")
    stopped = harness.runner.execute(request, observer=stop_in_the_optional_task, cancellation=harness.cancellation)
    assert statuses(stopped.runs[-1]) == {"p2": "succeeded", "p2_extra": "cancelled"}
    harness.cancellation = type(harness.cancellation)()
    report = harness.run("phase3")
    assert [(run.name, run.status.value) for run in report.runs] == [("phase2", "succeeded"), ("phase3", "succeeded")]
    assert report.runs[0].resumed_from == stopped.runs[-1].run_id
    assert harness.world.order.count("p2") == 1


def test_a_phase_whose_upstream_failed_is_skipped_and_the_next_date_goes_on() -> None:
    harness = pipeline(
        {"p2": {"with": {"raises": "unavailable", "fails": 1}}}, game_dates=lambda *_: [d.day for d in RANGE]
    )
    report = harness.run("phase3", dates=RANGE[:2])
    assert [(run.name, run.status.value) for run in report.runs] == [
        ("phase1", "succeeded"),
        ("phase2", "failed"),
        ("phase3", "skipped"),
        ("phase1", "succeeded"),
        ("phase2", "succeeded"),
        ("phase3", "succeeded"),
    ]
    assert report.warnings == (f"phase3 for {DAY} skipped: phase2 for {DAY} failed",)


def test_dates_that_were_skipped_for_one_reason_are_one_warning() -> None:
    broken = {"p2": {"with": {"raises": "unavailable", "fails": 9}}}
    harness = pipeline(broken, game_dates=lambda *_: [d.day for d in RANGE])
    report = harness.run("phase3", dates=RANGE)
    more = len(RANGE) - 1
    assert report.warnings == (f"phase3 for {DAY} and {more} more dates skipped: phase2 for {DAY} failed",)


@pytest.mark.parametrize(
    ("upstream", "target", "planned"),
    [
        ("auto", "local", ["phase1", "phase2", "phase3"]),
        ("run", "local", ["phase1", "phase2", "phase3"]),
        ("skip", "local", ["phase3"]),
        ("fail", "local", None),
    ],
)
def test_upstream_says_what_becomes_of_missing_phases(upstream: str, target: str, planned: list[str] | None) -> None:
    harness = pipeline(target=target)
    if planned is None:
        with pytest.raises(PreconditionError, match="needs phase1, phase2"):
            harness.plan("phase3", upstream=upstream)
    else:
        assert names(harness.plan("phase3", upstream=upstream)) == planned


def test_on_gcp_missing_phases_are_refused_by_default() -> None:
    service = {"service": {"name": "s", "path": "/run", "body": {"a": 1}}}
    harness = pipeline({"p1": service, "p2": service, "p3": service}, target="gcp")
    with pytest.raises(PreconditionError) as refused:
        harness.plan("phase2")
    assert refused.value.exit_code == 6
    (plan,) = harness.plan("phase2", upstream="skip")
    assert plan.tasks[0].work.kind == "service"
    assert plan.tasks[0].work.parameters == {"path": "/run", "body": {"a": 1}}
    assert plan.tasks[1].excluded == "does not run on target gcp"


def test_daily_is_all_phases_in_order_and_leaves_out_what_does_not_run_here() -> None:
    harness = pipeline()
    report = harness.run("daily")
    assert [(run.name, run.status.value) for run in report.runs] == [
        ("phase1", "succeeded"),
        ("phase2", "succeeded"),
        ("phase3", "succeeded"),
        ("phase4", "skipped"),
    ]
    assert report.warnings == (f"phase4 for {DAY} skipped: none of its tasks runs on target local",)


def test_a_phase_that_cannot_run_here_is_refused_when_it_is_asked_for_by_name() -> None:
    with pytest.raises(PreconditionError, match="none of its tasks runs on target local"):
        pipeline().plan("phase4")


def test_a_single_task_runs_under_the_lease_of_its_phase_after_the_phases_before() -> None:
    harness = pipeline()
    plans = harness.plan("p2_extra")
    assert names(plans) == ["phase1", "p2_extra"]
    assert (plans[1].kind, plans[1].lease) == ("task", f"phase2/{DAY}")
    assert plans[1].tasks[0].required


def test_a_single_task_of_a_workflow_runs_under_its_lease() -> None:
    harness = Harness(workflows({"a": {}, "b": {}}, uses=("a", {"task": "b", "needs": ("a",)})))
    (plan,) = harness.plan("b")
    assert plan.lease == f"w/{DAY}"
    assert harness.run_one("b").status is RunStatus.SUCCEEDED
    assert harness.world.order == ["b"]


@pytest.mark.parametrize("name", ["phase33", "p2_extr", "dayly"])
def test_an_unknown_name_is_refused_with_the_closest_one(name: str) -> None:
    with pytest.raises(NotFoundError) as refused:
        pipeline().plan(name)
    assert "Did you mean" in str(refused.value.next_step)


@pytest.mark.parametrize("option", ["only", "skip"])
def test_unknown_tasks_in_only_and_skip_are_refused_with_the_closest_one(option: str) -> None:
    with pytest.raises(UsageError, match="named 'p2_extre'") as refused:
        pipeline().plan("phase2", **{option: ("p2_extre",)})
    assert refused.value.next_step == "Did you mean 'p2_extra'?"


def test_only_and_skip_leave_tasks_out_and_a_later_run_does_them() -> None:
    harness = pipeline()
    harness.run("phase1")
    run = harness.run_one("phase2", only=("p2",))
    assert run.status is RunStatus.SUCCEEDED
    assert statuses(run) == {"p2": "succeeded", "p2_extra": "skipped"}
    assert run.tasks[1].reason == "left out by --only"
    again = harness.run_one("phase2")
    assert again.resumed_from == run.run_id
    assert harness.world.order == ["p1", "p2", "p2_extra"]


def test_inv_09_a_run_that_left_out_a_required_task_does_not_finish_its_phase() -> None:
    harness = pipeline()
    harness.run("phase1")
    harness.run("phase2", skip=("p2",))
    assert names(harness.plan("phase3")) == ["phase2", "phase3"]


def test_a_task_whose_need_was_left_out_runs_without_it() -> None:
    harness = Harness(workflows({"a": {}, "b": {}}, uses=("a", {"task": "b", "needs": ("a",)})))
    assert statuses(harness.run_one(skip=("a",))) == {"a": "skipped", "b": "succeeded"}


def test_a_plain_rerun_resumes_what_failed_and_says_so() -> None:
    harness = Harness(workflows({"a": {}, "b": {"with": {"raises": "data", "fails": 1}}}))
    failed = harness.run_one()
    again = harness.run_one()
    assert again.status is RunStatus.SUCCEEDED
    assert again.resumed_from == failed.run_id
    assert harness.world.tries == {"a": 1, "b": 2}
    carried, renewed = again.tasks
    assert carried.carried_from == failed.run_id
    assert (carried.rows, carried.started_at) == (failed.tasks[0].rows, failed.tasks[0].started_at)
    assert renewed.carried_from is None


def test_a_carried_task_names_the_run_that_did_it_even_after_many_resumptions() -> None:
    harness = Harness(workflows({"a": {}, "b": {"with": {"raises": "data", "fails": 2}}}))
    first = harness.run_one()
    harness.run()
    assert harness.run_one().tasks[0].carried_from == first.run_id


def test_a_finished_run_is_skipped_and_reported_with_what_was_done() -> None:
    harness = Harness(workflows({"a": {}}))
    done = harness.run_one()
    skipped = harness.run_one()
    assert skipped.status is RunStatus.SKIPPED
    assert skipped.run_id == done.run_id
    assert skipped.reason == f"finished by {done.run_id}"
    assert skipped.tasks == done.tasks
    assert len(harness.ledger.list()) == 1


def test_inv_09_a_task_declared_since_makes_a_finished_run_unfinished() -> None:
    harness = Harness(workflows({"a": {}}))
    harness.run()
    harness.declare(workflows({"a": {}, "b": {}}))
    run = harness.run_one()
    assert run.status is RunStatus.SUCCEEDED
    assert harness.world.order == ["a", "b"]


def test_force_starts_afresh_but_only_for_what_was_asked_for() -> None:
    harness = pipeline()
    harness.run("phase3")
    harness.world.events.clear()
    run = harness.run_one("phase3", force=True)
    assert run.resumed_from is None
    assert harness.world.order == ["p3"]


def test_force_with_only_keeps_what_the_others_did() -> None:
    harness = Harness(workflows({"a": {}, "b": {}}))
    first = harness.run_one()
    run = harness.run_one(force=True, only=("b",))
    assert harness.world.order == ["a", "b", "b"]
    assert run.tasks[0].carried_from == first.run_id
    assert harness.run_one().status is RunStatus.SKIPPED


def test_runs_of_another_source_do_not_count() -> None:
    harness = Harness(workflows({"a": {}}))
    harness.run()
    assert harness.ledger.latest("w", DAY, "sample") is not None
    assert harness.ledger.latest("w", DAY, "path:elsewhere") is None


def test_resume_last_goes_on_and_is_an_error_when_there_is_nothing_to_resume() -> None:
    harness = Harness(workflows({"a": {"with": {"raises": "data", "fails": 1}}}))
    with pytest.raises(NotFoundError) as never:
        harness.run(resume="last")
    assert (never.value.exit_code, never.value.cause) == (4, "It was never started.")
    failed = harness.run_one()
    assert harness.run_one(resume="last").resumed_from == failed.run_id
    with pytest.raises(NotFoundError, match="nothing to resume") as finished:
        harness.run(resume="last")
    assert finished.value.cause == "It is finished."


def test_resume_last_goes_on_with_what_stopped_in_a_phase_before() -> None:
    harness = pipeline({"p2": {"with": {"raises": "unavailable", "fails": 1}}})
    assert [run.status.value for run in harness.run("phase3").runs] == ["succeeded", "failed", "skipped"]
    report = harness.run("phase3", resume="last")
    assert [(run.name, run.status.value) for run in report.runs] == [("phase2", "succeeded"), ("phase3", "succeeded")]
    harness.run("phase1", dates=(DAY.plus(1),))
    with pytest.raises(NotFoundError, match="nothing to resume"):
        harness.run("phase3", dates=(DAY.plus(1),), resume="last")


def test_inv_20_resume_last_continues_after_a_kill_between_two_phases() -> None:
    class KilledError(BaseException):
        pass

    harness = pipeline()
    acquire = harness.leases.acquire_all

    def killed_before_phase2(owners: Any, *arguments: Any) -> Any:
        if any(name.startswith("phase2/") for name in owners):
            raise KilledError
        return acquire(owners, *arguments)

    harness.leases.acquire_all = killed_before_phase2  # type: ignore[assignment,method-assign]
    with pytest.raises(KilledError):
        harness.run("phase3")
    harness.leases.acquire_all = acquire  # type: ignore[method-assign]
    (first,) = harness.ledger.list()
    assert (first.name, first.status) == ("phase1", RunStatus.SUCCEEDED)
    report = harness.run("phase3", resume="last")
    assert [(run.name, run.status.value) for run in report.runs] == [("phase2", "succeeded"), ("phase3", "succeeded")]
    assert {run.group for run in report.runs} == {first.group}
    with pytest.raises(NotFoundError, match="nothing to resume") as never:
        harness.run("phase3", dates=(DAY.plus(1),), resume="last")
    assert never.value.cause == "It was never started."


def test_resume_of_a_run_takes_its_date() -> None:
    harness = Harness(workflows({"a": {"with": {"raises": "data", "fails": 1}}}))
    other = DAY.plus(5)
    failed = harness.run_one(dates=(other,))
    run = harness.run_one(resume=failed.run_id)
    assert (run.game_date, run.status, run.resumed_from) == (other, RunStatus.SUCCEEDED, failed.run_id)
    with pytest.raises(NotFoundError, match="finished"):
        harness.run(resume=run.run_id)
    with pytest.raises(PreconditionError, match=f"followed by {run.run_id}"):
        harness.run(resume=failed.run_id)


def test_resume_refuses_a_run_of_something_else_and_together_with_force() -> None:
    harness = pipeline({"p1": FAILS})
    failed = harness.run_one("phase1")
    with pytest.raises(UsageError, match="is a run of phase1"):
        harness.run("phase2", resume=failed.run_id)
    with pytest.raises(UsageError, match="does not go together"):
        harness.run("phase1", resume="last", force=True)


def test_a_date_range_is_one_group_oldest_first_without_the_dates_that_have_no_games() -> None:
    asked: list[tuple[date, date]] = []

    def game_dates(first: date, last: date) -> list[date]:
        asked.append((first, last))
        return [RANGE[0].day, RANGE[2].day, RANGE[3].day]

    harness = pipeline(game_dates=game_dates)
    report = harness.run("phase1", dates=RANGE)
    assert [run.game_date for run in report.runs] == [RANGE[0], RANGE[2], RANGE[3]]
    assert len({run.group for run in report.runs}) == 1
    assert report.warnings == (f"no games on 1 of the dates: {RANGE[1]}",)
    assert asked == [(RANGE[0].day, RANGE[3].day)]


def test_a_single_date_is_run_without_asking_the_source() -> None:
    def game_dates(*_: object) -> list[date]:
        raise AssertionError("the source was asked")

    assert len(pipeline(game_dates=game_dates).plan("phase1")) == 1


def test_a_date_range_resumes_where_it_stopped_under_its_group() -> None:
    harness = pipeline(game_dates=lambda *_: [each.day for each in RANGE])

    def stop_after_two(event: Any) -> None:
        if event.kind == "run_finished" and event.run.game_date == RANGE[1]:
            harness.cancellation.request("SIGINT")

    request = harness.request("phase1", dates=RANGE)
    first = harness.runner.execute(request, observer=stop_after_two, cancellation=harness.cancellation)
    assert [run.game_date for run in first.runs] == [RANGE[0], RANGE[1]]
    harness.cancellation = type(harness.cancellation)()
    rest = harness.run("phase1", dates=RANGE, resume="last")
    assert [run.status.value for run in rest.runs] == ["skipped", "skipped", "succeeded", "succeeded"]
    assert {run.group for run in rest.runs} == {first.runs[0].group}
    with pytest.raises(NotFoundError):
        harness.run("phase1", dates=RANGE, resume="last")


def test_cancelling_a_run_at_its_very_end_keeps_the_runs_after_it_from_beginning() -> None:
    harness = pipeline(game_dates=lambda *_: [each.day for each in RANGE])

    def cancel_before_the_next_look(event: Any) -> None:
        if event.kind == "task_finished" and event.run.game_date == RANGE[1]:
            harness.ledger.request_cancel(event.run.run_id)

    request = harness.request("phase1", dates=RANGE)
    report = harness.runner.execute(request, observer=cancel_before_the_next_look, cancellation=harness.cancellation)
    assert [run.status.value for run in report.runs] == ["succeeded", "succeeded"]
    assert report.not_started == 2
    assert exit_code(report) == 130


def test_a_plan_changes_nothing() -> None:
    harness = pipeline()
    assert [plan.game_date for plan in harness.plan("phase3")] == [DAY] * 3
    assert harness.ledger.list() == []
    assert harness.leases.current(f"phase3/{DAY}") is None


def test_a_date_that_another_process_finished_since_the_plan_is_not_run_again() -> None:
    harness = Harness(workflows({"a": {}}))
    acquire = harness.leases.acquire_all

    def finish_elsewhere_first(*arguments: Any) -> Any:
        harness.leases.acquire_all = acquire  # type: ignore[method-assign]
        harness.run()
        return acquire(*arguments)

    harness.leases.acquire_all = finish_elsewhere_first  # type: ignore[assignment,method-assign]
    assert harness.run_one().status is RunStatus.SKIPPED
    assert harness.world.order == ["a"]
