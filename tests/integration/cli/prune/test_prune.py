"""`nbactl prune`: what it says, what it removes, and that freshness and the board are what they were."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap.retention import make_retention
from nbactl.cli.main import main
from nbactl.cli.prune.command import PruneRequest, prune
from nbactl.core.observe.logging import run_log_path
from nbactl.errors import CancelledError, PreconditionError
from nbactl.ports.documents import Create, Query, Update
from nbactl.workflows.model import RunStatus
from nbactl.workflows.writing import RUNS
from tests.kit.league import League
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Question

D1, D2 = date(2024, 10, 22), date(2024, 10, 24)
OLD = 1_500_000_000.0
"""The age of a file from 2017."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> League:
    """Two dates, each done twice by phases 1 and 2, a failure between, and files of long ago."""
    league = League(tmp_path_factory.mktemp("prune") / "league", {D1: 20, D2: 22})
    for force in (False, True):
        league.run("phase1", "phase2", days=(D1, D2), force=force)
    (league.state / "crash").mkdir()
    (league.state / "crash" / "20170714T024000.000000Z.txt").write_text("crashed")
    for path in [
        *league.state.glob("data/*/raw/*/*.jsonl"),
        *league.state.glob("crash/*"),
        *league.state.glob("logs/*"),
    ]:
        os.utime(path, (OLD, OLD))
    league.keep()
    return league


@pytest.fixture
def league(kept: League) -> League:
    return kept.restore()


def later(app: Container) -> datetime:
    """Return a time at which all of it is too old."""
    return app.clock.now() + timedelta(days=500)


def ask(league: League, *words: str, code: int = 0, capsys: pytest.CaptureFixture[str]) -> Any:
    source = ["--state-dir", str(league.state), "-o", "json"]
    assert main([*words, *source]) == code, capsys.readouterr()
    return json.loads(capsys.readouterr().out)


def raw_sizes(league: League) -> int:
    return sum(path.stat().st_size for path in league.state.glob("data/*/raw/*/*.jsonl"))


def test_a_prune_says_what_it_would_remove_asks_and_removes_it(
    league: League, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("prune", "--kind", "raw_files", "--kind", "crash_reports")
    would = ask(league, *words, "--dry-run", capsys=capsys)["data"]
    assert {kind["kind"]: kind["found"] for kind in would["kinds"]} == {"raw_files": 4, "crash_reports": 1}
    assert (would["dry_run"], would["removed"]) == (True, 0)
    before = raw_sizes(league)
    assert "--yes" in ask(league, *words, "--no-input", code=2, capsys=capsys)["error"]["next"]
    assert raw_sizes(league) == before
    done = ask(league, *words, "--yes", capsys=capsys)["data"]
    assert done["removed"] == 5
    assert [kind["found"] for kind in done["kinds"]] == [kind["found"] for kind in would["kinds"]]
    assert before - raw_sizes(league) == done["kinds"][0]["bytes"]
    assert not list(league.state.glob("crash/*"))
    assert ask(league, *words, "--yes", capsys=capsys)["data"]["removed"] == 0


def test_a_kind_that_does_not_exist_is_refused(league: League, capsys: pytest.CaptureFixture[str]) -> None:
    assert "run_logs" in ask(league, "prune", "--kind", "run_log", code=2, capsys=capsys)["error"]["next"]


def test_freshness_and_the_board_are_what_they_were_and_raw_files_can_be_collected_again(league: League) -> None:
    before = [league.board(day).phases for day in (D1, D2)]
    with league.open() as app:
        runs = app.documents.count(Query(RUNS))
        removed = {one.kind: one.removed for one in make_retention(app).prune(later(app), dry_run=False)}
        assert removed["runs"] == runs - 4 > 0, "the last of each phase and date stay"
        assert removed["raw_files"] == 4
        assert app.source.key in str(app.data_dir)
    assert [league.board(day).phases for day in (D1, D2)] == before
    again = league.run("phase1", "phase2", days=(D1, D2))
    assert {result.status for result in again.runs} == {RunStatus.SKIPPED}, "all of it is done and fresh"
    with pytest.raises(PreconditionError, match="removed") as error, league.open() as app:
        app.processor_resources.raw.read("schedule", D1)
    assert "phase1 --date 2024-10-22 --force" in str(error.value.next_step)
    league.run("phase1", days=(D1,), force=True)
    with league.open() as app:
        assert app.processor_resources.raw.read("schedule", D1)


def test_raw_files_of_a_date_that_is_to_be_made_again_stay(league: League) -> None:
    league.points[D1] = 30
    league.write()
    league.run("phase1", days=(D1,))  # phase 2 of this date is stale now
    for path in league.state.glob("data/*/raw/*/*.jsonl"):
        os.utime(path, (OLD, OLD))
    with league.open() as app:
        [raw] = make_retention(app).prune(app.clock.now(), dry_run=False, kinds=("raw_files",))
        assert raw.removed == 2
        assert app.processor_resources.raw.read("schedule", D1)
    assert league.run("phase2", days=(D1,)).runs[0].status is RunStatus.SUCCEEDED


def test_logs_of_open_failures_and_of_runs_that_go_on_stay(league: League) -> None:
    with league.open() as app:
        for run in app.ledger.list(limit=None):
            run_log_path(league.state / "logs", run.run_id).write_text("{}\n")
        [newest] = app.ledger.list("phase1", limit=1)
        app.documents.commit([Create(f"{RUNS}/zzz", {})])  # not a run that can be read
        (league.state / "logs" / "zzz.jsonl").write_text("{}\n")
        failed = run_log_path(league.state / "logs", newest.run_id)
        app.documents.commit([Update(f"{RUNS}/{newest.run_id}", {"status": "failed"})])
        make_retention(app).prune(later(app), dry_run=False, kinds=("run_logs",))
        assert sorted(path.name for path in (league.state / "logs").iterdir()) == sorted([failed.name, "zzz.jsonl"])


def test_a_tick_prunes_what_is_due(league: League) -> None:
    with league.open() as app:
        retention, now = make_retention(app), later(app)
        first = {one.kind: one.removed for one in retention.prune_due(now)}
        assert first["runs"] > 0
        assert first["raw_files"] == 4
        assert retention.prune_due(now) == []


def test_a_no_changes_nothing(league: League) -> None:
    def refuse(question: Question) -> None:
        assert question.always
        raise CancelledError

    with league.open() as app, pytest.raises(CancelledError):
        prune(app, PruneRequest(kinds=("crash_reports",)), confirm=refuse)
    assert list(league.state.glob("crash/*"))


@pytest.mark.parametrize("point", ["documents.after_commit", "rawfiles.before_rename"])
def test_inv_20_a_prune_that_is_killed_is_finished_by_the_same_command(league: League, point: str) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "NBACTL_FAULTS": f"{point}=kill"}
    words = [sys.executable, "-m", "nbactl", "prune", "--older-than", "1ms", "--yes", "--state-dir", str(league.state)]
    kinds = ["--kind", "runs", "--kind", "raw_files"]
    before = [league.board(day).phases for day in (D1, D2)]
    killed = subprocess.run([*words, *kinds], env=environ, cwd=league.folder, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [league.board(day).phases for day in (D1, D2)] == before
    with league.open() as app:
        assert len(app.ledger.list(limit=None)) == app.documents.count(Query(RUNS)), "each run is whole"
        make_retention(app).prune(later(app), dry_run=False)
        assert app.documents.count(Query(RUNS)) == 4
    assert [league.board(day).phases for day in (D1, D2)] == before
