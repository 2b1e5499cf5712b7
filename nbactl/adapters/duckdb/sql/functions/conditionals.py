"""Conditional functions, ERROR and STRUCT."""

from __future__ import annotations

from typing import Final

from sqlglot import exp  # noqa: TID253 - imported by dialect.py inside functions

from nbactl.adapters.duckdb.sql.functions.table import Call, special
from nbactl.adapters.duckdb.sql.operators import compared, unified
from nbactl.adapters.duckdb.sql.types import INT64, NULL, STRING, Type, Value, identifier, struct_names

_PAGE: Final = "conditional_expressions#"
_TWO: Final = 2


@special("COALESCE", f"{_PAGE}coalesce", "value... -> value", safe=True)
def _coalesce(call: Call) -> Value:
    values = call.values()
    if not values:
        call.count(1)
    kind, sqls = unified(values, "COALESCE", call.node)
    return Value(f"COALESCE({', '.join(sqls)})", kind, aggregate=any(value.aggregate for value in values))


@special("IFNULL", f"{_PAGE}ifnull", "value, value -> value", safe=True)
def _ifnull(call: Call) -> Value:
    call.count(_TWO)
    return _coalesce.build(call)


@special("NULLIF", f"{_PAGE}nullif", "value, value -> value", safe=True)
def _nullif(call: Call) -> Value:
    call.count(_TWO)
    values = call.values()
    kind, sqls = unified(values, "NULLIF", call.node)
    kind = kind if kind != NULL else INT64
    equal = compared("=", values[0], values[1], call.node)
    return Value(f"(CASE WHEN {equal.sql} THEN NULL ELSE {sqls[0]} END)", kind, aggregate=equal.aggregate)


@special("ERROR", "debugging_functions#error", "STRING -> NULL")
def _error(call: Call) -> Value:
    call.count(1)
    return Value(f"ERROR({call.typed(0, STRING)})", NULL)


@special("STRUCT", "data-types#constructing_a_struct", "value [AS name]... -> STRUCT", safe=True)
def _struct(call: Call) -> Value:
    fields: list[tuple[str, Type]] = []
    values: list[Value] = []
    for part in call.arguments:
        inner = part.this if isinstance(part, exp.Alias) else part
        name = part.alias if isinstance(part, exp.Alias) else part.name if isinstance(part, exp.Column) else ""
        value = call.compile_(call.ctx, inner, call.scope)
        fields.append((name, value.type if value.type != NULL else INT64))
        values.append(value)
    kind = Type("STRUCT", None, tuple(fields))
    if not fields:
        call.count(1)
    packed = ", ".join(
        f"{identifier(name)} := {value.sql if value.type != NULL else 'CAST(NULL AS BIGINT)'}"
        for name, value in zip(struct_names(kind), values, strict=True)
    )
    return Value(f"struct_pack({packed})", kind, aggregate=any(value.aggregate for value in values))


FUNCTIONS: Final = (_coalesce, _ifnull, _nullif, _error, _struct)
