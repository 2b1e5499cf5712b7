"""The runs that production's programs log: processors, phases, scrapers and workflows, each in a table of its own.

The tables were made by different programs at different times, so a fact stands under the first of several columns that
a table has. Each table is read by itself: one that is missing or cannot be read hides no other. The runs of nbactl that
are in these tables are left out: they are in its ledger.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core._support.gamedate import EASTERN, GameDate
from nbactl.core._support.ids import is_id_of
from nbactl.core.phases.history import PROCESSOR_RUNS, Cells, RunTable, ended_last
from nbactl.errors import DataError, NbactlError, UnavailableError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.ports.warehouse import Warehouse

LoggedKind = Literal["phase", "workflow", "task"]
MOST: Final = 2_000
"""How many rows of a table are read, the newest."""


@frozen
class LoggedRun:
    """A run of one of production's programs. Times are aware UTC, `status` is as it was written."""

    table: str
    kind: LoggedKind
    name: str
    run_id: str
    status: str
    game_date: GameDate
    started_at: datetime
    finished_at: datetime | None = None
    rows: int | None = None
    trigger_source: str | None = None
    correlation_id: str | None = None
    error: str | None = None


@frozen
class LogTable:
    """Where the facts of a run are in a table: in the first column of each list that the table has."""

    table: str
    kind: LoggedKind
    name: tuple[str, ...]
    run_id: tuple[str, ...] = ("run_id", "execution_id", "correlation_id")
    status: tuple[str, ...] = ("status",)
    day: tuple[str, ...] = ("game_date", "data_date")
    started: tuple[str, ...] = ("started_at", "start_time", "triggered_at", "execution_time", "execution_timestamp")
    finished: tuple[str, ...] = ("processed_at", "completed_at", "finished_at", "end_time")
    seconds: tuple[str, ...] = ("duration_seconds",)
    rows: tuple[str, ...] = ("records_processed", "record_count", "rows_written", "games_processed")
    trigger: tuple[str, ...] = ("trigger_source", "source")
    error: tuple[str, ...] = ("errors", "error_message", "error")


LOG_TABLES: Final = (
    LogTable(PROCESSOR_RUNS, "task", ("processor_name",)),
    LogTable("nba_orchestration.phase_execution_log", "phase", ("phase_name", "phase")),
    LogTable("nba_orchestration.scraper_execution_log", "task", ("scraper_name", "scraper")),
    LogTable("nba_orchestration.workflow_executions", "workflow", ("workflow_name", "workflow")),
)


def logged_runs(
    warehouse: Warehouse, first: GameDate, last: GameDate, *, timeout: float
) -> tuple[list[LoggedRun], list[str]]:  # fmt: skip
    """Return the logged runs of the game dates from `first` to `last`, newest first, and what could not be read.

    A table without a game date is read by the day in New York on which its runs started.
    """
    found: list[LoggedRun] = []
    warnings: list[str] = []
    unread: dict[str, list[str]] = {}
    for log in LOG_TABLES:
        try:
            runs, unusable = _read(RunTable(warehouse, log.table, timeout), log, first, last)
        except UnavailableError as error:  # the next table would only take as long
            warnings.append(f"{log.table} and what follows were not read: {error.message}")
            break
        except NbactlError as error:
            unread.setdefault(error.message, []).append(log.table)
            continue
        found += _one_of_each(runs)
        if unusable:
            warnings.append(f"{log.table}: {unusable} rows without a name or a time were left out")
        if len(runs) + unusable >= MOST:
            warnings.append(f"{log.table}: only the newest {MOST:,} rows from {first} to {last} were read")
    for message, tables in unread.items():
        verb = "was" if len(tables) == 1 else "were"
        warnings.append(f"{', '.join(tables)} {verb} not read: {message}")
    return sorted(found, key=lambda run: (run.started_at, run.run_id), reverse=True), warnings


def _one_of_each(runs: Sequence[LoggedRun]) -> list[LoggedRun]:
    """Return a line for each run: the row of its end replaces that of its start, and a row may come twice."""
    last: dict[tuple[str, str, GameDate], LoggedRun] = {}
    for run in sorted(runs, key=lambda run: ended_last(run.status, run.finished_at)):
        last[run.name, run.run_id, run.game_date] = run
    return list(last.values())


def _read(table: RunTable, log: LogTable, first: GameDate, last: GameDate) -> tuple[list[LoggedRun], int]:
    columns = {
        fact: table.first_of(getattr(log, fact))
        for fact in ("name", "run_id", "status", "day", "started", "finished", "seconds", "rows", "trigger", "error")
    }
    missing = [fact for fact in ("name", "status") if columns[fact] is None]
    if columns["day"] is None and columns["started"] is None:
        missing.append("date")
    if missing:
        raise DataError(f"{log.table} has no column for the {' and the '.join(missing)} of a run")
    further = [column for column in columns.values() if column is not None]
    further += [column for column in ("correlation_id",) if table.first_of((column,))]
    by = columns["day"] or str(columns["started"])
    # A day in New York may end on the next one in UTC.
    until = last if columns["day"] else last.plus(1)
    rows = table.rows(by, first, until, (), further, newest_by=columns["started"] or by, limit=MOST)
    runs = [run for row in rows if (run := _run(row, log, columns)) is not None]
    theirs = [run for run in runs if first <= run.game_date <= last and not is_id_of("run", run.run_id)]
    return theirs, len(rows) - len(runs)


def _run(row: Mapping[str, Any], log: LogTable, columns: Mapping[str, str | None]) -> LoggedRun | None:
    cells = Cells(row)
    name = cells.text(columns["name"])
    day = cells.day(columns["day"]) if columns["day"] else None
    started, finished = cells.time(columns["started"]), cells.time(columns["finished"])
    seconds = cells.seconds(columns["seconds"])
    if started is None and day is not None:
        started = finished or datetime.combine(day.day, time(), EASTERN).astimezone(UTC)
    if not name or started is None:
        return None
    if finished is None and seconds is not None and abs(seconds) < _MOST_SECONDS:
        finished = started + timedelta(seconds=seconds)
    return LoggedRun(
        log.table,
        log.kind,
        name,
        cells.text(columns["run_id"]) or f"{log.table.rpartition('.')[2]}:{name}:{started:%Y%m%dT%H%M%S}",
        cells.text(columns["status"]) or "",
        day or GameDate.of(started),
        started,
        finished,
        cells.count(columns["rows"]),
        cells.text(columns["trigger"]),
        cells.text("correlation_id"),
        cells.text(columns["error"]),
    )


_MOST_SECONDS: Final = 10 * 86_400.0
"""A longer duration is no duration of a run, but another unit or damage."""
