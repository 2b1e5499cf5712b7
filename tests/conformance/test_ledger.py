"""The ledger of runs, on every engine of the document port."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.core.lease.leases import Leases
from nbactl.errors import NotFoundError, PreconditionError, StaleFenceError, UsageError
from nbactl.ports.documents import DELETE_FIELD, MAX_WRITES, Create, Query, Update
from nbactl.workflows.model import RunStatus, TaskStatus
from tests.kit import workflow as workflow_harness
from tests.kit.versioned import Project
from tests.kit.workflow import DAY, Harness, statuses, workflows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kit.engines import Engine


@pytest.fixture(autouse=True)
def _store_of_the_engine(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each harness an empty store of the engine."""
    with ExitStack() as opened:
        monkeypatch.setattr(
            workflow_harness,
            "memory_documents",
            lambda clock: opened.enter_context(closing(engine.another().open(clock))),
        )
        yield


FAILS_ONCE = {"with": {"raises": "data", "fails": 1}}


def interrupted() -> Harness:
    """A harness whose ledger holds a run that died between its tasks: a done, b running, c pending."""
    harness = Harness(workflows({"a": {}, "b": {}, "c": {}}, execution_mode="sequential"), owner="dead")
    harness.run()
    run = harness.ledger.find("last")
    died = replace(
        run,
        run_id="run-0000",
        status=RunStatus.RUNNING,
        finished_at=None,
        owner="dead:run-0000",
        started_at=run.started_at + timedelta(seconds=1),
        tasks=(
            run.tasks[0],
            replace(run.tasks[1], status=TaskStatus.RUNNING, finished_at=None, rows=None),
            replace(run.tasks[2], status=TaskStatus.PENDING, finished_at=None, rows=None),
        ),
    )
    harness.ledger.start(died, supersedes=None)
    Leases(harness.documents, harness.clock, is_dead=lambda _: False).acquire(f"w/{DAY}", "dead:run-0000", 30)
    harness.dead.add("dead:run-0000")
    harness.owner = "me"
    harness.world.events.clear()
    return harness


@pytest.mark.parametrize("writes", [1, MAX_WRITES, MAX_WRITES + 7])
def test_inv_12_what_is_committed_under_a_lease_that_was_lost_is_refused(writes: int) -> None:
    harness = Harness(workflows({"a": {}}))
    run = harness.run_one()
    lease = harness.leases.acquire("w/1", "me", 30.0)
    updates = [Create(f"x/{number:04}", {}) for number in range(writes - 1)]
    ended = [*updates, *harness.ledger.end_writes(replace(run, status=RunStatus.FAILED))]
    harness.clock.advance(31)
    taken = harness.leases.acquire("w/1", "other", 30.0)
    with pytest.raises(StaleFenceError, match="taken over"):
        harness.ledger.commit(ended, [lease])
    assert harness.ledger.find("last").status is RunStatus.SUCCEEDED
    assert harness.documents.count(Query("x")) == max(0, writes - MAX_WRITES)
    again = [Create(f"y/{number:04}", {}) for number in range(writes - 1)]
    harness.ledger.commit([*again, ended[-1]], [taken])
    assert harness.ledger.find("last").status is RunStatus.FAILED


def test_a_run_is_found_by_id_by_a_beginning_and_as_the_last() -> None:
    harness = Harness(workflows({"a": {}}))
    first, second = harness.run_one(), harness.run_one(force=True)
    assert harness.ledger.find(first.run_id) == first
    assert harness.ledger.find("0001") == first
    assert harness.ledger.find("last") == second
    with pytest.raises(UsageError, match="2 runs begin with run-") as several:
        harness.ledger.find("run-")
    assert second.run_id in str(several.value.next_step)
    for unknown in ("run-9", "", "../runs", "a/b"):
        with pytest.raises((NotFoundError, UsageError)):
            harness.ledger.find(unknown)


