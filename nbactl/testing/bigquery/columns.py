"""Columns as definitions declare them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server
from sqlglot.errors import SqlglotError  # noqa: TID253 - as above

from nbactl.adapters.duckdb.sql.expressions import type_of
from nbactl.errors import NbactlError
from nbactl.testing.bigquery import schema
from nbactl.testing.bigquery.errors import ApiError, invalid_query, of_translation

if TYPE_CHECKING:
    from nbactl.adapters.duckdb.sql.types import Type


def written_type(text: str) -> Type:
    """Return a type by its text, such as ARRAY<STRUCT<a INT64>>. Raises ApiError."""
    try:
        kind = exp.DataType.build(text, dialect="bigquery")
    except SqlglotError:
        raise invalid_query(f"Syntax error: Unexpected type {text}") from None
    return schema.type_of(schema.normalized([typed("", kind)])[0])


def declared(column: exp.ColumnDef) -> schema.Field:
    """Return the field of a column's definition. Raises ApiError."""
    field = typed(column.name, column.args["kind"])
    for constraint in column.args.get("constraints") or ():
        kind = constraint.args.get("kind")
        options = kind.expressions if isinstance(kind, exp.Properties) else []
        if isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null"):
            field["mode"] = "REQUIRED"
        elif options:
            described(field, options)
        else:
            raise ApiError("notImplemented", f"The test server does not know {constraint.sql('bigquery')} of a column")
    return field


def described(field: schema.Field, options: list[exp.Expr]) -> None:
    """Set the options of a column; NULL takes one away. Raises ApiError for what is not a description."""
    for option in options:
        if option.name.lower() != "description":
            raise ApiError("notImplemented", f"The test server does not know the option {option.name} of a column")
        value = option.args["value"]
        if isinstance(value, exp.Null):
            field.pop("description", None)
        else:
            field["description"] = value.name


def typed(name: str, kind: exp.DataType) -> schema.Field:
    """Return a field of a type. The size of a STRING, BYTES or NUMERIC is kept, and values are not held to it."""
    written = kind.this.name if not isinstance(kind.this, str) else kind.this
    if written == "ARRAY":
        return {**typed(name, kind.expressions[0]), "mode": "REPEATED"}
    field: schema.Field = {"name": name, "mode": "NULLABLE"}
    if written == "STRUCT":
        return {**field, "type": "RECORD", "fields": [declared(part) for part in kind.expressions]}
    sizes = [part.name for part in kind.expressions]
    plain = exp.DataType(this=kind.this)
    try:
        known = type_of(plain).kind
    except NbactlError as error:
        raise of_translation(error) from error
    names = schema.SIZES.get(known, ())
    if len(sizes) > len(names):
        raise invalid_query(f"{known} does not take type parameters")
    return {**field, "type": known, **dict(zip(names, sizes, strict=False))}
