"""Python values for DuckDB and from it: query parameters, and the rows of a result."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.catalog import quoted
from nbactl.core._support.warehouse_values import cannot_bind, parameter_type
from nbactl.errors import DataError
from nbactl.ports.warehouse import QueryResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection

    from nbactl.adapters.duckdb.dialect import Translated
    from nbactl.adapters.duckdb.sql.types import Type


def parameter_types(parameters: Mapping[str, Any] | None) -> dict[str, Type]:
    """Return the BigQuery types of query parameters. Raises DataError for a value that cannot be one."""
    return {name: _parameter_type(name, value) for name, value in (parameters or {}).items()}


def _parameter_type(name: str, value: Any) -> Type:  # noqa: ANN401 - whatever a caller passes
    from nbactl.adapters.duckdb.sql.types import NULL, SCALARS, array, supertype  # noqa: PLC0415

    if isinstance(value, (list, tuple)):
        element = supertype([_parameter_type(name, part) for part in value])
        if element is None or element.element is not None:
            raise cannot_bind(name, value, "its elements have different types")
        return array(element)
    kind = parameter_type(name, value)
    return NULL if kind == "NULL" else SCALARS[kind]


def bind(parameters: Mapping[str, Any] | None, named: frozenset[str]) -> dict[str, Any]:
    """Return the values of the parameters that the SQL names, as DuckDB takes them."""
    given = parameters or {}
    return {name: list(given[name]) if isinstance(given[name], tuple) else given[name] for name in named}


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