def test_the_last_run_of_an_empty_ledger_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        Harness(workflows({"a": {}})).ledger.find("last")


def test_runs_are_listed_newest_first_by_name_date_age_and_status() -> None:
    harness = Harness(workflows({"a": FAILS_ONCE, "b": {}}))
    runs = []
    for names, dates in ((("w",), (DAY,)), (("w",), (DAY,)), (("b",), (DAY.plus(1),))):
        runs.append(harness.run_one(*names, dates=dates))
        harness.clock.advance(60)
    failed, done, task = runs
    ledger = harness.ledger
    assert ledger.list() == [task, done, failed]
    assert ledger.list(limit=1) == [task]
    assert ledger.list(name="w") == [done, failed]
    assert ledger.list(date=DAY.plus(1)) == [task]
    assert ledger.list(status="failed") == [failed]
    assert ledger.list(since=done.started_at) == [task, done]


def test_the_runs_of_one_request_are_found_as_a_group() -> None:
    harness = Harness(workflows({"a": {}}))
    alone = harness.run_one()
    first, second = harness.run(dates=(DAY.plus(1), DAY.plus(2)), force=True).runs
    assert first.group is not None
    ledger = harness.ledger
    assert ledger.find_group("last") == [first, second]
    assert ledger.find_group(first.group) == [first, second]
    assert ledger.find_group("group-") == [first, second], "the beginning of an id"
    assert ledger.find_group(first.run_id) == [first]
    assert ledger.find_group(alone.run_id) == [alone]
    assert ledger.list(group=first.group) == [second, first]
    with pytest.raises(UsageError, match=f"{first.group} is a group of runs, and this takes one run") as one:
        ledger.find(first.group)
    assert one.value.next_step == f"Choose one: nbactl runs list --group {first.group}"
    with pytest.raises(NotFoundError, match="no group of runs"):
        ledger.find_group("group-none")
    harness.run(dates=(DAY.plus(3), DAY.plus(4)))
    with pytest.raises(UsageError, match="2 groups begin with group-"):
        ledger.find_group("group-")


def test_runs_are_counted_as_they_are_listed() -> None:
    harness = interrupted()
    harness.dead.add("dead:run-0000")
    ledger = harness.ledger
    assert ledger.count() == 2
    assert ledger.count(name="w", date=DAY) == 2
    assert ledger.count(status="interrupted") == len(ledger.list(status="interrupted")) == 1
    assert ledger.count(status="running") == 0


def test_a_run_recorded_before_requests_were_recorded_is_read() -> None:
    harness = Harness(workflows({"a": {}}))
    run = harness.run_one()
    assert run.requested == ("w",)
    harness.documents.commit([Update(f"runs/{run.run_id}", {"requested": DELETE_FIELD})])
    assert harness.ledger.find("last") == replace(run, requested=())


def test_a_run_whose_process_died_is_interrupted_not_running() -> None:
    harness = interrupted()
    died = harness.ledger.find("run-0000")
    assert harness.ledger.interrupted(died)
    assert harness.ledger.list(status="interrupted") == [died]
    assert harness.ledger.list(status="running") == []
    harness.dead.clear()
    assert harness.ledger.list(status="running") == [died]


def test_inv_20_the_next_run_takes_over_from_a_dead_one_and_gives_it_its_end() -> None:
    harness = interrupted()
    run = harness.run_one()
    assert run.resumed_from == "run-0000"
    assert harness.world.order == ["b", "c"]
    assert run.tasks[0].carried_from == "run-0000"
    died = harness.ledger.find("run-0000")
    assert died.status is RunStatus.FAILED
    assert died.reason == f"its process died; {run.run_id} took over"
    assert statuses(died) == {"a": "succeeded", "b": "cancelled", "c": "cancelled"}


