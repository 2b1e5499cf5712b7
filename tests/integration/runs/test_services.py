"""`nbactl run` on target gcp: phases by deployed services, followed and resumed."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.integration.runs.gcp_project import ANALYTICS, DAY
from tests.kit.pipeline_services import names_of_tasks

if TYPE_CHECKING:
    import subprocess

    import pytest

    from tests.integration.runs.gcp_project import GcpProject

TASKS = [
    "player_game_summary",
    "team_defense_game_summary",
    "team_offense_game_summary",
    "upcoming_player_game_context",
    "upcoming_team_game_context",
]
SUMMARY = "PlayerGameSummaryProcessor"


def called(gcp: GcpProject) -> list[str]:
    """Return the tasks that the services were called for."""
    return names_of_tasks(name for seen in gcp.services.of(ANALYTICS) for name in seen.processors)


def test_a_phase_is_one_call_for_each_task_and_the_ledger_says_of_which_service(gcp: GcpProject) -> None:
    tasks = gcp.run("phase3")
    assert called(gcp) == TASKS
    assert {task["status"] for task in tasks.values()} == {"succeeded"}
    assert {task["rows"] for task in tasks.values()} == {7}
    [shown] = [gcp("runs", "show", gcp.last["run_id"])["data"]["run"]]
    detail = shown["tasks"][0]["detail"]
    assert detail["service"] == ANALYTICS
    assert detail["url"] == f"{gcp.services.urls[ANALYTICS]}/process-date-range"
    assert detail["correlation_id"] == shown["correlation_id"]
    assert shown["target"] == "gcp"
    assert gcp.run("phase3")["player_game_summary"]["status"] == "succeeded"
    assert gcp.last["status"] == "skipped"
    assert called(gcp) == TASKS


def test_inv_29_nbactl_writes_no_phase_document(gcp: GcpProject) -> None:
    gcp.services.documents = None  # nothing reports
    gcp.run("phase3")
    assert list(gcp.documents.list_ids("phase3_completion")) == []


def test_upstream_phases_that_nobody_did_are_refused_with_6(gcp: GcpProject) -> None:
    gcp.phase("phase2", _trigger_pending=True)
    error = gcp("run", "phase3", "--date", DAY, code=6)["error"]
    assert error["message"] == f"phase3 for {DAY} needs phase1, phase2, not finished for that date"
    assert gcp.services.requests == []
    gcp.run("phase3", "--upstream", "skip")
    assert called(gcp) == TASKS


def test_upstream_phases_that_the_processors_reported_are_done(gcp: GcpProject) -> None:
    report = {"status": "success", "record_count": 4}
    gcp.phase("phase2", p2_schedule=report)
    gcp("run", "phase3", "--date", DAY, code=6)
    gcp.phase("phase2", p2_schedule=report, p2_player_boxscores=report)
    gcp.run("phase3")


def test_an_upstream_phase_is_done_once_productions_critical_processors_are(gcp: GcpProject) -> None:
    report = {"status": "success", "record_count": 4}
    critical = ("p2_odds_game_lines", "p2_nbacom_gamebook_pdf", "p2_nbacom_boxscores")
    gcp.phase("phase2", **dict.fromkeys(critical[:2], report))
    gcp("run", "phase3", "--date", DAY, code=6)
    gcp.phase("phase2", **dict.fromkeys(critical, report))
    gcp.run("phase3")


def test_a_failed_processor_fails_its_task_and_not_the_others(gcp: GcpProject) -> None:
    gcp.services.behave(ANALYTICS, "failing", processor=SUMMARY)
    tasks = gcp.run("phase3", code=1)
    assert tasks["player_game_summary"]["status"] == "failed"
    assert tasks["player_game_summary"]["attempts"] == 1
    assert tasks["player_game_summary"]["detail"]["service"] == ANALYTICS
    assert [name for name, task in tasks.items() if task["status"] != "succeeded"] == ["player_game_summary"]
    gcp.services.recover()
    gcp.run("phase3")
    assert called(gcp) == sorted([*TASKS, "player_game_summary"])


def test_no_wait_ends_with_8_and_the_same_command_follows(gcp: GcpProject) -> None:
    gcp.services.behave(ANALYTICS, "later", seconds=0.8)
    document = gcp("run", "phase3", "--date", DAY, "--no-wait", code=8)
    [run] = document["data"]["runs"]
    states = {task["name"]: task["status"] for task in run["tasks"]}
    assert (run["status"], set(states.values())) == ("detached", {"detached", "skipped"})
    assert states["player_game_summary"] == "skipped"  # it needs team_offense_game_summary
    assert document["error"]["code"] == "still_running"
    assert document["error"]["next"] == f"Follow them: nbactl run phase3 --date {DAY} --state-dir {gcp.folder}/state"
    detail = next(task["detail"] for task in run["tasks"] if task["status"] == "detached")
    assert detail["service"] == ANALYTICS
    tasks = gcp.run("phase3")
    assert gcp.last["resumed_from"] == run["run_id"]
    assert {task["status"] for task in tasks.values()} == {"succeeded"}
    assert called(gcp) == TASKS


def test_the_phases_after_one_that_is_still_running_are_not_started(gcp: GcpProject) -> None:
    gcp.services.behave(ANALYTICS, "later", seconds=0.5)
    runs = gcp("run", "phase3", "phase4", "--date", DAY, "--no-wait", code=8)["data"]["runs"]
    assert [(run["name"], run["status"]) for run in runs] == [("phase3", "detached"), ("phase4", "skipped")]
    assert runs[1]["reason"] == f"phase3 for {DAY} detached"


def test_wait_that_runs_out_ends_with_8_and_resumes(gcp: GcpProject) -> None:
    gcp.services.behave(ANALYTICS, "slow", seconds=1.5)
    tasks = gcp.run("phase3", "--only", "team_offense_game_summary", "--timeout", "600ms", code=8)
    assert tasks["team_offense_game_summary"]["status"] == "detached"
    assert gcp.run("phase3", "--only", "team_offense_game_summary")["team_offense_game_summary"]["rows"] == 7
    assert len(gcp.services.requests) == 1


def test_a_tasks_timeout_bounds_its_attempt_and_the_next_one_follows_the_same_call(
    gcp: GcpProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBACTL_TIMEOUT_TASK_ANALYTICS", "700ms")
    for name in ("WAREHOUSE_QUERY", "WAREHOUSE_QUERY_LARGE"):
        monkeypatch.setenv(f"NBACTL_TIMEOUT_{name}", "100ms")
    gcp.services.behave(ANALYTICS, "slow", seconds=1.2)
    task = gcp.run("team_offense_game_summary")["team_offense_game_summary"]
    assert (task["status"], task["attempts"]) == ("succeeded", 2)
    assert len(gcp.services.requests) == 1


def test_inv_20_a_killed_run_leaves_a_call_that_the_same_command_takes_up(gcp: GcpProject) -> None:
    gcp.services.behave(ANALYTICS, "slow", seconds=1.5, processor="TeamOffenseGameSummaryProcessor")
    killed = gcp.start("phase3")
    gcp.services.wait_for(4)
    killed.kill()
    finish(killed)
    assert killed.returncode == -signal.SIGKILL
    tasks = gcp.run("phase3")
    assert {task["status"] for task in tasks.values()} == {"succeeded"}
    assert called(gcp) == TASKS


def test_inv_20_a_run_killed_before_its_request_was_sent_calls_once_it_is_known_that_it_did_not_happen(
    gcp: GcpProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    gcp.env["NBACTL_FAULTS"] = "cloudrun.call_recorded=kill"
    killed = gcp.start("team_offense_game_summary")
    finish(killed)
    assert killed.returncode == -signal.SIGKILL
    assert gcp.services.requests == []
    monkeypatch.setenv("NBACTL_TIMEOUT_SERVICE_SILENCE", "1s")
    assert gcp.run("team_offense_game_summary")["team_offense_game_summary"]["rows"] == 7
    assert len(gcp.services.requests) == 1


def test_inv_20_a_run_killed_with_the_answer_in_its_hands_does_not_call_again(gcp: GcpProject) -> None:
    gcp.env["NBACTL_FAULTS"] = "cloudrun.answered=kill"
    killed = gcp.start("team_offense_game_summary")
    finish(killed)
    assert killed.returncode == -signal.SIGKILL
    assert gcp.run("team_offense_game_summary")["team_offense_game_summary"]["rows"] == 7
    assert len(gcp.services.requests) == 1


def test_ctrl_c_ends_with_130_and_names_what_the_service_still_does(gcp: GcpProject) -> None:
    gcp.services.behave(ANALYTICS, "slow", seconds=1.5)
    process = gcp.start("team_offense_game_summary")
    gcp.services.wait_for(1)
    process.send_signal(signal.SIGINT)
    out, err = finish(process)
    assert process.returncode == 130, err
    assert "detached" in out
    assert f"nbactl run team_offense_game_summary --date {DAY}" in err
    assert gcp.run("team_offense_game_summary")["team_offense_game_summary"]["rows"] == 7
    assert len(gcp.services.requests) == 1


def test_a_run_on_gcp_asks_first(gcp: GcpProject) -> None:
    gcp.consent = ()
    error = gcp("run", "phase3", "--date", DAY, code=2)["error"]
    assert f"Run phase3 for {DAY} on gcp ({gcp.project})?" in f"{error['message']} {error['cause']} {gcp.err}"
    assert gcp.services.requests == []


def test_a_misspelt_service_is_named_before_anything_is_called(gcp: GcpProject) -> None:
    del gcp.cloud.services[ANALYTICS]
    gcp.services.deploy(gcp.cloud, "nba-scrapers")
    tasks = gcp.run("phase3", code=1)
    assert f"there is no service {ANALYTICS}" in tasks["team_offense_game_summary"]["error"]["message"]
    assert gcp.services.requests == []


def test_the_shipped_configuration_calls_every_service_as_it_wants_to_be_called(gcp: GcpProject) -> None:
    gcp("run", "phase1", "phase2", "phase4", "--date", DAY, "--upstream", "skip")
    paths = {seen.service: seen.path for seen in gcp.services.requests}
    assert paths == {
        "nba-scrapers": "/scrape",
        "nba-phase2-raw-processors": "/process",
        "nba-phase4-precompute-processors": "/process-date",
    }
    scrape = next(seen.body for seen in gcp.services.of("nba-scrapers") if seen.body["scraper"] == "nbac_schedule_api")
    assert scrape["date"] == DAY
    raw = {seen.body["processor_name"]: seen.body["game_date"] for seen in gcp.services.of("nba-phase2-raw-processors")}
    assert raw == dict.fromkeys(("schedule", "player_boxscores", "injuries", "odds_player_props"), DAY)
    cache = [seen.body for seen in gcp.services.of("nba-phase4-precompute-processors")]
    assert sorted(body["processors"][0] for body in cache) == [
        "MLFeatureStoreProcessor",
        "PlayerCompositeFactorsProcessor",
        "PlayerDailyCacheProcessor",
        "PlayerShotZoneAnalysisProcessor",
        "TeamDefenseZoneAnalysisProcessor",
    ]
    assert {body["analysis_date"] for body in cache} == {DAY}


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Read a process to its end."""
    return process.communicate(timeout=60)
