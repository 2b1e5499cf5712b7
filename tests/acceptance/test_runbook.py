"""The fifteen situations of docs/runbook.md: each breaks the system first, then does what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.acceptance import runbook_staging as staging
from tests.acceptance.runbook_staging import DAY, DONE, NOW, config_with, nbactl, opened, phase_reported
from tests.kit.batches import add_batch
from tests.kit.production import PHASE3, PHASE4
from tests.kit.runbook import Walk, read_page
from tests.kit.wall_clock import wall_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

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


def test_situation_2_a_second_writer_kept_the_orchestrator_from_deciding(start: Callable[..., Walk], clock: WallClock) -> None:
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
    assert "7/10" in nbactl(walk.folder, "batches", "list", "--incomplete")


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
