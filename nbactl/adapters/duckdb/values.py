"""Python values for DuckDB: query parameters and rows to load, checked before the engine sees them."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.catalog import quoted
from nbactl.errors import DataError
from nbactl.ports.warehouse import QueryResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from duckdb import DuckDBPyConnection

    from nbactl.adapters.duckdb.dialect import Translated
    from nbactl.adapters.duckdb.sql.types import Type
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


def parameter_types(parameters: Mapping[str, Any] | None) -> dict[str, Type]:
    """Return the BigQuery types of query parameters. Raises DataError for a value that cannot be one."""
    return {name: _parameter_type(name, value) for name, value in (parameters or {}).items()}


def _parameter_type(name: str, value: Any) -> Type:  # noqa: ANN401 - whatever a caller passes
    from nbactl.adapters.duckdb.sql.types import NULL, SCALARS, array, supertype  # noqa: PLC0415

    if isinstance(value, (list, tuple)):
        element = supertype([_parameter_type(name, part) for part in value])
        if element is None or element.element is not None:
            raise _cannot_bind(name, value, "its elements have different types")
        return array(element)
    kind = _PARAMETER_TYPES.get(type(value))
    if kind is None:
        raise _cannot_bind(name, value)
    if isinstance(value, datetime) and value.tzinfo is None:
        raise _cannot_bind(name, value)
    check = _CHECKS.get(kind) if kind in ("INT64", "NUMERIC") else None  # type: ignore[call-overload]
    if check is not None and (why := check(value)):
        raise _cannot_bind(name, value, why)
    return NULL if kind == "NULL" else SCALARS[kind]


def _cannot_bind(name: str, value: Any, why: str | None = None) -> DataError:  # noqa: ANN401 - as above
    known = "a string, bytes, number, bool, date, aware datetime or list of these"
    return DataError(f"query parameter @{name} cannot be bound", cause=why or f"{value!r} is not {known}")


def bind(parameters: Mapping[str, Any] | None, named: frozenset[str]) -> dict[str, Any]:
    """Return the values of the parameters that the SQL names, as DuckDB takes them."""
    given = parameters or {}
    return {name: list(given[name]) if isinstance(given[name], tuple) else given[name] for name in named}


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


_DATED: Final = re.compile(r"^(DATE|DATETIME|TIMESTAMP)$")
_ZONED: Final = "TIMESTAMP WITH TIME ZONE"


def fetch(
    cursor: DuckDBPyConnection, query: Translated, parameters: dict[str, Any], max_rows: int | None = None
) -> QueryResult:
    """Run a translated query and return its rows, at most `max_rows`."""
    sql = query.sql
    cursor.execute(sql, parameters)
    described = [(str(column[0]), str(column[1])) for column in cursor.description or ()]
    zoned = [number for number, (_, kind) in enumerate(described) if _ZONED in kind]
    dated = [number for number, (_, kind) in enumerate(query.columns) if _DATED.search(str(kind))]
    documents = [number for number, (_, kind) in enumerate(query.columns) if "JSON" in str(kind)]
    if zoned:
        # DuckDB's client needs pytz to hand out zoned timestamps; in UTC they are plain ones until they are in Python.
        cursor.abort()
        listed = ", ".join(
            f"CAST({quoted(name)} AS {kind.replace(_ZONED, 'TIMESTAMP')})" if _ZONED in kind else quoted(name)
            for name, kind in described
        )
        cursor.execute(f"SELECT {listed} FROM ({sql})", parameters)
    fetched = cursor.fetchall() if max_rows is None else cursor.fetchmany(max_rows + 1)
    rows = _in_calendar(fetched if max_rows is None else fetched[:max_rows], dated)
    return QueryResult(
        tuple(name for name, _ in query.columns),
        _parsed([_aware(row, zoned) for row in rows] if zoned else rows, documents),
        types=types_of(query),
        truncated=max_rows is not None and len(fetched) > max_rows,
    )


def types_of(query: Translated) -> tuple[str, ...]:
    """Return BigQuery's names of the types of a query's columns; a bare NULL is an INT64, as in BigQuery."""
    return tuple(_type_name(kind) for _, kind in query.columns)


def _type_name(kind: Type) -> str:
    if kind.element is not None:
        return f"ARRAY<{_type_name(kind.element)}>"
    return "INT64" if kind.kind == "NULL" else str(kind)


def _in_calendar(rows: list[tuple[Any, ...]], dated: list[int]) -> list[tuple[Any, ...]]:
    """Return the rows. Raises DataError for a moment beyond the years 1 to 9999: DuckDB gives it as text."""
    for row in rows:
        for number in dated:
            if isinstance(row[number], str):
                raise DataError(
                    "the query cannot be run on these data", cause=f"{row[number]} is not in the years 1 to 9999"
                )
    return rows


def _parsed(rows: list[tuple[Any, ...]], documents: list[int]) -> list[tuple[Any, ...]]:
    """Return the rows with JSON as Python's values, as BigQuery's client does."""
    if not documents:
        return rows
    return [tuple(_document(value) if n in documents else value for n, value in enumerate(row)) for row in rows]


def _document(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_document(part) for part in value]
    return value if value is None else json.loads(value)


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
