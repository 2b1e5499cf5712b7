"""A game date of real data through phases 1 to 4 on Google Cloud, killed three times: the rows are those of `local`."""

from __future__ import annotations

import signal
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.core._support.clock import SystemClock
from tests.acceptance.gcp_night import DAY, FIRST, PHASES, Gate, night, real_week, rows_of
from tests.integration.cli.conftest import environment
from tests.kit.called import call_nbactl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.gcp_night import Night

pytestmark = pytest.mark.timeout(400)
RUN = ("run", *PHASES, "--date", DAY)
SUMMARY = "player_game_summary"


@pytest.fixture(scope="module")
def week(nba_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return real_week(nba_data, tmp_path_factory.mktemp("source") / "week")


@pytest.fixture
def project(tmp_path: Path, firestore_address: str, week: Path) -> Iterator[Night]:
    with night(tmp_path, firestore_address, week) as opened:
        yield opened


@pytest.fixture(scope="module")
def local(week: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The options with which a command works on this machine, where the same has been done."""
    state = tmp_path_factory.mktemp("local")
    options = ("--target", "local", "--state-dir", str(state))
    done = call_nbactl([*RUN, *options, "--source", f"path:{week}"], cwd=state, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return options


def on_local(local: tuple[str, ...]) -> dict[str, Counter[Any]]:
    """Return the rows of all tables on this machine."""
    (file,) = Path(local[-1]).glob("data/*/warehouse.duckdb")
    with closing(DuckDbWarehouse(file, clock=SystemClock(), lock_wait=30, holder="test")) as warehouse:
        return rows_of(warehouse)


def all_equal(found: dict[str, Counter[Any]], wanted: dict[str, Counter[Any]]) -> None:
    """Compare both ways, value by value, with types."""
    assert found.keys() == wanted.keys()
    for table, rows in wanted.items():
        assert (found[table] - rows, rows - found[table]) == (Counter(), Counter()), table
    assert sum(wanted[f"nba_analytics.{SUMMARY}"].values()) == 229
    assert sum(wanted["nba_precompute.ml_feature_store"].values()) > 0


def test_inv_20_services_killed_three_times_do_each_task_once_with_the_rows_of_local(
    project: Night, local: tuple[str, ...]
) -> None:
    gate = project.processors.gates["p2_player_boxscores"] = Gate()
    killed = project.start(*RUN)
    assert gate.reached.wait(120)
    killed.kill()
    killed.communicate(timeout=30)
    assert killed.returncode == -signal.SIGKILL
    gate.opened.set()
    project.killed_at("runner.before_release=kill", *RUN)  # between phase 2 and phase 3
    project.killed_at("cloudrun.answered=kill@3", *RUN)  # with the answer of a service in its hands
    runs = project(*RUN)["data"]["runs"]
    assert [(run["name"], run["status"]) for run in runs] == [
        ("phase1", "skipped"), ("phase2", "skipped"), ("phase3", "succeeded"), ("phase4", "succeeded")
    ]  # fmt: skip
    assert runs[2]["resumed_from"] is not None
    requests = Counter((seen.service, seen.processors) for seen in project.services.requests)
    assert (len(requests), set(requests.values())) == (18, {1})
    ended = "SELECT processor_name FROM nba_reference.processor_run_history WHERE status = 'success'"
    done = Counter(name for (name,) in project.warehouse.query(ended, timeout=30.0).rows)
    assert (len(done), set(done.values())) == (18, {1})
    all_equal(project.tables(), on_local(local))
    assert [run["status"] for run in project(*RUN)["data"]["runs"]] == ["skipped"] * 4
    assert len(project.services.requests) == 18


def test_inv_20_in_process_killed_three_times_has_the_rows_of_local(project: Night, local: tuple[str, ...]) -> None:
    here = (*RUN, "--in-process")
    project.bigquery.hold_jobs(f"INSERT INTO `nba_analytics.{SUMMARY}`")
    killed = project.start(*here)
    until(lambda: any(job["statement"] == "DELETE" for job in jobs_of(project, SUMMARY)))
    killed.kill()
    killed.communicate(timeout=30)
    assert killed.returncode == -signal.SIGKILL
    project.bigquery.release_jobs()
    project.killed_at("warehouse.after_commit=kill", *here)  # written, and not recorded
    project.killed_at("runner.before_release=kill", *here)  # between phase 3 and phase 4
    runs = project(*here)["data"]["runs"]
    assert [(run["name"], run["status"]) for run in runs] == [
        ("phase1", "skipped"), ("phase2", "skipped"), ("phase3", "skipped"), ("phase4", "succeeded")
    ]  # fmt: skip
    assert project.services.requests == []
    unlabelled = [
        job["sql"]
        for job in project.bigquery.jobs()
        if job["parent"] is None and not job["labels"].keys() >= {"tool", "service", "command", "task"}
    ]
    assert unlabelled == []
    all_equal(project.tables(), on_local(local))
    the_same_is_shown(project, local)
    run_id = runs[3]["run_id"]
    jobs = Counter(
        job["labels"]["task"]
        for job in project.bigquery.jobs()
        if job["labels"].get("run_id") == run_id and job["parent"] is None
    )
    assert jobs == dict.fromkeys((task["name"] for task in runs[3]["tasks"]), 2)
    assert [run["status"] for run in project(*here)["data"]["runs"]] == ["skipped"] * 4


def the_same_is_shown(project: Night, local: tuple[str, ...]) -> None:
    """Compare what commands show of the tables on both targets."""
    sql = f"SELECT * FROM {{}} WHERE game_date = '{DAY}' ORDER BY {{}}"  # noqa: S608 - names of the tables
    for key, arguments in (
        ("rows", ("query", sql.format("nba_raw.games", "game_id"))),
        ("rows", ("query", sql.format("nba_precompute.ml_feature_store", "player_lookup"))),
        ("rows", ("tables", "show", f"nba_analytics.{SUMMARY}", "--date", DAY, "--limit", "500")),
        ("counts", ("tables", "counts", "--from", FIRST, "--to", DAY)),
        ("records", ("quarantine", "list", "--from", FIRST, "--to", DAY)),
    ):
        here, there = project(*arguments)["data"], project(*arguments, *local)["data"]
        assert here[key], arguments
        if "show" in arguments:  # in no order
            assert sorted(map(str, here[key])) == sorted(map(str, there[key]))
        else:
            assert here[key] == there[key], arguments
    listed = [
        {table["table"]: table["rows"] for table in project("tables", "list", *where)["data"]["tables"]}
        for where in ((), local)
    ]
    assert listed[0].pop("nba_reference.processor_run_history") == 0
    assert listed[0] == listed[1]


def jobs_of(project: Night, task: str) -> list[dict[str, Any]]:
    return [job for job in project.bigquery.jobs() if job["labels"].get("task") == task]


def until(holds: Any, seconds: float = 150.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
