"""`nbactl runs` with what production's own programs logged (invariant 29)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.main import main
from nbactl.config.settings import load_settings
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.history import PROCESSOR_RUNS
from nbactl.testing import emulator_documents
from nbactl.workflows.ledger import Ledger
from tests.kit.production import RUN_HISTORY, put_rows, run_row
from tests.kit.run_records import run, task

if TYPE_CHECKING:
    from nbactl.workflows.model import RunRecord

Nbactl = Callable[..., tuple[int, Any, str]]


def own_run(now: datetime) -> RunRecord:
    record = run(task("a", "succeeded", 0, 1), run_id="run-own", name="phase3")
    today = GameDate.of(now)
    return replace(record, game_date=today, started_at=now - timedelta(minutes=30), lease=f"phase3/{today}")


@pytest.fixture
def nbactl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Nbactl:
    def call(*words: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = main([*words, "--state-dir", str(tmp_path)])
        captured = capsys.readouterr()
        out: Any = captured.out
        return code, json.loads(out) if "json" in words else out, captured.err

    return call


@pytest.fixture
def logged(tmp_path: Path) -> GameDate:
    """A run of nbactl between two of production, and an older one of these; returns the date of today."""
    now = datetime.now(UTC)
    today = GameDate.of(now)

    def row(name: str, run_id: str, days: int, ago: timedelta, **more: Any) -> dict[str, Any]:
        return run_row(name, day=str(today.plus(-days)), started_at=now - ago, run_id=run_id, **more)

    rows = [
        row("AsyncPlayerGameSummaryProcessor", "late", 0, timedelta(minutes=10)),
        row("ml_feature_store_v2", "bad", 0, timedelta(minutes=50), status="failed", errors="no such\x1b[2J column"),
        row("Odd", "odd", 6, timedelta(days=6), status="half"),
        row("Odd", "old", 7, timedelta(days=7)),
    ]
    settings = load_settings({"state_dir": str(tmp_path)}, {}, Path.cwd())
    with Container(settings, environ={}) as app:
        put_rows(app.warehouse, PROCESSOR_RUNS, RUN_HISTORY, rows)
        app.ledger.start(own_run(now), supersedes=None)
    return today


def listed(document: Any) -> list[tuple[str, str, str]]:
    return [(one["run_id"], one["status"], one["origin"]) for one in document["data"]["runs"]]


@pytest.mark.usefixtures("logged")
def test_runs_of_both_are_one_list_by_time(nbactl: Nbactl) -> None:
    _, document, _ = nbactl("runs", "list", "--origin", "all", "-o", "json")
    assert listed(document) == [
        ("late", "succeeded", "production"),
        ("run-own", "succeeded", "nbactl"),
        ("bad", "failed", "production"),
        ("odd", "unknown", "production"),
    ]
    assert document["data"]["total"] == 4
    assert any("phase_execution_log was not read" in warning for warning in document["warnings"])
    _, text, said = nbactl("runs", "list", "--origin", "all", "--limit", "2")
    assert "run-own" in text
    assert "bad" not in text
    assert "Showing 2 of 4 runs." in said


@pytest.mark.usefixtures("logged")
def test_on_local_the_runs_are_those_of_nbactl_unless_others_are_asked_for(nbactl: Nbactl) -> None:
    assert listed(nbactl("runs", "list", "-o", "json")[1]) == [("run-own", "succeeded", "nbactl")]
    found = listed(nbactl("runs", "list", "--origin", "production", "-o", "json")[1])
    assert [run_id for run_id, *_ in found] == ["late", "bad", "odd"]
    assert nbactl("runs", "list", "--origin", "somebody")[0] == 2


def test_the_filters_apply_to_the_runs_of_production(nbactl: Nbactl, logged: GameDate) -> None:
    expected = {
        ("--name", "player_game_summary"): ["late"],
        ("--name", "ml_feature_store"): ["bad"],
        ("--status", "failed"): ["bad"],
        ("--since", "20m"): ["late"],
        ("--date", str(logged.plus(-7))): ["old"],
        ("--group", "group-1"): [],
    }
    found = {}
    for filters in expected:
        _, document, _ = nbactl("runs", "list", "--origin", "production", *filters, "-o", "json")
        found[filters] = [run_id for run_id, *_ in listed(document)]
    assert found == expected


def test_on_gcp_a_warehouse_that_does_not_answer_leaves_the_runs_of_nbactl(
    nbactl: Nbactl, firestore_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = f"test-{uuid.uuid4().hex[:20]}"
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("NBACTL_TIMEOUT_STATUS_HISTORY", "1s")
    store = emulator_documents(firestore_address, project)
    Ledger(store, SystemClock(), is_dead=lambda _: False).start(own_run(datetime.now(UTC)), supersedes=None)
    store.close()
    code, document, _ = nbactl("runs", "list", "-o", "json", "--target", "gcp", "--project", project)
    assert code == 0
    assert [run_id for run_id, *_ in listed(document)] == ["run-own"]
    assert any("not read" in warning for warning in document["warnings"])
    code, document, _ = nbactl("runs", "show", "nothing", "-o", "json", "--target", "gcp", "--project", project)
    assert code == 4
