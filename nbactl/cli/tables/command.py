"""The tables of the warehouse: which there are, what is in one, how many rows each date has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.ask import proceed
from nbactl.cli.query.command import run_priced
from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotFoundError, UsageError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.ports.warehouse import QueryResult, TableInfo, TableSchema

DEFAULT_LIMIT: Final = 20
DEFAULT_DAYS: Final = 7
"""How many dates `tables counts` shows without --from."""
MOST_DAYS: Final = 400


@frozen
class ListedTable:
    """A table that is there. `newest` is its newest partition, None for one without rows or partitions."""

    info: TableInfo
    newest: date | None
    declared: bool


@frozen
class TableList:
    """The tables of the warehouse, or of one dataset, by name; `missing` are declared and not there."""

    tables: tuple[ListedTable, ...]
    missing: tuple[str, ...]


@frozen
class ShowRequest:
    """Which rows of a table to show: those of `date`, without one those of its newest partition."""

    table: str
    date: GameDate | None = None
    limit: int = DEFAULT_LIMIT


@frozen
class TableDetails:
    """A table and some of its rows; `date` is the partition that they are of."""

    info: TableInfo
    date: date | None
    rows: QueryResult
    limit: int


@frozen
class RowCounts:
    """Rows by table and date. Every table has every date from `first` to `last`; `missing` are not there at all."""

    first: GameDate
    last: GameDate
    counts: Mapping[str, Mapping[date, int]]
    missing: tuple[str, ...]


def list_tables(app: Container, dataset: str | None = None, *, confirm: Confirm = proceed) -> TableList:
    """Return the tables with their rows, bytes and newest partition. Raises NotFoundError for an unknown dataset."""
    names, missing = _names(app, dataset)
    found = [app.warehouse.table(name) for name in names]
    newest = _newest(app, [info.schema for info in found if info.rows], confirm)
    declared = _declared()
    listed = tuple(ListedTable(info, newest.get(info.schema.name), info.schema.name in declared) for info in found)
    return TableList(listed, missing)


def show_table(app: Container, request: ShowRequest, *, confirm: Confirm = proceed) -> TableDetails:
    """Return a table and rows of one date. Raises NotFoundError for an unknown table, or a date without rows."""
    info = _table(app, request.table)
    schema, partition = info.schema, info.schema.partition_by
    if partition is None and request.date is not None:
        raise UsageError(f"{schema.name} has no dates", cause="It is not partitioned.", next_step="Leave out --date.")
    day = None if request.date is None else request.date.day
    if day is None and partition is not None and info.rows:
        day = _newest(app, [schema], confirm).get(schema.name)
    where, values = ("", {}) if day is None else (f" WHERE {_day(schema)} = @day", {"day": day})
    rows = run_priced(
        app,
        f"SELECT * FROM `{schema.name}`{where} LIMIT {request.limit + 1}",  # noqa: S608 - a name of the catalogue
        values,
        max_rows=request.limit,
        timeout=app.config.timeouts["warehouse.query"],
        confirm=confirm,
    )
    if request.date is not None and not rows.rows:
        newest = _newest(app, [schema], confirm).get(schema.name)
        raise NotFoundError(
            f"{schema.name} has no rows of {request.date}",
            next_step=f"Its newest date is {newest}." if newest else "It has no rows at all.",
            details={"table": schema.name},
        )
    return TableDetails(info, day, rows, request.limit)


def count_rows(
    app: Container,
    first: GameDate | None,
    last: GameDate | None,
    *,
    dataset: str | None = None,
    confirm: Confirm = proceed,
) -> RowCounts:
    """Return how many rows each partitioned table has of each date; the last seven dates with data by default.

    The quarantine is not counted: what was refused is no row of a table. Raises NotFoundError where no table has a row
    of these dates.
    """
    names, missing = _names(app, dataset)
    names = [name for name in names if not name.endswith("_quarantine")]
    schemas = [schema for name in names if (schema := app.warehouse.table(name).schema).partition_by is not None]
    if last is None:
        latest = max(_newest(app, schemas, confirm).values(), default=app.clock.now().date())
        last = GameDate(latest if first is None else max(latest, first.day))
    first = first or last.plus(1 - DEFAULT_DAYS)
    days = [game_date.day for game_date in first.until(last)]
    if len(days) > MOST_DAYS:
        raise UsageError(f"{len(days)} dates are too many", next_step=f"Count at most {MOST_DAYS} dates at once.")
    counts = {schema.name: dict.fromkeys(days, 0) for schema in schemas}
    parts = [
        f"SELECT '{schema.name}' AS name, {_day(schema)} AS day, COUNT(*) AS n FROM `{schema.name}` "  # noqa: S608
        f"WHERE {_day(schema)} BETWEEN @first AND @last GROUP BY day"
        for schema in schemas
    ]
    for name, day, count in _union(app, parts, {"first": first.day, "last": last.day}, confirm):
        counts[name][day] = count
    if not any(count for by_day in counts.values() for count in by_day.values()):
        newest = max(_newest(app, schemas, confirm).values(), default=None)
        raise NotFoundError(
            f"no table has rows from {first} to {last}",
            next_step=f"The newest date is {newest}." if newest else "Collect and write some: nbactl run phase2",
        )
    return RowCounts(first, last, counts, missing)


def _names(app: Container, dataset: str | None) -> tuple[list[str], tuple[str, ...]]:
    """Return the tables that are there, and those that are declared and missing."""
    declared = [name for name in _declared() if dataset is None or name.startswith(f"{dataset}.")]
    names = app.warehouse.list_tables(dataset)
    if not names and not declared:
        known = sorted({name.partition(".")[0] for name in (*_declared(), *app.warehouse.list_tables())})
        raise NotFoundError(f"there is no dataset {dataset}", next_step=did_you_mean(str(dataset), known))
    return names, tuple(name for name in declared if name not in set(names))


def _declared() -> Mapping[str, TableSchema]:
    from nbactl.warehouse.tables import load_tables  # noqa: PLC0415 - brings the reader of YAML

    return load_tables()


def _table(app: Container, name: str) -> TableInfo:
    """Return a table; one that is declared and not made yet is said to be so."""
    try:
        return app.warehouse.table(name)
    except NotFoundError as error:
        if name in _declared():
            raise NotFoundError(
                f"{name} does not exist yet",
                cause="It is declared in tables.yaml, and nothing has written it.",
                next_step="Run the phase that writes it, such as: nbactl run phase3",
                details={"table": name},
            ) from error
        raise


def _newest(app: Container, schemas: Sequence[TableSchema], confirm: Confirm) -> dict[str, date]:
    """Return the newest date of each table that has rows; on BigQuery this reads the partition column."""
    parts = [
        f"SELECT '{schema.name}' AS name, MAX({_day(schema)}) AS day FROM `{schema.name}`"  # noqa: S608
        for schema in schemas
        if schema.partition_by is not None
    ]
    return {name: day for name, day in _union(app, parts, {}, confirm) if day is not None}


def _union(
    app: Container, parts: Sequence[str], values: Mapping[str, Any], confirm: Confirm
) -> Sequence[tuple[Any, ...]]:
    if not parts:
        return ()
    timeout = app.config.timeouts["warehouse.query_large"]
    return run_priced(app, " UNION ALL ".join(parts), values, timeout=timeout, confirm=confirm).rows


def _day(schema: TableSchema) -> str:
    """Return the expression of a row's date; a TIMESTAMP is partitioned by its UTC day."""
    kind = next((column.type for column in schema.columns if column.name == schema.partition_by), "DATE")
    return f"`{schema.partition_by}`" if kind == "DATE" else f"DATE(`{schema.partition_by}`)"
