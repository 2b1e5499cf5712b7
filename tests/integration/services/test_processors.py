"""The collector and the processors: whatever comes first and whatever fails, each end is announced once."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap.identity import make_identity
from nbactl.core._support.gamedate import GameDate
from nbactl.core.lease.holder import process_identity
from nbactl.errors import DataError, UnavailableError
from nbactl.testing import FakeClock
from nbactl.testing.faults import failing as failing_at
from nbactl.workflows.model import RunRecord, RunStatus
from tests.kit import service_project
from tests.kit.asgi_client import Answer, ask, ask_async, envelope
from tests.kit.service_project import DAY, ServedProject, behave, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.compute import TaskContext


@pytest.fixture
def project(tmp_path: Path) -> Iterator[ServedProject]:
    with served(tmp_path, "collector", "processors") as made:
        yield made


def failing(error: Exception) -> Any:
    def fail(_: Any) -> int:
        raise error

    return fail


def process(project: ServedProject, *processors: str) -> list[Answer]:
    """Deliver what the collector announced of these scrapers, in this order."""
    sent = {one["processor_name"]: one for one in project.announced("one")}
    return [project.push("/process", sent[name], message_id=name) for name in processors]


def trigger(project: ServedProject, phase: str, message_id: str = "t1", **fields: Any) -> Answer:
    return project.push(f"/{phase}", {"game_date": DAY, "attempt": 1, **fields}, message_id=message_id)


def test_a_scraper_is_run_answered_and_announced_once(project: ServedProject) -> None:
    first, again = project.collect("s_schedule"), project.collect("s_schedule")
    assert first["status"] == "success"
    [result] = first["results"]
    assert (result["processor"], result["status"], result["rows"], result["error"]) == ("schedule", "success", 3, None)
    assert again == first
    [announced] = project.announced("one")
    assert announced["phase"] == "phase_1_scrapers"
    assert (announced["status"], announced["record_count"], announced["output_table"]) == ("success", 3, "schedule")
    assert announced["execution_id"] == result["execution_id"]


def test_a_scraper_that_fails_is_answered_with_200_and_its_error(project: ServedProject) -> None:
    behave("schedule", failing(DataError("the feed is empty")))
    answer = project.collect("s_schedule")
    assert (answer["status"], answer["results"][0]["error"]) == ("failed", "the feed is empty")
    assert project.statuses("one") == [("schedule", "failed")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"scraper": 3}, 400),
        ({"scraper": "s_schedule", "date": "soon"}, 400),
        ({"scraper": "s_schedule", "date": ""}, 400),
        ({"scraper": "s_schedule", "date": False}, 400),
        ({"scraper": "s_x"}, 404),
    ],
)
def test_a_request_that_names_no_scraper_or_date_is_refused(project: ServedProject, body: Any, status: int) -> None:
    answer = project.post("/scrape", body)
    assert answer.status == status
    assert "latest" not in str(answer.json())  # a request takes no such words


@pytest.mark.parametrize("order", list(itertools.permutations(["schedule", "injuries", "schedule"])))
def test_phase_2_is_done_in_whichever_order_its_messages_come(tmp_path: Path, order: tuple[str, ...]) -> None:
    with served(tmp_path, "collector", "processors") as project:
        project.collect("s_schedule")
        project.collect("s_injuries")
        assert [answer.status for answer in process(project, *order)] == [204] * 3
        assert sorted(project.statuses("two")) == [("p2_injuries", "success"), ("p2_schedule", "success")]
        assert service_project.done.count("p2_schedule") == service_project.done.count("p2_injuries") == 1


def test_a_task_whose_need_comes_later_is_run_by_the_message_that_comes_last(project: ServedProject) -> None:
    project.collect("s_injuries")
    assert process(project, "injuries")[0].status == 204
    assert project.announced("two") == []
    project.collect("s_schedule")
    assert process(project, "schedule")[0].status == 204
    assert [name for name, _ in project.statuses("two")] == ["p2_schedule", "p2_injuries"]


def test_a_task_that_is_collected_for_while_its_need_runs_is_not_forgotten(project: ServedProject) -> None:
    def meanwhile(_: Any) -> int:
        project.collect("s_injuries")
        assert process(project, "injuries")[0].status == 204  # it has to wait
        return 3

    behave("p2_schedule", meanwhile)
    project.collect("s_schedule")
    assert process(project, "schedule")[0].status == 204
    assert dict(project.statuses("two")) == {"p2_schedule": "success", "p2_injuries": "success"}


def test_a_scraper_that_failed_fails_what_reads_it_and_may_succeed_later(project: ServedProject) -> None:
    behave("schedule", failing(DataError("the feed is empty")))
    project.collect("s_schedule")
    assert process(project, "schedule")[0].status == 204
    assert dict(project.statuses("two")) == {"p2_schedule": "failed", "p2_injuries": "failed"}
    behave("schedule", None)
    project.collect("s_schedule")
    assert process(project, "schedule")[0].status == 204
    assert dict(project.statuses("two"))["p2_schedule"] == "success"


@pytest.mark.parametrize(
    "data",
    [
        {"processor_name": "nobody", "game_date": DAY, "status": "success"},
        {"processor_name": "schedule", "game_date": "2025-02-30", "status": "success"},
        {"processor_name": "schedule", "game_date": DAY, "status": "great"},
        {"game_date": DAY, "status": "success"},
        [1],
    ],
)
def test_a_completion_that_nobody_can_use_is_refused_for_the_dead_letter(project: ServedProject, data: Any) -> None:
    assert project.push("/process", data).status == 400


@pytest.mark.parametrize("data", [{}, {"game_date": "soon"}, {"game_date": DAY, "attempt": -1}])
def test_a_trigger_without_a_date_is_refused_for_the_dead_letter(project: ServedProject, data: Any) -> None:
    assert project.push("/phase3", data).status == 400


def test_the_messages_that_mean_one_start_start_it_once(tmp_path: Path) -> None:
    with served(tmp_path, "processors", environ={"ENABLE_IDEMPOTENCY_KEYS": "true"}) as project:
        answers = [trigger(project, "phase3", f"m{number}", source_table=f"t{number}") for number in range(5)]
        assert [answer.status for answer in answers] == [204] * 5
        assert dict(project.statuses("three")) == {"player_game_summary": "success", "team_summary": "success"}
        assert len(service_project.done) == 2
        # Another attempt is another start; what is fresh is not done again.
        assert trigger(project, "phase3", "m9", attempt=2).status == 204
        assert len(project.runs("phase3")) == 1


def test_the_messages_of_one_start_do_a_date_that_is_not_over_once(tmp_path: Path) -> None:
    """Without keys, on the day of the game: no result is final, and another attempt does all of it again."""
    clock = FakeClock(datetime(2025, 1, 15, 17, tzinfo=UTC))
    with served(tmp_path, "processors", clock=clock) as project:
        for attempt in (1, 2):
            decided_at = clock.now().isoformat()
            for number in range(3):
                sent = {"attempt": attempt, "decided_at": decided_at, "source_table": f"t{number}"}
                assert trigger(project, "phase3", f"m{attempt}{number}", **sent).status == 204
                clock.advance(1.0)
            assert len(service_project.done) == 2 * attempt
            assert len(project.statuses("three")) == 2 * attempt


def test_a_start_of_production_has_no_number_and_each_is_worked_on(project: ServedProject) -> None:
    for message_id in ("a", "b"):
        sent = {"analysis_date": DAY, "source_table": "x", "success": True}
        assert project.push("/phase4", sent, message_id=message_id).status == 204
    assert project.statuses("four") == [("daily_cache", "success")]


def test_what_the_ledger_has_and_was_not_announced_is_announced_when_the_trigger_comes_again(
    project: ServedProject,
) -> None:
    with failing_at("services.announcing", UnavailableError("the process is gone"), times=99):
        assert trigger(project, "phase3").status == 503
    assert project.runs("phase3") == ["succeeded"]
    assert project.announced("three") == []
    for message_id in ("t1", "t2"):
        assert trigger(project, "phase3", message_id).status == 204
    assert project.statuses("three") == [("player_game_summary", "success"), ("team_summary", "success")]
    assert len(service_project.done) == 2


def test_callers_without_an_identity_are_refused_and_the_platform_is_not(project: ServedProject) -> None:
    project.app.identity = make_identity(
        {"NBACTL_PUSH_AUDIENCE": "https://example.test", "NBACTL_PUSH_ACCOUNTS": "push@p.iam.gserviceaccount.com"},
        clock=project.app.clock,
        timeouts=project.app.timeouts,
    )
    assert [trigger(project, "phase3").status, project.post("/scrape", {}).status] == [401, 401]
    assert ask(project.service, "/live").status == 200
    project.service.self_test()  # the service itself needs none


def test_a_phase_that_another_process_runs_is_refused_until_it_has_ended(project: ServedProject) -> None:
    lease = project.app.leases.acquire(f"phase3/{DAY}", "somebody else", 60.0)
    assert trigger(project, "phase3").status == 409
    assert project.post("/process-date-range", {"start_date": DAY, "end_date": DAY}).status == 409
    project.app.leases.release(lease)
    assert trigger(project, "phase3").status == 204


def test_a_phase_waits_for_the_rest_of_the_phase_that_it_needs(project: ServedProject) -> None:
    begun, go, overtaken, order = threading.Event(), threading.Event(), threading.Event(), []

    def late(_: Any) -> int:
        begun.set()
        assert go.wait(10)
        order.append("team_summary")
        return 3

    def after(_: Any) -> int:
        overtaken.set()
        order.append("daily_cache")
        return 3

    behave("team_summary", late)
    behave("daily_cache", after)

    async def scenario() -> None:  # one loop serves both requests, as a server does
        body = envelope({"game_date": DAY, "attempt": 1})
        third = asyncio.create_task(ask_async(project.service, "/phase3", "POST", body=body))
        assert await asyncio.to_thread(begun.wait, 10)
        fourth = asyncio.create_task(ask_async(project.service, "/phase4", "POST", body=body))
        assert not await asyncio.to_thread(overtaken.wait, 0.5)
        go.set()
        assert {(await third).status, (await fourth).status} == {204}

    asyncio.run(scenario())
    assert order == ["team_summary", "daily_cache"]


def test_a_run_elsewhere_that_has_the_lease_gets_its_tasks_done_under_it(project: ServedProject) -> None:
    app, tokens = project.app, []
    owner, day = process_identity("run-elsewhere"), GameDate.iso(DAY)
    lease = app.leases.acquire(f"phase3/{DAY}", owner, 60.0)
    asking = RunRecord(
        run_id="run-elsewhere", name="phase3", kind="phase", game_date=day, source=app.source.key, target="local",
        status=RunStatus.RUNNING, started_at=app.clock.now(), finished_at=None, correlation_id="corr-1", owner=owner,
        resumed_from=None, group=None, lease=lease.name,
    )  # fmt: skip
    app.ledger.start(asking, supersedes=None)

    def note(context: TaskContext) -> int:
        tokens.append(context.fence.token)
        return 3

    behave("player_game_summary", note)
    behave("team_summary", failing(DataError("no teams")))
    body = json.dumps({"start_date": DAY, "end_date": DAY}).encode()

    def start(*headers: tuple[str, str]) -> Answer:
        request = ask_async(project.service, "/process-date-range", "POST", body=body, headers=headers)
        return asyncio.run(request)

    assert start().status == 409
    assert start(("baggage", "run_id=run-other")).status == 409
    answer = start(("baggage", "run_id=run-elsewhere"))
    assert {one["processor"]: one["status"] for one in answer.json()["results"]} == {
        "player_game_summary": "success",
        "team_summary": "failed",
    }
    assert tokens == [lease.token]
    assert project.statuses("three") == [("player_game_summary", "success"), ("team_summary", "failed")]
    [run] = app.ledger.list(name="phase3")
    assert (run.run_id, run.status, app.leases.current(lease.name)) == ("run-elsewhere", RunStatus.RUNNING, lease)


class TestHttpStarts:
    """Production's requests: the answer says of each processor what became of it."""

    def test_several_processors_and_an_unknown_one(self, project: ServedProject) -> None:
        names = ["PlayerGameSummaryProcessor", "AsyncTeamSummaryProcessor", "NobodyProcessor"]
        body = {"start_date": DAY, "end_date": DAY, "processors": names}
        answer = project.post("/process-date-range", body)
        assert answer.status == 200
        results = {one["processor"]: one for one in answer.json()["results"]}
        assert answer.json()["status"] == "partial"
        assert {name: one["status"] for name, one in results.items()} == dict(
            zip(names, ("success", "success", "failed"), strict=True)
        )
        assert "known: player_game_summary" in results["NobodyProcessor"]["error"]
        assert sorted(project.statuses("three")) == [("player_game_summary", "success"), ("team_summary", "success")]

    def test_only_unknown_ones_fail_and_run_nothing(self, project: ServedProject) -> None:
        body = {"start_date": DAY, "end_date": DAY, "processors": ["NobodyProcessor"]}
        assert project.post("/process-date-range", body).json()["status"] == "failed"
        assert service_project.done == []

    def test_without_downstream_trigger_nothing_is_announced(self, project: ServedProject) -> None:
        body = {"start_date": DAY, "end_date": DAY, "skip_downstream_trigger": True}
        assert project.post("/process-date-range", body).json()["status"] == "success"
        assert project.announced("three") == []

    def test_backfill_does_again_what_is_done(self, project: ServedProject) -> None:
        body = {"analysis_date": DAY, "processors": ["DailyCacheProcessor"], "skip_dependency_check": True}
        for more in ({}, {}, {"backfill_mode": True}):
            assert project.post("/process-date", {**body, **more}).json()["status"] == "success"
        assert service_project.done == ["daily_cache"] * 2

    def test_a_strict_start_is_refused_before_the_phases_that_it_needs(self, project: ServedProject) -> None:
        answer = project.post("/process-date", {"analysis_date": DAY, "strict_mode": True})
        assert (answer.status, answer.json()["error"]["code"]) == (409, "precondition")
        assert "skip_dependency_check" in answer.json()["error"]["next"]  # no option of a command

    def test_a_failure_is_in_the_body_and_the_code_is_200(self, project: ServedProject) -> None:
        behave("player_game_summary", failing(DataError("no box scores")))
        answer = project.post("/process-date-range", {"start_date": DAY, "end_date": DAY})
        assert (answer.status, answer.json()["status"]) == (200, "failed")
        assert answer.json()["results"][0]["error"] == "no box scores"
        assert dict(project.statuses("three")) == {"player_game_summary": "failed", "team_summary": "skipped"}

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"start_date": DAY},
            {"start_date": DAY, "end_date": "2025-01-01"},
            {"start_date": "2020-01-01", "end_date": DAY},
            {"start_date": DAY, "end_date": DAY, "processors": "all"},
            {"start_date": DAY, "end_date": DAY, "processors": []},
            {"start_date": DAY, "end_date": DAY, "backfill_mode": "yes"},
            {"start_date": DAY, "end_date": DAY, "skip_downstream_trigger": 1},
        ],
    )
    def test_a_wrong_request_is_refused(self, project: ServedProject, body: Any) -> None:
        assert project.post("/process-date-range", body).status == 400


def test_a_phase_that_the_end_of_the_service_stops_is_resumed_by_the_next_delivery(project: ServedProject) -> None:
    begun, go = threading.Event(), threading.Event()

    def hang(_: Any) -> int:
        begun.set()
        go.wait(30)
        return 3

    behave("team_summary", hang)

    async def scenario() -> None:
        body = envelope({"game_date": DAY, "attempt": 1})
        request = asyncio.create_task(ask_async(project.service, "/phase3", "POST", body=body))
        assert await asyncio.to_thread(begun.wait, 10)
        request.cancel("the service stops")
        with pytest.raises(asyncio.CancelledError):
            await request

    asyncio.run(scenario())
    assert project.runs("phase3") == ["cancelled"]
    assert project.statuses("three") == [("player_game_summary", "success")]
    behave("team_summary", None)
    assert trigger(project, "phase3").status == 204
    go.set()
    assert dict(project.statuses("three")) == {"player_game_summary": "success", "team_summary": "success"}
    assert service_project.done.count("player_game_summary") == 1
