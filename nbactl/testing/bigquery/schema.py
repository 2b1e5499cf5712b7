"""Schemas as the REST API writes them, with the older names of types, and as the engine has them.

https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#TableFieldSchema
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.sql.types import SCALARS, Type, array, duckdb_name, identifier
from nbactl.testing.bigquery.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

Field = dict[str, Any]

_LEGACY: Final = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD", "NULL": "INTEGER"}
_STANDARD: Final = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"} | {
    "DECIMAL": "NUMERIC",
    "BYTEINT": "INT64",
    "BIGINT": "INT64",
    "INT": "INT64",
    "SMALLINT": "INT64",
    "TINYINT": "INT64",
}

SIZES: Final = {"STRING": ("maxLength",), "BYTES": ("maxLength",), "NUMERIC": ("precision", "scale")}
"""What the sizes of a type are called, in the order that SQL has them in."""
SIZE_KEYS: Final = ("maxLength", "precision", "scale")


def normalized(fields: Iterable[Field]) -> list[Field]:
    """Return fields as the service answers them. Raises ApiError for a type or mode that it does not know."""
    return [_normalized(field) for field in fields]


def _normalized(field: Field) -> Field:
    written = str(field.get("type", "")).upper()
    kind = _STANDARD.get(written, written)
    if kind is None or (kind != "STRUCT" and kind not in SCALARS):
        raise ApiError("invalid", f"Invalid value for type: {written} is not a valid value")
    mode = str(field.get("mode") or "NULLABLE").upper()
    if mode not in ("NULLABLE", "REQUIRED", "REPEATED"):
        raise ApiError("invalid", f"Invalid value for mode: {mode} is not a valid value")
    answer = {**field, "type": _LEGACY.get(kind, kind), "mode": mode}
    if kind == "STRUCT":
        if not field.get("fields"):
            raise ApiError("invalid", f"Field {field.get('name')} is type RECORD but has no schema")
        answer["fields"] = normalized(field["fields"])
    return answer


def type_of(field: Field) -> Type:
    """Return the type of a field of a schema."""
    kind = _STANDARD.get(field["type"]) or str(field["type"])
    if kind == "STRUCT":
        whole = Type("STRUCT", None, tuple((part["name"], type_of(part)) for part in field["fields"]))
    else:
        whole = SCALARS[kind]
    return array(whole) if field.get("mode") == "REPEATED" else whole


def field_of(name: str, kind: Type, mode: str = "NULLABLE") -> Field:
    """Return a field of a type."""
    if kind.element is not None:
        return field_of(name, kind.element, "REPEATED")
    field: Field = {"name": name, "type": _LEGACY.get(kind.kind, kind.kind), "mode": mode}
    if kind.kind == "STRUCT":
        field["fields"] = [field_of(own or f"_field_{n}", part) for n, (own, part) in enumerate(kind.fields, 1)]
    return field


def columns(fields: Iterable[Field]) -> tuple[tuple[str, Type], ...]:
    """Return names and types of a schema's columns."""
    return tuple((field["name"], type_of(field)) for field in fields)


def standard_name(field: Field) -> str:
    """Return the type of a field as INFORMATION_SCHEMA writes it: ARRAY<STRUCT<a INT64>>, STRING(10)."""
    sizes = ", ".join(str(field[size]) for size in SIZE_KEYS if size in field)
    return f"{type_of(field)}({sizes})" if sizes and field.get("mode") != "REPEATED" else str(type_of(field))


def declared(field: Field) -> str:
    """Return a column's definition in the engine's SQL."""
    required = " NOT NULL" if field.get("mode") == "REQUIRED" else ""
    return f"{identifier(field['name'])} {duckdb_name(type_of(field))}{required}"
