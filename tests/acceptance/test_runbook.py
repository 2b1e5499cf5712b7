"""The fifteen situations of docs/runbook.md: each breaks the system first, then does what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.workflows.executions import EXECUTIONS
from tests.acceptance import runbook_google as deployed
from tests.acceptance import runbook_staging as staging
from tests.acceptance.runbook_google import ANALYTICS
from tests.acceptance.runbook_staging import DAY, DONE, NOW, config_with, nbactl, phase_reported
from tests.kit.batches import add_batch
from tests.kit.production import PHASE3, PHASE4
from tests.kit.runbook import Walk, read_page
from tests.kit.wall_clock import wall_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.acceptance.runbook_google import OnGoogle
    from tests.kit.wall_clock import WallClock

pytestmark = pytest.mark.timeout(240)
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
    with deployed.on_google(firestore_address) as project:

        def begin(number: int) -> OnGoogle:
            project.walk = start(number, "", **project.env)
            project.walk.names["SERVICE"] = ANALYTICS
            return project

        yield begin


def test_situation_3_bigquery_refuses_writes_to_a_table(google: Callable[[int], OnGoogle], clock: WallClock) -> None:
    project = google(3)
    with project.open() as app:
        for number in range(3):
            app.row_buffer.append(EXECUTIONS, "execution_id", deployed.execution(f"run-{number}"))
    deployed.loads_single_rows(project)
    clock.later(minutes=30)
    project.walk("Find")
    project.walk("Mend")
    clock.later(hours=25)
    project.walk("Check")


def git(folder: Path, *words: str) -> None:
    """Run git as a person does, with a name of its own."""
    named = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run(["git", "-C", str(folder), *named, *words], check=True, capture_output=True)


def test_situation_4_a_file_was_edited_on_one_machine(google: Callable[[int], OnGoogle]) -> None:
    project = google(4)
    folder = project.walk.folder
    config_with(folder)
    git(folder, "init", "-q")
    git(folder, "add", "*.yaml")
    git(folder, "commit", "-qm", "As deployed")
    committed = project.digest()
    edited = 'morning_operations:\n    enabled: false\n    disabled_reason: "only a try"\n'
    file = folder / "workflows.yaml"
    file.write_text(file.read_text().replace("morning_operations:\n", edited, 1))
    project.use(project.digest())  # deployed from this machine
    assert "a try" in nbactl(folder, "schedule", "due", env=project.env)
    project.walk("Find")
    git(folder, "checkout", "-q", "workflows.yaml")
    project.walk("Mend")
    project.use(committed)
    project.walk("Check")


def test_situation_6_a_message_that_names_no_date(start: Callable[..., Walk]) -> None:
    walk = start(6, "daily")
    staging.dead_letter(walk.folder, "msg-1", {"source_table": "player_game_summary"})
    walk.names["MESSAGE"] = "msg-1"
    walk("Find")
    waiting = staging.saved_letter(walk.folder, "msg-1")
    walk("Mend")
    assert staging.published(walk.folder, "nba-phase3-trigger") == 1
    walk("Check")
    walk("Undo")
    assert staging.saved_letter(walk.folder, "msg-1") == waiting


def noticed(project: OnGoogle, clock: WallClock, minutes: float = 31) -> str:
    """Let the timer look until something has lasted long enough; returns what it said."""
    first = project.tick()
    assert "critical" not in first, first
    clock.later(minutes=minutes)
    return project.tick()


def mended(project: OnGoogle, clock: WallClock, alert: str) -> None:
    """The timer notices it, a command finds it, another one mends it, and a third brings back what was."""
    broken = project.state()
    assert f"{ANALYTICS}: {alert}" in noticed(project, clock)
    for block in ("Find", "Mend", "Check"):
        project.walk(block)
    assert project.state() != broken
    project.walk("Undo")
    assert project.state() == broken


def test_situation_8_a_service_lost_its_variables(google: Callable[[int], OnGoogle], clock: WallClock) -> None:
    project = google(8)
    deployed.declared_with(project.walk.folder, "services")
    deployed.with_one_variable(project)
    mended(project, clock, "lost 2 variables: GCP_PROJECT, TOPIC")


def test_situation_9_a_service_lost_its_minimum_instances(google: Callable[[int], OnGoogle], clock: WallClock) -> None:
    project = google(9)
    deployed.declared_with(project.walk.folder, "services", **{f"services__{ANALYTICS}__min_instances": 1})
    deployed.minimum_reset(project)
    mended(project, clock, "min_instances is 0, declared 1")


def test_situation_10_a_new_revision_gets_no_requests(google: Callable[[int], OnGoogle], clock: WallClock) -> None:
    project = google(10)
    deployed.declared_with(project.walk.folder, "services")
    deployed.deployed_behind_a_pin(project)
    mended(project, clock, "its newest revision gets 0 % of requests")


def test_situation_11_health_is_green_and_nothing_works(google: Callable[[int], OnGoogle], clock: WallClock) -> None:
    project = google(11)
    deployed.declared_with(project.walk.folder, "services")
    deployed.broken_import(project)
    mended(project, clock, "GET /ready answered 500, not 200: ")


def test_situation_12_the_timer_does_not_call(
    google: Callable[[int], OnGoogle], clock: WallClock, tmp_path: Path
) -> None:
    with wall_clock(NOW - timedelta(hours=26, minutes=55)):
        nbactl(tmp_path, "schedule", "tick", "-q")
    assert staging.beat(tmp_path) == "silent"
    project = google(12)
    walk = project.walk
    deployed.declared_with(walk.folder, "jobs")
    deployed.jobs_that_do_not_run(project)
    broken = project.jobs()
    alerts = noticed(project, clock, minutes=11)
    assert "job nbactl-heartbeat: " in alerts
    assert "job nbactl-tick: it sends an identity token" in alerts
    walk("Find")
    walk("Mend")
    changes = re.findall(r"jobs undo (job-\w+)", walk.said)
    walk("Check")
    walk.names |= {f"CHANGE-{number}": change for number, change in enumerate(changes, 1)}
    walk("Undo")
    assert project.jobs() == broken
    walk.env = {}  # what a machine without Google does afterwards
    walk("Catch up")
