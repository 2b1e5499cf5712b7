"""Conditions and sort keys on stored values, as SQL with Firestore's meaning of types.

A comparison looks at values of its own type only; sorting goes by type first, then by value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nbactl.adapters.sqlite.encoding import AFTER_TIMES, TIME_MARK, encode_key, encode_text, encode_time
from nbactl.adapters.sqlite.sortkey import ARRAY, BOOL, MAP, NULL, NUMBER, TEXT, TIME, json_number, sort_key

Parameters = tuple[Any, ...]
Sql = tuple[str, Parameters]

COMPARISONS: Final = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
_IS_TIME = "({value} >= ? AND {value} < ?)"
_TIMES = (TIME_MARK, AFTER_TIMES)


@dataclass(frozen=True, slots=True)
class Operand:
    """SQL of a stored value: of its JSON type (NULL when it is absent) and of itself."""

    type: str
    value: str


def field_operand(keys: tuple[str, ...]) -> Operand:
    """Return the SQL of a field of the document."""
    path = "$" + "".join(f'."{encode_key(key)}"' for key in keys)
    literal = "'" + path.replace("'", "''") + "'"
    return Operand(f"json_type(data, {literal})", f"json_extract(data, {literal})")


ELEMENT: Final = Operand("element.type", "element.value")
"""An element of an array, in a query FROM json_each(…) AS element."""


def equals(operand: Operand, wanted: Any) -> Sql:  # noqa: ANN401 - any storable value
    """Return the condition that the operand equals `wanted`."""
    match wanted:
        case None:
            return f"{operand.type} = 'null'", ()
        case bool():
            return f"{operand.type} = '{'true' if wanted else 'false'}'", ()
    return compares(operand, "=", wanted)


def compares(operand: Operand, sign: str, bound: Any) -> Sql:  # noqa: ANN401 - any storable value
    """Return the condition that the operand has the type of `bound` and stands in relation `sign` to it."""
    value = operand.value
    match bound:
        case bool():
            return f"({operand.type} IN ('true', 'false') AND {value} {sign} ?)", (int(bound),)
        case int():
            return f"({operand.type} IN ('integer', 'real') AND {value} {sign} ?)", (int(bound),)
        case float():
            number = json_number(bound)
            return f"({operand.type} IN ('integer', 'real') AND {value} {sign} json_extract(?, '$'))", (number,)
        case datetime():
            is_time = _IS_TIME.format(value=value)
            return f"({operand.type} = 'text' AND {is_time} AND {value} {sign} ?)", (*_TIMES, encode_time(bound))
        case str():
            is_time = _IS_TIME.format(value=value)
            return f"({operand.type} = 'text' AND NOT {is_time} AND {value} {sign} ?)", (*_TIMES, encode_text(bound))
        case _:
            kind = "array" if isinstance(bound, list) else "object"
            # A CASE, for AND promises no order and the function reads only JSON.
            key = f"CASE WHEN {operand.type} = '{kind}' THEN sort_key({value}) END"
            return f"coalesce({key} {sign} ?, 0)", (sort_key(bound),)


def type_rank(operand: Operand) -> Sql:
    """Return the SQL of the operand's place in the order of types."""
    is_time = _IS_TIME.format(value=operand.value)
    sql = (
        f"CASE {operand.type} WHEN 'null' THEN {NULL} WHEN 'integer' THEN {NUMBER} WHEN 'real' THEN {NUMBER}"
        f" WHEN 'text' THEN CASE WHEN {is_time} THEN {TIME} ELSE {TEXT} END"
        f" WHEN 'array' THEN {ARRAY} WHEN 'object' THEN {MAP} ELSE {BOOL} END"
    )
    return sql, _TIMES


def sort_value(operand: Operand) -> str:
    """Return the SQL that orders operands of the same type."""
    return f"CASE WHEN {operand.type} IN ('array', 'object') THEN sort_key({operand.value}) ELSE {operand.value} END"


def sort_operand(value: Any) -> Sql:  # noqa: ANN401 - any storable value
    """Return the SQL of a value, to be compared with `sort_value` of an operand of the same type."""
    match value:
        case bool() | int():
            return "?", (int(value),)
        case float():
            return "json_extract(?, '$')", (json_number(value),)
        case datetime():
            return "?", (encode_time(value),)
        case str():
            return "?", (encode_text(value),)
        case _:
            return "?", (sort_key(value),)
