"""The fifteen situations of docs/runbook.md: each breaks the system first, then does what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.bootstrap.service import ServiceContainer
from nbactl.config.settings import load_settings
from nbactl.workflows.executions import EXECUTIONS
from tests.acceptance import runbook_staging as staging
from tests.acceptance.runbook_staging import DAY, DONE, NOW, config_with, nbactl, phase_reported
from tests.kit.batches import add_batch
from tests.kit.cloud_run_server import LATEST
from tests.kit.production import PHASE3, PHASE4
from tests.kit.runbook import Walk, read_page
from tests.kit.wall_clock import wall_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.acceptance.runbook_staging import OnGoogle
    from tests.kit.wall_clock import WallClock

pytestmark = pytest.mark.timeout(240)
ANALYTICS = "nba-phase3-analytics-processors"
STAGES = ("phase3", "phase4", "daily")


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a night that ended with a phase, by the name of the phase; `daily` is the whole night."""
    folder = tmp_path_factory.mktemp("nights")
    with wall_clock(DONE):
        for stage in STAGES:
            nbactl(folder, "run", stage, "--date", str(DAY), "-q")
            shutil.copytree(folder / ".nbactl", folder / stage)
    return folder


@pytest.fixture
def clock() -> Iterator[WallClock]:
    with wall_clock(NOW) as moved:
        yield moved


@pytest.fixture
def start(nights: Path, tmp_path: Path, clock: WallClock) -> Iterator[Callable[..., Walk]]:
    """Begin a situation in a folder in which the night was run as far as a phase."""
    assert clock
    walks: list[Walk] = []

    def begin(number: int, night: str = "", **env: str) -> Walk:
        if night:
            shutil.copytree(nights / night, tmp_path / ".nbactl")
        walks.append(Walk(number, tmp_path, env))
        return walks[-1]

    yield begin
    for walked in walks:
        walked.end()


def test_the_page_has_the_fifteen_situations_and_each_has_its_test() -> None:
    assert list(read_page()) == list(range(1, 16))
    tested = {int(found[0]) for name in globals() if (found := re.findall(r"^test_situation_(\d+)", name))}
    assert tested == set(read_page())


def test_situation_2_a_second_writer_kept_the_orchestrator_from_deciding(
    start: Callable[..., Walk], clock: WallClock
) -> None:
    walk = start(2, "phase3")
    phase_reported(walk.folder, "phase3", PHASE3)
    walk("Find")
    walk("Mend")
    assert staging.published(walk.folder, "nba-phase4-trigger") == 5
    nbactl(walk.folder, "run", "phase4", "--date", str(DAY), "--upstream", "skip", "-q")  # as the service does
    clock.later(minutes=5)
    walk("Check")
    assert staging.published(walk.folder, "nba-phase4-trigger") == 5


def test_situation_5_a_missing_column_and_a_batch_at_70_percent(start: Callable[..., Walk], clock: WallClock) -> None:
    walk = start(5, "phase4")
    staging.without_column(walk.folder, "nba_predictions.player_prop_predictions", "confidence")
    nbactl(walk.folder, "run", "phase5", "--date", str(DAY), "-q", code=1)
    add_batch(walk.folder / ".nbactl", f"batch_{DAY}_1", completed=7, expected=10)
    clock.later(minutes=50)
    walk("Find")
    walk("Mend")
    walk("Check")
    walk("Undo")
    assert "0/10" in nbactl(walk.folder, "batches", "list", "--incomplete")


def test_situation_6_a_message_that_names_no_date(start: Callable[..., Walk]) -> None:
    walk = start(6, "daily")
    staging.dead_letter(walk.folder, "msg-1", {"source_table": "player_game_summary"})
    walk.names["MESSAGE"] = "msg-1"
    walk("Find")
    walk("Mend")
    walk("Check")
    walk("Undo")
    assert "msg-1" in nbactl(walk.folder, "dlq", "list")


def test_situation_7_a_task_is_done_and_wrote_no_rows(start: Callable[..., Walk]) -> None:
    walk = start(7, "daily")
    staging.wrote_nothing(walk.folder, "phase4", "ml_feature_store", "nba_precompute.ml_feature_store")
    walk("Find")
    walk("Mend")
    walk("Check")


def test_situation_13_files_were_reported_as_no_data(start: Callable[..., Walk]) -> None:
    walk = start(13, "daily")
    staging.wrote_nothing(walk.folder, "phase2", "p2_player_boxscores", "nba_raw.player_boxscores", "no_data")
    walk("Find")
    walk("Mend")
    walk("Check")


def test_situation_14_the_message_between_two_phases_was_lost(start: Callable[..., Walk]) -> None:
    walk = start(14, "phase4")
    lost = {"_trigger_pending": True, "_trigger_pending_at": DONE, "_trigger_reason": "all_complete"}
    phase_reported(walk.folder, "phase4", PHASE4, **lost)
    walk("Find")
    walk("Mend")
    assert staging.published(walk.folder, "nba-predictions-trigger") == 1
    walk("Check")


def git(folder: Path, *words: str) -> None:
    """Run git as a person does, with a name of its own."""
    named = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run(["git", "-C", str(folder), *named, *words], check=True, capture_output=True)


