"""The run history of production's processors, on every warehouse and in whatever shape (invariant 29)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.history import PROCESSOR_RUNS, runs_between, runs_of
from nbactl.errors import DataError, NotFoundError
from tests.kit.production import DAY, NIGHT, PHASE3, RUN_HISTORY, put_rows, run_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.ports.warehouse import ColumnType, Warehouse

DATE = GameDate(date.fromisoformat(DAY))


def test_inv_29_runs_under_any_spelling_are_those_of_the_processor(warehouse: Warehouse) -> None:
    rows = [
        run_row("PlayerGameSummaryProcessor", status="failed", errors="no such column"),
        run_row("AsyncPlayerGameSummaryProcessor", minute=9),
        run_row("player_game_summary", minute=5),
        run_row("player_game_sumary", minute=6),
        run_row("player_game_summary", day="2025-01-14"),
    ]
    put_rows(warehouse, PROCESSOR_RUNS, RUN_HISTORY, rows)
    found = runs_of(warehouse, PHASE3, DATE, timeout=30)
    assert [(run.processor, run.raw_name, run.status) for run in found] == [
        ("player_game_summary", "AsyncPlayerGameSummaryProcessor", "success"),
        ("player_game_summary", "player_game_summary", "success"),
        ("player_game_summary", "PlayerGameSummaryProcessor", "failed"),
    ]
    first = found[-1]
    assert (first.started_at, first.processed_at) == (NIGHT, NIGHT + timedelta(seconds=40))
    assert (first.records, first.trigger_source, first.errors) == (120, "orchestrator", "no such column")
    assert (first.game_date, first.run_id, first.malformed) == (DATE, "PlayerGameSummaryProcessor-0", ())


def test_runs_since_a_moment_are_those_that_started_then_or_whose_start_is_unknown(warehouse: Warehouse) -> None:
    rows = [run_row("player_game_summary", minute=minute) for minute in (0, 5)]
    rows.append(run_row("player_game_summary", minute=7, started_at=None, processed_at=None))
    put_rows(warehouse, PROCESSOR_RUNS, RUN_HISTORY, rows)
    found = runs_of(warehouse, PHASE3, DATE, NIGHT + timedelta(minutes=5), timeout=30)
    assert [run.run_id for run in found] == ["player_game_summary-5", "player_game_summary-7"]


def test_names_that_nobody_declares_are_in_the_history_of_all(warehouse: Warehouse) -> None:
    put_rows(warehouse, PROCESSOR_RUNS, RUN_HISTORY, [run_row("a"), run_row("b", day="2025-01-14")])
    found = runs_between(warehouse, DATE.plus(-1), DATE, timeout=30)
    assert sorted((run.raw_name, str(run.game_date)) for run in found) == [("a", DAY), ("b", "2025-01-14")]


def test_a_table_that_is_not_there_is_an_error_and_not_an_empty_answer(warehouse: Warehouse) -> None:
    with pytest.raises(NotFoundError):
        runs_of(warehouse, PHASE3, DATE, timeout=30)


@pytest.mark.parametrize("column", ["processor_name", "status", "data_date"])
def test_a_column_that_is_needed_and_missing_is_an_error(warehouse: Warehouse, column: str) -> None:
    put_rows(warehouse, PROCESSOR_RUNS, {k: v for k, v in RUN_HISTORY.items() if k != column}, [])
    with pytest.raises(DataError, match=f"processor_run_history has no column {column}") as raised:
        runs_of(warehouse, PHASE3, DATE, timeout=30)
    assert "run_id" in str(raised.value.cause)


def test_any_other_column_may_be_missing(warehouse: Warehouse) -> None:
    columns: Mapping[str, ColumnType] = {name: RUN_HISTORY[name] for name in ("processor_name", "status", "data_date")}
    put_rows(warehouse, PROCESSOR_RUNS, columns, [run_row("player_game_summary")])
    (run,) = runs_of(warehouse, PHASE3, DATE, timeout=30)
    assert (run.status, run.started_at, run.run_id, run.records, run.malformed) == ("success", None, None, None, ())


def test_columns_of_other_types_are_read_where_they_say_the_same(warehouse: Warehouse) -> None:
    columns: dict[str, ColumnType] = {
        **RUN_HISTORY, "data_date": "STRING", "started_at": "STRING", "records_processed": "FLOAT64",
        "processed_at": "DATE", "run_id": "INT64", "errors": "JSON",
    }  # fmt: skip
    row = run_row("player_game_summary") | {
        "data_date": DAY, "started_at": "2025-01-16T06:00:00-05:00", "records_processed": 120.0,
        "processed_at": date(2025, 1, 16), "run_id": 7, "errors": ["late"],
    }  # fmt: skip
    put_rows(warehouse, PROCESSOR_RUNS, columns, [row])
    (run,) = runs_of(warehouse, PHASE3, DATE, timeout=30)
    assert (run.game_date, run.started_at, run.records, run.run_id) == (DATE, NIGHT, 120, "7")
    assert run.errors is not None
    assert "late" in run.errors
    assert (run.processed_at, run.malformed) == (None, ("processed_at",))


def test_a_date_as_a_time_is_its_day(warehouse: Warehouse) -> None:
    columns: dict[str, ColumnType] = {**RUN_HISTORY, "data_date": "TIMESTAMP", "records_processed": "STRING"}
    row = run_row("player_game_summary") | {
        "data_date": datetime(2025, 1, 15, 23, tzinfo=UTC), "records_processed": "many",
    }  # fmt: skip
    put_rows(warehouse, PROCESSOR_RUNS, columns, [row])
    (run,) = runs_of(warehouse, PHASE3, DATE, timeout=30)
    assert (run.game_date, run.records, run.malformed) == (DATE, None, ("records_processed",))


@pytest.mark.parametrize("end_first", [True, False])
def test_the_end_of_a_run_is_newer_than_its_start(warehouse: Warehouse, end_first: bool) -> None:
    ended = run_row("player_game_summary")
    began = {**ended, "status": "running", "processed_at": None, "records_processed": None}
    put_rows(warehouse, PROCESSOR_RUNS, RUN_HISTORY, [ended, began] if end_first else [began, ended])
    assert [run.status for run in runs_of(warehouse, PHASE3, DATE, timeout=30)] == ["success", "running"]
