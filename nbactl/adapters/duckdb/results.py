"""Query results as the port gives them: TIMESTAMPs aware in UTC, and no column name twice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.catalog import quoted
from nbactl.errors import DataError
from nbactl.ports.warehouse import QueryResult

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ZONED: Final = "TIMESTAMP WITH TIME ZONE"


def fetch(cursor: DuckDBPyConnection, sql: str, parameters: dict[str, Any]) -> QueryResult:
    """Run a query in DuckDB's dialect and return all rows."""
    cursor.execute(sql, parameters)
    columns = check_names(cursor)
    types = [str(column[1]) for column in cursor.description or ()]
    zoned = [number for number, kind in enumerate(types) if _ZONED in kind]
    if not zoned:
        return QueryResult(columns, cursor.fetchall())
    # DuckDB's client needs pytz to hand out zoned timestamps; in UTC they are plain ones until they are in Python.
    cursor.abort()
    listed = ", ".join(
        f"CAST({quoted(name)} AS {kind.replace(_ZONED, 'TIMESTAMP')})" if _ZONED in kind else quoted(name)
        for name, kind in zip(columns, types, strict=True)
    )
    cursor.execute(f"SELECT {listed} FROM ({sql})", parameters)
    return QueryResult(columns, [_aware(row, zoned) for row in cursor.fetchall()])


def check_names(cursor: DuckDBPyConnection) -> tuple[str, ...]:
    """Return the result's column names. Raises DataError if one comes twice, as BigQuery does."""
    columns = tuple(column[0] for column in cursor.description or ())
    if len({name.lower() for name in columns}) != len(columns):
        twice = next(name for name in columns if [other.lower() for other in columns].count(name.lower()) > 1)
        raise DataError(f"the query's result has two columns named {twice}", next_step="Give one of them an alias.")
    return columns


def _aware(row: tuple[Any, ...], zoned: list[int]) -> tuple[Any, ...]:
    values = list(row)
    for number in zoned:
        values[number] = _in_utc(values[number])
    return tuple(values)


def _in_utc(value: Any) -> Any:  # noqa: ANN401 - a cell can be of any type
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    if isinstance(value, list):
        return [_in_utc(part) for part in value]
    if isinstance(value, dict):
        return {key: _in_utc(part) for key, part in value.items()}
    return value
