"""Python values for DuckDB: query parameters and rows to load, checked before the engine sees them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.catalog import quoted
from nbactl.errors import DataError
from nbactl.ports.warehouse import QueryResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from duckdb import DuckDBPyConnection

    from nbactl.ports.warehouse import Column, ColumnType, Rows, TableSchema

_NONE: Final = type(None)
_FITS: Final[dict[ColumnType, frozenset[type]]] = {
    "STRING": frozenset({str}),
    "INT64": frozenset({int}),
    "FLOAT64": frozenset({float, int}),
    "NUMERIC": frozenset({Decimal, int}),
    "BOOL": frozenset({bool}),
    "DATE": frozenset({date}),
    "TIMESTAMP": frozenset({datetime}),
    "JSON": frozenset({str, dict, list}),
}
_PARAMETER_TYPES: Final = frozenset({_NONE, bool, int, float, str, bytes, date, datetime, Decimal})


def bind(parameters: Mapping[str, Any] | None, named: frozenset[str]) -> dict[str, Any]:
    """Return the values of the parameters that the SQL names. Raises DataError for a missing one or an odd type."""
    given = parameters or {}
    if missing := sorted(named - given.keys()):
        raise DataError(
            f"no value for query parameter @{missing[0]}",
            cause=f"given are: {', '.join(sorted(given)) or 'none'}",
            details={"parameters": missing},
        )
    bound = {name: given[name] for name in named}
    for name, value in bound.items():
        for part in value if isinstance(value, (list, tuple)) else (value,):
            if type(part) not in _PARAMETER_TYPES or (isinstance(part, datetime) and part.tzinfo is None):
                raise DataError(
                    f"query parameter @{name} cannot be bound",
                    cause=f"{part!r} is not a string, number, bool, date, aware datetime or list of these",
                )
        if isinstance(value, tuple):
            bound[name] = list(value)
    return bound


def check_rows(rows: Rows, schema: TableSchema) -> list[tuple[Any, ...]]:
    """Return the rows ready to be loaded, in the order of `rows.columns`.

    Raises DataError that names table, column and row for an unknown or missing column, a value of the wrong type,
    or a NULL where one is not allowed.
    """
    check_columns(rows.columns, schema)
    by_name = {column.name: column for column in schema.columns}
    values = list(rows.values)
    width = len(rows.columns)
    if any(len(row) != width for row in values):
        number = next(n for n, row in enumerate(values, 1) if len(row) != width)
        raise DataError(f"row {number} for {schema.name} has {len(values[number - 1])} values for {width} columns")
    rewritten = (
        [
            _check_column(schema.name, by_name[name], column)
            for name, column in zip(rows.columns, zip(*values, strict=True), strict=True)
        ]
        if values
        else []
    )
    return values if all(column is None for column in rewritten) else _merge(values, rewritten)


def check_columns(names: tuple[str, ...], schema: TableSchema) -> None:
    """Raise DataError unless `names` are columns of the table, once each, and hold all required ones."""
    from nbactl.adapters.duckdb.errors import did_you_mean  # noqa: PLC0415

    known = [column.name for column in schema.columns]
    for name in names:
        if name not in known:
            raise DataError(
                f"{schema.name} has no column {name}",
                cause=f"its columns are: {', '.join(known)}",
                next_step=did_you_mean(name, known),
                details={"table": schema.name, "column": name},
            )
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"column {twice} is given twice for {schema.name}", details={"table": schema.name, "column": twice}
        )
    for column in schema.columns:
        if column.required and column.name not in names:
            raise DataError(
                f"required column {column.name} of {schema.name} is missing",
                details={"table": schema.name, "column": column.name},
            )


def _check_column(table: str, column: Column, values: tuple[Any, ...]) -> list[Any] | None:
    """Check one column; returns new values where they must be changed, else None."""
    kinds = set(map(type, values))
    if column.required and _NONE in kinds:
        raise _bad(table, column, values.index(None) + 1, "NULL", "the column is required")
    for kind in kinds - _FITS[column.type] - {_NONE}:
        number, value = next((n, v) for n, v in enumerate(values, 1) if type(v) is kind)
        raise _bad(table, column, number, f"{kind.__name__} {value!r}", f"the column is {column.type}")
    check = _CHECKS.get(column.type)
    if check is not None and not (column.type == "INT64" and _all_fit(values)):
        for number, value in enumerate(values, 1):
            if value is not None and (why := check(value)):
                raise _bad(table, column, number, repr(value), why)
    return [_json_text(value) for value in values] if column.type == "JSON" and kinds & {dict, list} else None


def _all_fit(numbers: tuple[int | None, ...]) -> bool:
    """Say whether no number is out of range; half the work of asking each one."""
    present = [number for number in numbers if number is not None]
    return not present or (_bad_int(min(present)) is None and _bad_int(max(present)) is None)


def _bad_int(value: int) -> str | None:
    return None if -(2**63) <= value < 2**63 else "it is out of range for INT64"


def _bad_numeric(value: Decimal | int) -> str | None:
    number = Decimal(value)
    if not number.is_finite() or not -_NUMERIC_LIMIT < number < _NUMERIC_LIMIT:
        return "it is out of range for NUMERIC"
    return "NUMERIC has 9 digits after the point" if _NUMERIC_UNITS % number.as_integer_ratio()[1] else None


_NUMERIC_LIMIT: Final = 10**29
_NUMERIC_UNITS: Final = 10**9


def _bad_timestamp(value: datetime) -> str | None:
    return "a naive datetime is no instant" if value.tzinfo is None else None


def _bad_json(value: Any) -> str | None:  # noqa: ANN401 - JSON
    try:
        if isinstance(value, str):
            json.loads(value)
        else:
            json.dumps(value)
    except (ValueError, TypeError) as error:
        return f"it is not JSON: {error}"
    return None


_CHECKS: Final[dict[ColumnType, Callable[[Any], str | None]]] = {
    "INT64": _bad_int,
    "NUMERIC": _bad_numeric,
    "TIMESTAMP": _bad_timestamp,
    "JSON": _bad_json,
}


def _json_text(value: Any) -> str | None:  # noqa: ANN401 - JSON
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _merge(values: list[tuple[Any, ...]], rewritten: list[list[Any] | None]) -> list[tuple[Any, ...]]:
    return [
        tuple(old if new is None else new[n] for old, new in zip(row, rewritten, strict=True))
        for n, row in enumerate(values)
    ]


def _bad(table: str, column: Column, row: int, what: str, why: str) -> DataError:
    return DataError(
        f"{table}.{column.name} cannot take {what[:120]} (row {row})",
        cause=why,
        details={"table": table, "column": column.name, "row": row},
    )


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
