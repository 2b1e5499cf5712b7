"""The columns of tables and views, in BigQuery's types."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from nbactl.adapters.duckdb import catalog
from nbactl.adapters.duckdb.sql.types import SCALARS, Type, array
from nbactl.errors import DataError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ALSO = {"TIMESTAMP": "DATETIME", "TIME": "TIME", "BLOB": "BYTES"}


def columns_of(cursor: DuckDBPyConnection, table: str) -> tuple[tuple[str, Type], ...]:
    """Return the columns of a table or view. Raises NotFoundError, or DataError for a type of DuckDB's own."""
    return tuple((name, _known(table, name, kind)) for name, kind, _ in catalog.duckdb_columns(cursor, table))


def _known(table: str, column: str, kind: str) -> Type:
    found = _type_of(kind)
    if found is None:
        raise DataError(f"{table}.{column} has a type that BigQuery does not have: {kind}")
    return found


@lru_cache(maxsize=256)
def _type_of(kind: str) -> Type | None:
    if kind.endswith("[]"):
        element = _type_of(kind.removesuffix("[]"))
        return None if element is None else array(element)
    if kind.startswith("STRUCT("):
        fields = [_field(part) for part in _split(kind[7:-1])]
        return None if None in fields else Type("STRUCT", None, tuple(field for field in fields if field))
    name = catalog.bigquery_type(kind) or _ALSO.get(kind)
    return SCALARS[name] if name else None


def _field(part: str) -> tuple[str, Type] | None:
    if part.startswith('"'):
        name, _, kind = part[1:].replace('""', "\0").partition('" ')
        name = name.replace("\0", '"')
    else:
        name, _, kind = part.partition(" ")
    found = _type_of(kind)
    return None if found is None else (name, found)


def _split(fields: str) -> list[str]:
    parts, depth, begin, quoted = [], 0, 0, False
    for position, character in enumerate(fields):
        if character == '"':
            quoted = not quoted
        elif not quoted:
            depth += (character == "(") - (character == ")")
            if character == "," and not depth:
                parts.append(fields[begin:position].strip())
                begin = position + 1
    return [*parts, fields[begin:].strip()]
