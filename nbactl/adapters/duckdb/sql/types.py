"""BigQuery's types, what coerces to what, and their names in DuckDB."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Type:
    """A type; `element` of an ARRAY, `fields` of a STRUCT. NULL is the type of a bare NULL."""

    kind: str
    element: Type | None = None
    fields: tuple[tuple[str, Type], ...] = ()

    def __str__(self) -> str:
        if self.element is not None:
            return f"ARRAY<{self.element}>"
        if self.kind == "STRUCT":
            return f"STRUCT<{', '.join(f'{name} {kind}'.strip() for name, kind in self.fields)}>"
        return self.kind


INT64: Final = Type("INT64")
FLOAT64: Final = Type("FLOAT64")
NUMERIC: Final = Type("NUMERIC")
BOOL: Final = Type("BOOL")
STRING: Final = Type("STRING")
BYTES: Final = Type("BYTES")
DATE: Final = Type("DATE")
DATETIME: Final = Type("DATETIME")
TIME: Final = Type("TIME")
TIMESTAMP: Final = Type("TIMESTAMP")
JSON: Final = Type("JSON")
INTERVAL: Final = Type("INTERVAL")
NULL: Final = Type("NULL")

SCALARS: Final[dict[str, Type]] = {
    kind.kind: kind
    for kind in (INT64, FLOAT64, NUMERIC, BOOL, STRING, BYTES, DATE, DATETIME, TIME, TIMESTAMP, JSON, INTERVAL)
}
_DUCKDB: Final = {
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "NUMERIC": "DECIMAL(38,9)",
    "BOOL": "BOOLEAN",
    "STRING": "VARCHAR",
    "BYTES": "BLOB",
    "DATE": "DATE",
    "DATETIME": "TIMESTAMP",
    "TIME": "TIME",
    "TIMESTAMP": "TIMESTAMPTZ",
    "JSON": "JSON",
    "INTERVAL": "INTERVAL",
    "NULL": "BIGINT",
}
_RANK: Final = {"INT64": 0, "NUMERIC": 1, "FLOAT64": 2}


def array(element: Type) -> Type:
    """Return the ARRAY of a type."""
    return Type("ARRAY", element)


def is_number(kind: Type) -> bool:
    """Say whether it is INT64, NUMERIC or FLOAT64."""
    return kind.kind in _RANK


def duckdb_name(kind: Type) -> str:
    """Return the type in DuckDB's SQL."""
    if kind.element is not None:
        return f"{duckdb_name(kind.element)}[]"
    if kind.kind == "STRUCT":
        names = struct_names(kind)
        listed = ", ".join(
            f"{identifier(name)} {duckdb_name(field)}" for name, (_, field) in zip(names, kind.fields, strict=True)
        )
        return f"STRUCT({listed})"
    return _DUCKDB[kind.kind]


def struct_names(kind: Type) -> list[str]:
    """Return the names of a STRUCT's fields, with those that BigQuery's answers give to unnamed ones."""
    return [name or f"_field_{number}" for number, (name, _) in enumerate(kind.fields, 1)]


def identifier(name: str) -> str:
    """Return a name as DuckDB's SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a string as DuckDB's SQL literal."""
    return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Value:
    """A compiled expression: DuckDB's SQL (safe to embed anywhere), its type, and what a literal was.

    `literal` is the text of a STRING or FLOAT64 literal, which coerces to more types than another value. `leaves` are
    the operands of FLOAT64 arithmetic whose result is not checked for overflow yet; `bound` is what it cannot exceed.
    """

    sql: str
    type: Type
    literal: str | None = None
    parameter: bool = False
    aggregate: bool = False
    leaves: tuple[str, ...] = ()
    bound: float = math.inf


def supertype(kinds: list[Type]) -> Type | None:
    """Return the type that all coerce to, None if there is none."""
    found = NULL
    for kind in kinds:
        merged = _pair(found, kind)
        if merged is None:
            return None
        found = merged
    return found


def _pair(one: Type, other: Type) -> Type | None:
    if other in (one, NULL):
        return one
    if one == NULL:
        return other
    if is_number(one) and is_number(other):
        return max(one, other, key=lambda kind: _RANK[kind.kind])
    if one.element is not None and other.element is not None:
        element = _pair(one.element, other.element) if NULL in (one.element, other.element) else None
        return None if element is None else array(element)
    if one.kind == other.kind == "STRUCT" and len(one.fields) == len(other.fields):
        merged = [_pair(left, right) for (_, left), (_, right) in zip(one.fields, other.fields, strict=True)]
        if None not in merged:
            names = [name for name, _ in one.fields]
            return Type("STRUCT", None, tuple(zip(names, merged, strict=True)))  # type: ignore[arg-type]
    return None


def common(values: list[Value]) -> Type | None:
    """Return the type of several values side by side; literals follow the other values."""
    firm = supertype([value.type for value in values if value.literal is None])
    if firm is None:
        return None
    every = supertype([value.type for value in values])
    if firm in (NULL, every):
        return every
    follows = all(value.literal is None or coerces(value, firm) for value in values)
    return firm if follows else every


def coerces(value: Value, kind: Type) -> bool:
    """Say whether a value becomes that type without a cast."""
    own = value.type
    if own in (kind, NULL):
        return True
    if is_number(own) and is_number(kind):
        return _RANK[own.kind] < _RANK[kind.kind] or (kind == NUMERIC and value.literal is not None)
    if own == STRING and (value.literal is not None or value.parameter):
        return kind in (DATE, DATETIME, TIME, TIMESTAMP)
    if own.element is not None and kind.element is not None:
        return own.element == NULL
    return False
