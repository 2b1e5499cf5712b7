"""Reports and traces on target gcp: what production did, in Firestore and BigQuery, counts (invariant 29)."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.bootstrap.reporting import make_alert_rules
from nbactl.cli.main import main
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.history import PROCESSOR_RUNS
from nbactl.testing import bigquery_server, emulator_documents
from tests.kit.bigquery import LOCATION, bigquery_warehouse
from tests.kit.production import PHASE3, RUN_HISTORY, phase_document, put, put_rows, report, run_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.warehouse import ColumnType
    from nbactl.testing.bigquery.server import BigQueryServer

NOW = datetime.now(UTC)
PROJECT = f"test-{uuid.uuid4().hex[:20]}"
PHASES: dict[str, ColumnType] = {
    "phase_name": "STRING", "game_date": "DATE", "execution_timestamp": "TIMESTAMP", "duration_seconds": "FLOAT64",
    "status": "STRING", "correlation_id": "STRING",
}  # fmt: skip


def day(ago: int) -> GameDate:
    return GameDate.of(NOW).plus(-ago)


def phase_row(ago: int, seconds: float, status: str = "success") -> dict[str, Any]:
    started = NOW - timedelta(days=ago) + timedelta(hours=1)
    return {
        "phase_name": "phase4", "game_date": day(ago).day, "execution_timestamp": started,
        "duration_seconds": seconds, "status": status, "correlation_id": f"corr-{ago}",
    }  # fmt: skip


@pytest.fixture(scope="module")
def bigquery() -> Iterator[BigQueryServer]:
    """A week of phase 4, a faster month before, and a processor that failed twice in forty runs."""
    with (
        bigquery_server(project=PROJECT, location=LOCATION) as server,
        closing(bigquery_warehouse(server.address, project=PROJECT)) as warehouse,
    ):
        rows = [phase_row(ago, 60.0) for ago in (2, 3, 4)] + [phase_row(ago, 40.0) for ago in range(9, 20)]
        put_rows(warehouse, "nba_orchestration.phase_execution_log", PHASES, rows)
        at = NOW - timedelta(minutes=30)
        runs = [
            run_row("MLFeatureStoreProcessor", day=str(day(1)), status="failed" if number < 6 else "success")
            | {"run_id": f"r-{number}", "started_at": at, "processed_at": at, "errors": "no answer"}
            for number in range(40)
        ]
        put_rows(warehouse, PROCESSOR_RUNS, RUN_HISTORY, runs)
        yield server


@pytest.fixture
def place(
    tmp_path: Path, firestore_address: str, bigquery: BigQueryServer, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, ...]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", bigquery.address)
    with closing(emulator_documents(firestore_address, PROJECT)) as store:
        began = NOW - timedelta(days=2)
        reports = {
            name: report(minute=0) | {"completed_at": began + timedelta(minutes=minute)}
            for minute, name in enumerate(PHASE3)
        }
        document = phase_document([]) | reports | {"_first_completion_at": began}
        put(store, {f"phase3_completion/{day(2)}": document})
    return ("--target", "gcp", "--project", PROJECT, "--state-dir", str(tmp_path), "-o", "json")


def test_inv_29_what_production_did_is_in_the_report(
    place: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *place]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    phases = {phase["name"]: phase for phase in data["phases"]}
    assert (phases["phase4"]["runs"], phases["phase4"]["median_s"]) == (3, 60.0)
    assert phases["phase4"]["baseline"]["median_s"] == 40.0
    assert (phases["phase3"]["runs"], phases["phase3"]["median_s"]) == (1, 240.0)  # from its document
    [task] = data["tasks"]
    assert (task["attempts"], task["failed"], task["last_error"]) == (40, 6, "no answer")
    assert data["cost"]["known"] is True
    assert data["cost"]["jobs"] > 0


@pytest.mark.usefixtures("place")
def test_alert_rules_judge_what_production_logged(tmp_path: Path) -> None:
    given = {"target": "gcp", "project": PROJECT, "state_dir": str(tmp_path)}
    with Container(load_settings(given, {}, tmp_path)) as app:
        rules = make_alert_rules(app, lambda *_: None)
        outcomes = {one.rule: one for one in rules.evaluate(app.clock.now(), dry_run=True).outcomes}
    assert outcomes["error_spike"].why == "6 of 40 attempts of tasks failed (15.0%, limit 10.0%)"
    assert outcomes["health"].state == "unknown"
    assert outcomes["cost_anomaly"].state in ("too_few", "quiet")


def test_inv_29_what_production_did_is_traced(place: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "corr-1", *place]) == 0
    events = json.loads(capsys.readouterr().out)["data"]["events"]
    assert [event["what"] for event in events] == [f"{name} reported success" for name in PHASE3]
    assert main(["trace", "corr-3", *place]) == 0
    events = json.loads(capsys.readouterr().out)["data"]["events"]
    assert [event["what"] for event in events] == [f"phase4 {day(3)} started", f"phase4 {day(3)} success"]
    assert main(["trace", "r-0", *place]) == 0
    assert "no answer" in json.loads(capsys.readouterr().out)["data"]["events"][1]["what"]
    assert main(["trace", "nothing-like-this", *place]) == 4
    assert "Not looked at" in json.loads(capsys.readouterr().out)["error"]["cause"]