def test_situation_1_a_phase_waits_for_a_name_that_nobody_sends(start: Callable[..., Walk], clock: WallClock) -> None:
    walk = start(1, "phase3")
    staging.expecting(walk.folder, "switched_off")
    phase_reported(walk.folder, "phase3", PHASE3, _next_check_at=NOW)
    clock.later(hours=2)
    alerts = nbactl(walk.folder, "schedule", "tick", "--only", "phases")
    assert "phase3 of 2025-01-06 does not lead on to phase4" in alerts
    walk("Find")
    config_with(walk.folder)
    walk("Mend")
    assert staging.published(walk.folder, "nba-phase4-trigger") == 5
    nbactl(walk.folder, "run", "phase4", "--date", str(DAY), "--upstream", "skip", "-q")  # as the service does
    clock.later(minutes=5)
    walk("Check")


def test_situation_4_a_file_was_edited_on_one_machine(start: Callable[..., Walk]) -> None:
    walk = start(4, "daily")
    config_with(walk.folder)
    git(walk.folder, "init", "-q")
    git(walk.folder, "add", "*.yaml")
    git(walk.folder, "commit", "-qm", "As deployed")
    committed = (walk.folder / "workflows.yaml").read_text()
    edited = 'morning_recovery:\n    enabled: false\n    disabled_reason: "only a try"\n'
    (walk.folder / "workflows.yaml").write_text(committed.replace("morning_recovery:\n", edited, 1))
    assert "a try" in nbactl(walk.folder, "schedule", "due")
    walk("Find")
    git(walk.folder, "checkout", "-q", "workflows.yaml")
    walk("Mend")
    walk("Check")


def test_situation_9_the_first_requests_of_the_night_are_slow(start: Callable[..., Walk]) -> None:
    walk = start(9, "daily")
    staging.slower(walk.folder, "phase3", 7200)
    walk("Find")
    staging.slower(walk.folder, "phase3", -7200)
    walk("Check")


def test_situation_11_health_is_green_and_nothing_works(
    start: Callable[..., Walk], clock: WallClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings({"state_dir": str(tmp_path / "service")}, {}, tmp_path)
    with ServiceContainer("test", settings, environ={}) as app, staging.health_of(app, "processors") as url:
        walk = start(11, "daily", NBACTL_HEALTH_URLS=f"processors={url}")
        with monkeypatch.context() as broken:
            broken.setitem(sys.modules, "nbactl.pipeline.transform", None)
            nbactl(walk.folder, "schedule", "tick", "--only", "alerts", env=walk.env)
            clock.later(minutes=11)
            walk("Find")
        clock.later(minutes=5)
        walk("Check")


def test_situation_12_the_timer_does_not_call(start: Callable[..., Walk], tmp_path: Path) -> None:
    with wall_clock(NOW - timedelta(hours=26, minutes=55)):
        nbactl(tmp_path, "schedule", "tick", "-q")
    walk = start(12)
    walk("Find")
    walk("Mend")
    walk("Check")


def test_situation_15_a_repair_never_works(start: Callable[..., Walk], clock: WallClock) -> None:
    walk = start(15, "phase3")
    walk.env["NBA_HEALING_LOG"] = str(walk.folder / "log")
    (walk.folder / "log.ml_feature_store").touch()  # so it fails
    wrong = {"description": "x", "call": "tests.kit.healing_tasks:writes", "timeout": "task.worker"}
    config_with(walk.folder, tasks__ml_feature_store=wrong)
    for _ in range(4):
        nbactl(walk.folder, "heal", "--date", str(DAY), "--auto", code=None, env=walk.env)
        clock.later(hours=2)
    walk("Find")
    assert walk.said.count("heal.output_missing") == 3
    config_with(walk.folder)
    walk("Mend")
    walk("Check")


@pytest.fixture
def google(start: Callable[..., Walk], firestore_address: str) -> Iterator[Callable[[int], OnGoogle]]:
    """Begin a situation in a project of its own, whose services are deployed."""
    with staging.on_google(firestore_address) as project:

        def begin(number: int) -> OnGoogle:
            project.walk = start(number, "", **project.env)
            return project

        yield begin


def test_situation_3_bigquery_refuses_writes_to_a_table(google: Callable[[int], OnGoogle], clock: WallClock) -> None:
    project = google(3)
    with project.open() as app:
        for number in range(3):
            app.row_buffer.append(EXECUTIONS, "execution_id", staging.execution(f"run-{number}"))
    staging.loads_single_rows(project)
    clock.later(minutes=30)
    project.walk("Find")
    project.walk("Mend")
    clock.later(hours=25)
    project.walk("Check")


def test_situation_8_a_service_lost_its_variables(google: Callable[[int], OnGoogle]) -> None:
    project = google(8)
    entries = project.cloud.services[ANALYTICS]["template"]["containers"][0]["env"]
    before = list(entries)
    entries.clear()
    project.cloud.set_env(ANALYTICS, LOG_LEVEL="crash")  # without its project it does not start
    project.walk("Find")
    entries[:] = before
    project.cloud.set_env(ANALYTICS, LOG_LEVEL="info")
    project.walk("Check")


def test_situation_10_a_new_revision_gets_no_requests(google: Callable[[int], OnGoogle]) -> None:
    project = google(10)
    project.cloud.pin(ANALYTICS)
    project.cloud.set_env(ANALYTICS, FIX="1")
    project.walk("Find")
    project.cloud.services[ANALYTICS]["traffic"] = [{"type": LATEST, "percent": 100}]
    project.cloud.set_env(ANALYTICS, FIX="1")
    project.walk("Check")