def test_inv_20_a_run_that_died_after_its_last_task_is_ended_without_doing_anything_again() -> None:
    harness = interrupted()
    harness.declare(workflows({"a": {}}))
    run = harness.run_one()
    assert (run.status, run.resumed_from) == (RunStatus.SUCCEEDED, "run-0000")
    assert harness.world.order == []
    assert harness.ledger.find("run-0000").status is RunStatus.FAILED
    assert harness.run_one().status is RunStatus.SKIPPED


def test_a_run_can_be_asked_to_stop_while_it_lives() -> None:
    harness = interrupted()
    with pytest.raises(PreconditionError, match="process died"):
        harness.ledger.request_cancel("run-0000")
    harness.dead.clear()
    assert not harness.ledger.cancel_requested("run-0000")
    harness.ledger.request_cancel("run-0000")
    assert harness.ledger.cancel_requested("run-0000")
    with pytest.raises(PreconditionError, match="not running"):
        harness.ledger.request_cancel("run-0001")
    with pytest.raises(NotFoundError):
        harness.ledger.request_cancel("run-7777")


def test_a_run_of_more_tasks_than_one_commit_holds_is_recorded() -> None:
    harness = Harness(workflows({f"t{n}": {} for n in range(MAX_WRITES + 20)}, max_workers=256))
    run = harness.run_one()
    assert run.status is RunStatus.SUCCEEDED
    assert len(harness.ledger.find(run.run_id).tasks) == MAX_WRITES + 20


def test_the_documents_carry_the_names_that_other_programs_read() -> None:
    harness = Harness(workflows({"a": {"with": {"raises": "data"}}, "b": {"with": {"rows": 7}}}))
    run = harness.run_one()
    document = harness.documents.get(f"runs/{run.run_id}").data
    assert document["game_date"] == str(DAY)
    assert {
        "name": "w",
        "kind": "workflow",
        "status": "failed",
        "target": "local",
        "rows": 7,
    }.items() <= document.items()
    assert document["error"]["task"] == "a"
    assert document["correlation_id"] == run.correlation_id
    task = harness.documents.get(f"runs/{run.run_id}/tasks/a").data
    assert {"name": "a", "kind": "task", "status": "failed", "attempt": 1, "rows": None}.items() <= task.items()
    assert {"type", "message", "traceback"} <= task["error"].keys()
    assert task["correlation_id"] == run.correlation_id


@pytest.mark.parametrize("how", ["gone", "replaced"])
def test_inv_25_finished_is_believed_only_while_what_was_produced_is_there(how: str) -> None:
    project = Project()
    project.run("phase3")
    assert project.did("phase3") == []
    if how == "gone":
        del project.shelf.values["raw.box", DAY.day]
    else:
        project.shelf.put("raw.box", DAY.day, "of someone else")
    said = {"gone": "is gone", "replaced": "is not what this run wrote"}[how]
    assert project.did("phase3") == [f"load 15 stale: raw.box {DAY} {said}"]
    assert project.did("phase3") == []


def test_versions_and_what_a_date_lacks_are_kept_as_they_were_reported() -> None:
    project = Project()
    project.shelf.lacks[DAY.day] = ("0022300500 BOS at MIA is not over",)
    project.run("phase1")
    collect, odds = project.harness.ledger.find("last").tasks
    assert collect.incomplete == ("0022300500 BOS at MIA is not over",)
    assert collect.versions is not None
    assert dict(collect.versions.reads) == {"source:box": "0aaa"}
    assert dict(collect.versions.writes) == {"raw:box": "0aaa"}
    assert odds.incomplete == ()


def test_a_record_of_before_versions_is_read_and_counts_as_stale_once() -> None:
    project = Project()
    project.run("phase1")
    (run,) = project.harness.ledger.list()
    path = f"runs/{run.run_id}/tasks/collect"
    project.harness.documents.commit([Update(path, {"versions": DELETE_FIELD, "incomplete": DELETE_FIELD})])
    assert project.did("phase1") == ["collect 15 stale: it finished before versions were recorded"]
    assert project.did("phase1") == []
