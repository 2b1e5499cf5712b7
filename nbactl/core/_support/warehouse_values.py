"""Values on their way into a warehouse, checked alike on every engine: rows to load, and query parameters."""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.names import closest
from nbactl.errors import DataError, StaleFenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nbactl.ports.warehouse import Column, ColumnType, Fence, Rows, TableSchema

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
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
_PARAMETER_TYPES: Final[dict[type, str]] = {
    _NONE: "NULL",
    bool: "BOOL",
    int: "INT64",
    float: "FLOAT64",
    str: "STRING",
    bytes: "BYTES",
    date: "DATE",
    datetime: "TIMESTAMP",
    Decimal: "NUMERIC",
}


def parameter_type(name: str, value: Any) -> str:  # noqa: ANN401 - whatever a caller passes
    """Return the BigQuery type of a query parameter, NULL for None. Raises DataError for what cannot be one."""
    kind = _PARAMETER_TYPES.get(type(value))
    if kind is None or (isinstance(value, datetime) and value.tzinfo is None):
        raise cannot_bind(name, value)
    check = _CHECKS.get(kind) if kind in ("INT64", "NUMERIC") else None  # type: ignore[call-overload]
    if check is not None and (why := check(value)):
        raise cannot_bind(name, value, why)
    return kind


def cannot_bind(name: str, value: Any, why: str | None = None) -> DataError:  # noqa: ANN401 - as above
    """Return the error for a query parameter."""
    known = "a string, bytes, number, bool, date, aware datetime or list of these"
    return DataError(f"query parameter @{name} cannot be bound", cause=why or f"{value!r} is not {known}")


def check_key(key: str) -> None:
    """Raise DataError for what cannot name a piece of work."""
    if not _KEY.fullmatch(key):
        raise DataError(f"'{key}' is not a key", next_step="Use at most 200 letters, digits, - and _.")


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
    known = [column.name for column in schema.columns]
    for name in names:
        if name not in known:
            raise DataError(
                f"{schema.name} has no column {name}",
                cause=f"its columns are: {', '.join(known)}",
                next_step=f"Did you mean '{close}'?" if (close := closest(name, known)) else None,
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
    return "a naive datetime is not an instant" if value.tzinfo is None else None


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


def partition_of(schema: TableSchema, columns: tuple[str, ...]) -> str:
    """Return the partition column. Raises DataError for a table without partitions, or if `columns` lack it."""
    if schema.partition_by is None:
        raise DataError(f"{schema.name} is not partitioned", next_step="Declare partition_by, or use load.")
    if schema.partition_by not in columns:
        raise DataError(
            f"required column {schema.partition_by} of {schema.name} is missing",
            cause="the table is partitioned by it",
            details={"table": schema.name, "column": schema.partition_by},
        )
    return schema.partition_by


def outside_partitions(schema: TableSchema, days: Sequence[date], found: Iterable[date | str | None]) -> DataError:
    """Return the error for rows of the days `found`, which are not among those to be replaced."""
    named = sorted({"NULL" if day is None else str(day) for day in found}, key=lambda day: (day == "NULL", day))
    return DataError(
        f"{schema.name}.{schema.partition_by} has rows outside the partitions that are replaced: "
        f"{', '.join(named[:5])}",
        cause=f"to be replaced: {', '.join(day.isoformat() for day in list(days)[:5]) or 'none'}",
        details={"table": schema.name, "column": schema.partition_by},
    )


_WIDENS: Final[frozenset[tuple[str | None, ColumnType]]] = frozenset(
    {("INT64", "FLOAT64"), ("INT64", "NUMERIC"), ("NUMERIC", "FLOAT64")}
)


def check_query_type(schema: TableSchema, column: Column, given: str | None, *, widens: bool = False) -> None:
    """Raise DataError unless a query's column of type `given` fits; `widens` if the engine converts it otherwise."""
    if given == column.type or widens or (given, column.type) in _WIDENS:
        return
    raise DataError(
        f"{schema.name}.{column.name} is {column.type}, and the query gives {given}",
        next_step=f"CAST it to {column.type}.",
        details={"table": schema.name, "column": column.name},
    )


def null_in_required(schema: TableSchema, column: str, count: int) -> DataError:
    """Return the error for a query that gives NULL for a required column."""
    return DataError(
        f"{schema.name}.{column} is required, and the query gives NULL in {count} rows",
        details={"table": schema.name, "column": column},
    )


def stale_fence(table: str, day: date | str, fence: Fence, token: int, holder: str) -> StaleFenceError:
    """Return the error for a write under an older token than the `token` of `holder`."""
    return StaleFenceError(
        f"{table} of {day} was written by a later run",
        cause=f"{holder} wrote it under token {token}; this write by {fence.holder} carries {fence.token}",
        next_step="Nothing was changed. The later run's data are kept; see `nbactl runs list`.",
        details={"table": table, "day": str(day), "holder": holder, "token": token},
    )
