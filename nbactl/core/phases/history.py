"""The runs of processors as production records them in the warehouse, whatever shape its tables have.

A table or a column that decides what a row means is an error where it is missing; any other column that is missing, or
has another type, is None in the answer.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.fields import as_time
from nbactl.core.phases.names import normalise
from nbactl.errors import DataError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from nbactl.ports.warehouse import Column, Warehouse

PROCESSOR_RUNS: Final = "nba_reference.processor_run_history"
LABELS: Final = {"task": "history"}


@frozen
class ProcessorRun:
    """A run of a processor. `processor` is the declared name that `raw_name` means, or `raw_name` if it means none.

    Times are aware UTC. `malformed` names the columns of its row that could not be read.
    """

    processor: str
    raw_name: str
    run_id: str | None
    status: str | None
    game_date: GameDate | None
    started_at: datetime | None = None
    processed_at: datetime | None = None
    records: int | None = None
    trigger_source: str | None = None
    errors: str | None = None
    malformed: tuple[str, ...] = ()
    known: bool = True


def runs_of(
    warehouse: Warehouse,
    processors: Collection[str],
    game_date: GameDate,
    since: datetime | None = None,
    *,
    timeout: float,
) -> list[ProcessorRun]:
    """Return the recorded runs of a game date whose name means one of `processors`, newest first.

    With `since` only those that started at that time or later, or whose start is not known. `timeout` is seconds.
    Raises what a query raises: NotFoundError without the table, DataError if it lacks a column that is needed.
    """
    runs = runs_of_dates(warehouse, processors, game_date, game_date, timeout=timeout)
    return [run for run in runs if since is None or run.started_at is None or run.started_at >= since]


def runs_of_dates(
    warehouse: Warehouse, processors: Collection[str], first: GameDate, last: GameDate, *, timeout: float
) -> list[ProcessorRun]:  # fmt: skip
    """Return the recorded runs of a range of game dates whose name means one of `processors`, newest first."""
    runs = (_named(run, processors) for run in runs_between(warehouse, first, last, timeout=timeout))
    return [run for run in runs if run.known]


def runs_between(
    warehouse: Warehouse, first: GameDate, last: GameDate, *, timeout: float
) -> list[ProcessorRun]:  # fmt: skip
    """Return all recorded runs of the game dates from `first` to `last`, newest first, under the names they gave."""
    table = RunTable(warehouse, PROCESSOR_RUNS, timeout)
    return sorted(map(_run, table.rows("data_date", first, last, _NEEDED, _FURTHER)), key=_when, reverse=True)


def _named(run: ProcessorRun, processors: Collection[str]) -> ProcessorRun:
    meant = normalise(run.raw_name, processors)
    return replace(run, processor=meant or run.raw_name, known=meant is not None)


_NEEDED: Final = ("processor_name", "status")
_FURTHER: Final = ("run_id", "started_at", "processed_at", "records_processed", "trigger_source", "errors")
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
RUNNING: Final = frozenset({"running", "started", "in_progress"})
"""The states of a row that is written when a run starts; another one follows when it ends."""


def ended_last(status: str | None, ended_at: datetime | None) -> tuple[bool, datetime]:
    """Return a key that sorts the rows of one run: its end after its start."""
    return (status or "").strip().lower() not in RUNNING, ended_at or _EARLIEST


def _when(run: ProcessorRun) -> tuple[datetime, bool, datetime]:
    return run.started_at or run.processed_at or _EARLIEST, *ended_last(run.status, run.processed_at)


def _run(row: Mapping[str, Any]) -> ProcessorRun:
    cells = Cells(row)
    name = cells.text("processor_name") or ""
    return ProcessorRun(
        processor=name,
        raw_name=name,
        run_id=cells.text("run_id"),
        status=cells.text("status"),
        game_date=cells.day("data_date"),
        started_at=cells.time("started_at"),
        processed_at=cells.time("processed_at"),
        records=cells.count("records_processed"),
        trigger_source=cells.text("trigger_source"),
        errors=cells.text("errors"),
        malformed=tuple(cells.malformed),
    )


class RunTable:
    """A table of the warehouse that may have another shape than is expected."""

    def __init__(self, warehouse: Warehouse, name: str, timeout: float) -> None:
        self.name = name
        self._warehouse = warehouse
        self._timeout = timeout
        self._columns: dict[str, Column] = {c.name: c for c in warehouse.table(name).schema.columns}

    def first_of(self, names: Sequence[str]) -> str | None:
        """Return the first of these columns that the table has."""
        return next((name for name in names if name in self._columns), None)

    def rows(
        self,
        by: str,
        first: GameDate,
        last: GameDate,
        needed: Iterable[str],
        further: Iterable[str],
        *,
        newest_by: str | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return the rows whose date in the column `by` lies in the range; of `further`, the columns that are there.

        With `limit` the greatest by the column `newest_by`.
        Raises DataError without `by` or one of `needed`.
        """
        needed = tuple(needed)
        missing = [name for name in (by, *needed) if name not in self._columns]
        if missing:
            raise DataError(
                f"{self.name} has no column {', '.join(missing)}",
                cause=f"Its columns are {', '.join(sorted(self._columns))}.",
                next_step="Compare the table with what writes it.",
            )
        wanted = dict.fromkeys((by, *needed, *(name for name in further if name in self._columns)))
        low, high = first.day, last.day
        kind = self._columns[by].type
        parameters: dict[str, Any] = {"first": low, "last": high}
        compared = f"`{by}`"
        if kind == "STRING":
            parameters = {"first": str(first), "last": str(last)}
        elif kind != "DATE":
            compared = f"DATE(`{by}`)"
        columns = ", ".join(f"`{name}`" for name in wanted)
        newest = f" ORDER BY `{newest_by}` DESC LIMIT {limit}" if newest_by and limit else ""
        result = self._warehouse.query(
            f"SELECT {columns} FROM `{self.name}` WHERE {compared} BETWEEN @first AND @last{newest}",  # noqa: S608 - our names
            parameters,
            timeout=self._timeout,
            labels=LABELS,
        )
        return result.dicts()


class Cells:
    """The cells of a row. A value of another type than is expected is noted in `malformed` and counts as missing."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row
        self.malformed: list[str] = []

    def text(self, name: str | None) -> str | None:
        """Return a text; a list or a map of errors as its text."""
        value = self._row.get(name) if name else None
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, (list, tuple, dict)):
            return str(value) if value else None
        return str(value)

    def time(self, name: str | None) -> datetime | None:
        """Return a time; a text that says one is one."""
        value = self._row.get(name) if name else None
        if value is None:
            return None
        found, _ = as_time(value)
        if found is None:
            self.malformed.append(str(name))
        return found

    def day(self, name: str) -> GameDate | None:
        """Return a date."""
        value = self._row.get(name)
        if isinstance(value, datetime):
            value = value.date()
        if isinstance(value, date):
            return GameDate(value)
        try:
            return GameDate(date.fromisoformat(str(value)[:10]))
        except ValueError:
            self.malformed.append(name)
            return None

    def count(self, name: str | None) -> int | None:
        """Return a whole number."""
        value = self._row.get(name) if name else None
        if value is None:
            return None
        try:
            return int(value)
        except (TypeError, ValueError, OverflowError):
            self.malformed.append(str(name))
            return None

    def seconds(self, name: str | None) -> float | None:
        """Return a duration in seconds."""
        value = self._row.get(name) if name else None
        if value is None:
            return None
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            self.malformed.append(str(name))
            return None
