"""A task on gcp is a call of its service: what is sent, what the answer means, and what happens if there is none."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.cloudrun.answers import ServiceFailedError
from nbactl.errors import (
    DataError,
    NbactlError,
    NotAuthorisedError,
    NotFoundError,
    PreconditionError,
    StillRunningError,
    TimedOutError,
    UnavailableError,
)
from nbactl.ports.documents import Delete, Set
from nbactl.ports.warehouse import Rows
from nbactl.warehouse.tables import ensure_tables
from tests.integration.adapters.cloudrun.calls_kit import (
    ANALYTICS,
    BODY,
    CLASS,
    DAY,
    SUMMARY,
    Calls,
    open_calls,
    task_call,
)
from tests.kit.cloud_run_server import LATEST, PINNED
from tests.kit.pipeline_services import HISTORY

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calls]:
    with open_calls(tmp_path_factory.mktemp("calls")) as opened:
        yield opened


@pytest.fixture
def calls(shared: Calls) -> Calls:
    shared.services.recover()
    shared.services.settle()
    shared.services.requests.clear()
    for path in ("service_calls", "phase3_completion"):
        for name in list(shared.documents.list_ids(path)):
            shared.documents.commit([Delete(f"{path}/{name}")])
    shared.warehouse.apply_ddl(["DROP TABLE IF EXISTS nba_reference.processor_run_history"], timeout=10.0)
    shared.warehouse.create_table(HISTORY)
    shared.done.clear()
    shared.silence = 30.0
    shared.phases = {SUMMARY: "phase3"}
    return shared


def error_of(calls: Calls, **how: Any) -> NbactlError:
    with pytest.raises(NbactlError) as raised:
        calls.run(**how)
    return raised.value


def test_a_call_has_the_declared_body_and_the_context_of_its_run(calls: Calls) -> None:
    outcome = calls.run()
    assert outcome.rows == 7
    [seen] = calls.services.requests
    assert (seen.service, seen.path) == (ANALYTICS, "/process-date-range")
    assert seen.body == {**BODY, "start_date": "2024-01-15", "end_date": "2024-01-15"}
    assert seen.headers["x-correlation-id"] == "corr-run-1"
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", seen.headers["traceparent"])
    assert 0 < int(seen.headers["x-deadline-ms"]) <= 20_000
    assert {name: outcome.detail[name] for name in ("service", "url", "correlation_id", "execution_id")} == {
        "service": ANALYTICS,
        "url": f"{calls.services.urls[ANALYTICS]}/process-date-range",
        "correlation_id": "corr-run-1",
        "execution_id": f"exec-{ANALYTICS}",
    }
    record = calls.record()
    assert (record["state"], record["target"], record["run_id"], record["rows"]) == ("done", "gcp", "run-1", 7)


def test_a_push_service_gets_an_envelope_with_the_body_inside(calls: Calls) -> None:
    body = {"processor_name": "schedule", "game_date": "{game_date}", "trace": "{correlation_id}/{run_id}"}
    parameters = {"path": "/process", "push": True, "processor": "p2_schedule", "body": body}
    calls.run(service="nba-phase2-raw-processors", task="p2_schedule", parameters=parameters)
    [seen] = calls.services.requests
    assert seen.body == {"processor_name": "schedule", "game_date": "2024-01-15", "trace": "corr-run-1/run-1"}


def test_a_failed_processor_inside_an_answer_of_200_fails_its_task(calls: Calls) -> None:
    calls.services.behave(ANALYTICS, "failing")
    error = error_of(calls)
    assert isinstance(error, ServiceFailedError)
    assert not error.retryable
    assert error.message.endswith(f"reported that {CLASS} failed: column points is missing")
    assert calls.record()["state"] == "failed"
    assert error.details["call"]["service"] == ANALYTICS


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ({"status": "success", "results": [{"processor": "player_game_summary", "status": "success", "rows": 5}]}, 5),
        ({"status": "success", "results": [{"processor": CLASS, "status": "partial", "records_processed": 3}]}, 3),
        ({"status": "success", "results": [{"processor": CLASS, "status": "no_data"}]}, 0),
        ({"status": "ok", "rows": 12}, 12),
        (
            {
                "status": "partial",
                "results": [
                    {"processor": "OtherProcessor", "status": "failed", "error": "x"},
                    {"processor": f"Async{CLASS}", "status": "success", "record_count": 4},
                ],
            },
            4,
        ),
    ],
)
def test_rows_are_those_of_the_tasks_own_result(calls: Calls, body: dict[str, Any], rows: int) -> None:
    calls.services.behave(ANALYTICS, "code", code=200, text=json.dumps(body))
    assert calls.run().rows == rows


def test_rows_that_an_answer_lacks_are_those_of_the_phase_document(calls: Calls) -> None:
    calls.services.work = lambda *_: 9

    def answer(how: str) -> int | None:
        bare = {"status": "success", "results": [{"processor": CLASS, "status": "success"}]}
        calls.services.behave(ANALYTICS, "code", code=200, text=json.dumps(bare), reports=how == "reports", times=1)
        return calls.run(f"run-{how}", forced=True).rows

    assert [answer("silent"), answer("reports")] == [None, 9]
    calls.services.work = lambda *_: 7


@pytest.mark.parametrize(
    ("how", "kind", "code", "said"),
    [
        ({"mode": "forbidden"}, NotAuthorisedError, 5, "roles/run.invoker is missing"),
        ({"mode": "code", "code": 401, "text": ""}, NotAuthorisedError, 5, "does not accept the identity token"),
        ({"mode": "code", "code": 404, "text": "nothing here"}, NotFoundError, 4, "has no route POST /process-date"),
        ({"mode": "throttled"}, UnavailableError, 7, "is at its limit of instances"),
        ({"mode": "code", "code": 500, "text": "boom"}, UnavailableError, 7, "failed: error 500"),
        ({"mode": "code", "code": 503, "text": "busy"}, UnavailableError, 7, "is not available"),
        ({"mode": "html"}, DataError, 1, "answered with a web page instead of JSON"),
        ({"mode": "code", "code": 200, "text": "[1, 2]"}, DataError, 1, "instead of JSON"),
        ({"mode": "code", "code": 200, "text": '{"ok": true}'}, DataError, 1, "JSON of an unknown shape"),
        ({"mode": "code", "code": 200, "text": '{"status": "ok", "results": []}'}, DataError, 1, "reported nothing"),
        ({"mode": "code", "code": 400, "text": "bad date"}, DataError, 1, "refused the request: error 400"),
        (
            {"mode": "code", "code": 302, "text": "", "headers": {"Location": "https://login.example/x"}},
            DataError,
            1,
            "answered with a redirect to https://login.example/x",
        ),
    ],
)
def test_each_refusal_is_an_error_of_its_own(
    calls: Calls, how: dict[str, Any], kind: type[NbactlError], code: int, said: str
) -> None:
    calls.services.behave(ANALYTICS, **how)
    error = error_of(calls)
    assert type(error) is kind
    assert error.exit_code == code
    assert said in error.message
    assert error.next_step
    assert calls.record()["state"] in ("failed", "not_done")
    calls.services.recover()
    assert calls.run("run-2").rows == 7  # what was refused is sent again
    assert len(calls.services.requests) == 2


def test_a_refusal_says_how_to_grant_the_role(calls: Calls) -> None:
    calls.services.behave(ANALYTICS, "forbidden")
    assert error_of(calls).next_step == (
        f"Grant it: gcloud run services add-iam-policy-binding {ANALYTICS} --member serviceAccount:ACCOUNT "
        "--role roles/run.invoker --region us-west2 --project nba-props-platform"
    )


def test_a_service_that_is_not_there_is_named_with_the_one_that_was_meant(calls: Calls) -> None:
    error = error_of(calls, service="nba-phase3-analytic-processors")
    assert isinstance(error, NotFoundError)
    assert f"Did you mean '{ANALYTICS}'?" in (error.next_step or "")
    assert calls.services.requests == []


def test_a_service_whose_address_does_not_answer_was_not_called(calls: Calls) -> None:
    calls.cloud.services[ANALYTICS]["uri"], before = "http://127.0.0.1:9", calls.cloud.services[ANALYTICS]["uri"]
    error = error_of(calls)
    calls.cloud.services[ANALYTICS]["uri"] = before
    assert isinstance(error, UnavailableError)
    assert "cannot be reached at http://127.0.0.1:9" in error.message
    assert calls.record()["state"] == "not_done"


def test_a_region_that_does_not_answer_is_unavailable(calls: Calls) -> None:
    address, calls.cloud.address = calls.cloud.address, "127.0.0.1:9"
    error = error_of(calls)
    calls.cloud.address = address
    assert (error.exit_code, "in us-west2" in error.message) == (7, True)


def test_a_service_without_traffic_is_refused_and_a_pinned_one_is_a_warning(calls: Calls) -> None:
    raw = calls.cloud.services[ANALYTICS]
    before = raw["trafficStatuses"]
    raw["trafficStatuses"] = [{"type": LATEST, "percent": 0}]
    error = error_of(calls)
    assert isinstance(error, PreconditionError)
    assert "no revision" in error.message
    assert "update-traffic" in (error.next_step or "")
    raw["trafficStatuses"] = [{"type": PINNED, "revision": "old-1", "percent": 100}]
    warnings = calls.run().detail["warnings"]
    raw["trafficStatuses"] = before
    assert warnings == [f"{ANALYTICS} is pinned to old-1; its newest revision gets no requests"]


# --- Calls without an answer ---


@pytest.mark.parametrize("mode", ["cut_after", "later", "cut_early", "slow", "duplicate"])
def test_inv_05_work_that_goes_on_is_followed_and_not_done_twice(calls: Calls, mode: Any) -> None:
    calls.services.behave(ANALYTICS, mode, seconds=0.15)
    assert calls.run().rows == 7
    assert len(calls.services.requests) == 1
    assert calls.record()["state"] == "done"


def test_inv_30_a_call_that_left_no_trace_is_made_again_by_the_next_attempt(calls: Calls) -> None:
    calls.silence = 0.2
    calls.services.behave(ANALYTICS, "cut_before", times=1)
    error = error_of(calls)
    assert isinstance(error, UnavailableError)
    assert error.retryable
    assert "was called and left no trace" in error.message
    assert calls.record()["state"] == "not_done"
    assert calls.run(attempt=2).rows == 7
    assert len(calls.services.requests) == 2


def test_a_failure_in_the_run_history_ends_the_wait_for_a_lost_call(calls: Calls) -> None:
    calls.services.behave(ANALYTICS, "crash")
    error = error_of(calls)
    assert isinstance(error, ServiceFailedError)
    assert error.message.endswith("failed: column points is missing")
    assert "nba_reference.processor_run_history" in (error.cause or "")


@pytest.mark.parametrize(
    ("code", "text"),
    [(504, "upstream request timeout"), (502, ""), (503, "malformed or connection to the instance had an error")],
)
def test_a_proxy_that_gave_up_says_nothing_about_the_service(calls: Calls, code: int, text: str) -> None:
    calls.silence = 0.2
    calls.services.behave(ANALYTICS, "code", code=code, text=text, times=1)
    assert "left no trace" in error_of(calls).message
    assert calls.record()["state"] == "not_done"


def test_a_lost_call_of_which_nobody_can_know_is_not_repeated_without_force(calls: Calls) -> None:
    calls.phases = {}
    calls.warehouse.apply_ddl(["DROP TABLE nba_reference.processor_run_history"], timeout=10.0)
    warehouse, calls.services.warehouse = calls.services.warehouse, None
    calls.services.behave(ANALYTICS, "cut_before", times=1)
    try:
        error = error_of(calls)
        assert isinstance(error, PreconditionError)
        assert "nobody can say" in error.message
        assert "--force" in (error.next_step or "")
        assert "nobody can say" in error_of(calls, run_id="run-2").message
        assert len(calls.services.requests) == 1
        assert calls.run("run-3", forced=True).rows == 7
    finally:
        calls.warehouse.create_table(HISTORY)
        calls.services.warehouse = warehouse
    assert len(calls.services.requests) == 2


# --- Calls of earlier runs ---


def test_inv_20_a_call_that_an_earlier_run_left_is_taken_up(calls: Calls) -> None:
    calls.services.behave(ANALYTICS, "later", seconds=0.4)
    with pytest.raises(StillRunningError):
        calls.run("run-1", wait=False)
    assert calls.record()["state"] == "sent"
    outcome = calls.run("run-2")
    assert (outcome.rows, outcome.detail["correlation_id"]) == (7, "corr-run-1")
    assert len(calls.services.requests) == 1


def test_inv_20_an_answer_that_was_recorded_counts_until_the_ledger_has_the_task_as_done(calls: Calls) -> None:
    calls.run("run-1")  # killed before the ledger had it
    assert calls.run("run-2").rows == 7
    assert len(calls.services.requests) == 1
    calls.done.add(("run-1", SUMMARY))
    calls.run("run-3")
    assert len(calls.services.requests) == 2


def test_a_report_of_before_the_call_is_not_its_end(calls: Calls) -> None:
    old = {"status": "success", "completed_at": datetime(2024, 1, 15, tzinfo=UTC), "record_count": 99}
    calls.documents.commit([Set(f"phase3_completion/{DAY}", {SUMMARY: old})])
    calls.services.behave(ANALYTICS, "later", seconds=0.2)
    assert calls.run().rows == 7


def test_a_forced_task_is_called_whatever_an_earlier_run_left(calls: Calls) -> None:
    calls.run("run-1")
    calls.run("run-2", forced=True)
    assert len(calls.services.requests) == 2


def test_no_wait_returns_while_the_service_works_on(calls: Calls) -> None:
    calls.services.behave(ANALYTICS, "slow", seconds=1.0)
    with pytest.raises(StillRunningError) as raised:
        calls.run("run-1", wait=False)
    assert raised.value.exit_code == 8
    assert raised.value.details["service"] == ANALYTICS
    assert calls.run("run-2").rows == 7
    assert len(calls.services.requests) == 1


def test_no_wait_reports_a_refusal(calls: Calls) -> None:
    calls.services.behave(ANALYTICS, "forbidden")
    assert isinstance(error_of(calls, wait=False), NotAuthorisedError)


def test_inv_30_following_ends_with_the_attempt(calls: Calls) -> None:
    calls.services.behave(ANALYTICS, "lost_later")
    error = error_of(calls, timeout=0.5)
    assert isinstance(error, TimedOutError)
    assert error.details["call"]["execution_id"] == f"exec-{ANALYTICS}"
    assert calls.record()["state"] == "sent"


def test_a_call_that_is_cancelled_says_what_goes_on(calls: Calls) -> None:
    calls.services.behave(ANALYTICS, "slow", seconds=0.5)

    async def cancel() -> None:
        task = asyncio.ensure_future(calls.run_async(task_call()))
        await asyncio.to_thread(calls.services.wait_for, 1)
        task.cancel()
        await task

    with pytest.raises(StillRunningError) as raised:
        asyncio.run(cancel())
    assert raised.value.details["correlation_id"] == "corr-run-1"


# --- for_each ---


def games(calls: Calls, *ids: str) -> None:
    calls.warehouse.apply_ddl(["DROP TABLE IF EXISTS nba_raw.games"], timeout=10.0)
    ensure_tables(calls.warehouse, ["nba_raw.games"])
    columns = ("game_id", "game_date", "season", "home_team_abbr", "away_team_abbr", "game_status", "source")
    values = [(game, DAY, "2023-24", f"H{game}", f"A{game}", "final", "sample") for game in ids]
    if values:
        calls.warehouse.load("nba_raw.games", Rows(columns, values), timeout=10.0)


def scrape(**more: str) -> dict[str, Any]:
    each = next(iter(more))
    placeholder = {"game": "game_id", "team": "team", "event": "event_id", "player": "player"}[each]
    return {
        "path": "/scrape",
        "for_each": each,
        "body": {"scraper": "pbp", "date": "{game_date}", "id": f"{{{placeholder}}}"},
    }


def test_one_call_is_made_for_each_game_of_the_schedule(calls: Calls) -> None:
    games(calls, "001", "002", "003")
    outcome = calls.run(service="nba-scrapers", task="pbp", parameters=scrape(game=""))
    assert (outcome.rows, outcome.detail["calls"]) == (21, 3)
    assert sorted(seen.body["id"] for seen in calls.services.requests) == ["001", "002", "003"]


def test_one_call_is_made_for_each_team(calls: Calls) -> None:
    games(calls, "1", "2")
    calls.run(service="nba-scrapers", task="rosters", parameters=scrape(team=""))
    assert sorted(seen.body["id"] for seen in calls.services.requests) == ["A1", "A2", "H1", "H2"]


def test_only_the_calls_that_failed_are_made_again(calls: Calls) -> None:
    games(calls, "001", "002", "003")
    calls.services.behave("nba-scrapers", "failing", times=1)
    error = error_of(calls, service="nba-scrapers", task="pbp", parameters=scrape(game=""))
    assert "pbp: 1 of 3 calls failed (00" in error.message
    outcome = calls.run("run-2", service="nba-scrapers", task="pbp", parameters=scrape(game=""))
    assert outcome.rows == 21
    assert len(calls.services.requests) == 4


def test_a_date_without_games_makes_no_call_and_says_so(calls: Calls) -> None:
    games(calls)
    outcome = calls.run(service="nba-scrapers", task="pbp", parameters=scrape(game=""))
    assert (outcome.rows, outcome.detail["reason"]) == (0, "no games on 2024-01-15 in the schedule")
    assert calls.services.requests == []


def test_a_schedule_that_lacks_what_is_needed_is_named(calls: Calls) -> None:
    games(calls, "001")
    error = error_of(calls, service="nba-scrapers", task="props", parameters=scrape(event=""))
    assert isinstance(error, NotFoundError)
    assert "one call for each event" in error.message
    assert "event_id" in (error.cause or "")


def test_inv_28_a_token_in_an_answer_is_masked_where_it_is_kept(calls: Calls) -> None:
    secret = "ya29.a0AfH6SMBx-abcdefghijklmnopqrstuvwxyz0123456789"  # noqa: S105 - made up
    answer = {"status": "success", "execution_id": secret, "rows": 1}
    calls.services.behave(ANALYTICS, "code", code=200, text=json.dumps(answer))
    outcome = calls.run()
    assert secret not in str(outcome.detail)
    assert secret not in str(calls.record())
