"""The logs of production's programs, on every warehouse and in whatever shape (invariant 29)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases import logs
from nbactl.core.phases.history import PROCESSOR_RUNS
from nbactl.core.phases.logs import logged_runs
from tests.kit.production import DAY, NIGHT, RUN_HISTORY, put_rows, run_row

if TYPE_CHECKING:
    import pytest

    from nbactl.ports.warehouse import ColumnType, Warehouse

DATE = GameDate(date.fromisoformat(DAY))
PHASES: dict[str, ColumnType] = {
    "phase_name": "STRING", "game_date": "DATE", "execution_timestamp": "TIMESTAMP", "duration_seconds": "FLOAT64",
    "games_processed": "INT64", "status": "STRING", "correlation_id": "STRING",
}  # fmt: skip
WORKFLOWS: dict[str, ColumnType] = {
    "execution_id": "STRING", "execution_time": "TIMESTAMP", "workflow_name": "STRING", "decision_id": "STRING",
    "status": "STRING", "duration_seconds": "FLOAT64", "error_message": "STRING",
}  # fmt: skip


def test_each_table_is_read_in_its_own_columns(warehouse: Warehouse) -> None:
    put_rows(warehouse, PROCESSOR_RUNS, RUN_HISTORY, [run_row("PlayerGameSummaryProcessor", errors="late")])
    phase = {
        "phase_name": "phase3", "game_date": DATE.day, "execution_timestamp": NIGHT + timedelta(minutes=1),
        "duration_seconds": 90.5, "games_processed": 11, "status": "complete", "correlation_id": "c-1",
    }  # fmt: skip
    put_rows(warehouse, "nba_orchestration.phase_execution_log", PHASES, [phase])
    flow = {
        "execution_id": "e-1", "execution_time": NIGHT - timedelta(hours=7), "workflow_name": "post_game_window_2",
        "status": "failed", "error_message": "no answer",
    }  # fmt: skip
    put_rows(warehouse, "nba_orchestration.workflow_executions", WORKFLOWS, [flow])
    found, warnings = logged_runs(warehouse, DATE, DATE, timeout=30)
    assert [(run.kind, run.name, run.run_id, run.status) for run in found] == [
        ("phase", "phase3", "c-1", "complete"),
        ("task", "PlayerGameSummaryProcessor", "PlayerGameSummaryProcessor-0", "success"),
        ("workflow", "post_game_window_2", "e-1", "failed"),
    ]
    assert found[0].finished_at == NIGHT + timedelta(minutes=1, seconds=90.5)
    assert (found[0].rows, found[1].error, found[2].error) == (11, "late", "no answer")
    assert found[2].game_date == DATE  # 23:00 there, the next day in UTC
    (missing,) = warnings
    assert missing.startswith("nba_orchestration.scraper_execution_log was not read: ")


def test_a_table_of_another_shape_hides_no_other(warehouse: Warehouse) -> None:
    put_rows(warehouse, PROCESSOR_RUNS, {"processor": "STRING", "data_date": "DATE"}, [])
    put_rows(warehouse, "nba_orchestration.workflow_executions", {"workflow": "STRING", "status": "STRING"}, [])
    shaped: dict[str, ColumnType] = {"phase": "STRING", "status": "STRING", "game_date": "STRING"}
    rows: list[dict[str, str | None]] = [
        {"phase": "phase3", "status": "success", "game_date": DAY},
        {"phase": None, "game_date": DAY},
    ]
    put_rows(warehouse, "nba_orchestration.phase_execution_log", shaped, rows)
    found, warnings = logged_runs(warehouse, DATE, DATE, timeout=30)
    (run,) = found
    assert (run.name, run.started_at) == ("phase3", datetime(2025, 1, 15, 5, tzinfo=UTC))
    assert run.run_id == "phase_execution_log:phase3:20250115T050000"
    said = "\n".join(warnings)
    assert "processor_run_history has no column for the name and the status of a run" in said
    assert "workflow_executions has no column for the date of a run" in said
    assert "phase_execution_log: 1 rows without a name or a time were left out" in said


def test_a_log_that_is_too_long_is_cut_at_its_oldest_end_and_says_so(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST", 3)
    put_rows(warehouse, PROCESSOR_RUNS, RUN_HISTORY, [run_row("a", minute=minute) for minute in range(5)])
    found, warnings = logged_runs(warehouse, DATE, DATE, timeout=30)
    assert [run.run_id for run in found] == ["a-4", "a-3", "a-2"]
    assert f"{PROCESSOR_RUNS}: only the newest 3 rows from {DAY} to {DAY} were read" in warnings


def test_a_run_that_logged_its_start_and_its_end_is_one_run(warehouse: Warehouse) -> None:
    ended = run_row("PlayerGameSummaryProcessor")
    began = {**ended, "status": "running", "processed_at": None, "records_processed": None}
    put_rows(warehouse, PROCESSOR_RUNS, RUN_HISTORY, [ended, began, ended, {**began, "run_id": "another"}])
    found, _ = logged_runs(warehouse, DATE, DATE, timeout=30)
    assert sorted((run.run_id, run.status, run.rows) for run in found) == [
        ("PlayerGameSummaryProcessor-0", "success", 120),
        ("another", "running", None),
    ]
