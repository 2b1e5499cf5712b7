"""A query of the document port as one SQL statement, with Firestore's meaning of types.

A comparison looks at values of its own type only; sorting goes by type first, then by value.
"""

from __future__ import annotations

import json
import struct
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.sqlite.encoding import AFTER_TIMES, TIME_MARK, decode_any, encode_key, encode_text, encode_time
from nbactl.frozen import frozen
from nbactl.ports.document_rules import field_keys
from nbactl.ports.query_rules import check_query, cursor_value, full_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.ports.documents import Document, Filter, Order, Query

NULL, BOOL, NUMBER, TIME, TEXT, ARRAY, MAP = range(1, 8)
"""The order of types: the first byte of a sort key."""

_SIGN = 1 << 63
_ALL = (1 << 64) - 1


def sort_key(value: Any) -> bytes:  # noqa: ANN401 - any storable value
    """Return bytes that order like Firestore: null, bool, number, time, string, array, map.

    Equal keys mean equal values: 1 and 1.0 are equal, 1 and True are not.
    """
    match value:
        case None:
            rank, content = NULL, b""
        case bool():
            rank, content = BOOL, bytes((value,))
        case int() | float():
            rank, content = NUMBER, _number(value)
        case datetime():
            rank, content = TIME, encode_time(value).encode()
        case str():
            rank, content = TEXT, _text(value)
        case list():
            rank, content = ARRAY, b"".join(map(sort_key, value)) + b"\x00"
        case _:
            rank, content = MAP, b"".join(_text(key) + sort_key(value[key]) for key in sorted(value)) + b"\x00"
    return bytes((rank,)) + content


def stored_sort_key(text: str) -> bytes:
    """Return the sort key of a value in stored form (an SQL function)."""
    return sort_key(decode_any(text))


def json_number(value: float) -> str:
    """Return a number as JSON, to be read by SQLite's own parser as the stored ones are."""
    return json.dumps(value)


def _text(text: str) -> bytes:
    return encode_text(text).encode() + b"\x00"  # the stored form holds no NUL


def _number(value: float) -> bytes:
    # The nearest double, then how far an integer lies from it: exact for mixed 64-bit integers and doubles.
    nearest = float(value) + 0.0  # -0.0 equals 0
    bits: int = struct.unpack(">Q", struct.pack(">d", nearest))[0]
    ordered = bits ^ _ALL if bits & _SIGN else bits | _SIGN
    offset = value - int(nearest) if isinstance(value, int) else 0
    return struct.pack(">QQ", ordered, offset + _SIGN)


Parameters = tuple[Any, ...]
Sql = tuple[str, Parameters]

COMPARISONS: Final = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
_IS_TIME = "({value} >= ? AND {value} < ?)"
_TIMES = (TIME_MARK, AFTER_TIMES)


@frozen
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
    """Return the condition that the operand has the type of `bound` and compares to it by `sign`."""
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


def select(query: Query, columns: str) -> Sql:
    """Return the statement that reads `columns` of the matching documents in order.

    Raises DataError for a query that no engine would run.
    """
    check_query(query)
    conditions: list[Sql] = [("collection = ?", (query.collection,))]
    conditions += [_condition(item) for item in query.filters]
    keys: list[Sql] = []
    ordered = full_order(query)
    for item in ordered:
        operand = field_operand(field_keys(item.field))
        conditions.append((f"{operand.type} IS NOT NULL", ()))
        direction = "DESC" if item.descending else "ASC"
        rank, parameters = type_rank(operand)
        keys += [(f"{rank} {direction}", parameters), (f"{sort_value(operand)} {direction}", ())]
    if query.start_after is not None:
        conditions.append(_after(ordered, query.start_after))
    keys.append(("id DESC" if _descending(ordered) else "id", ()))
    where, values = _joined(conditions, " AND ")
    order, order_values = _joined(keys, ", ")
    limit = "" if query.limit is None else f" LIMIT {int(query.limit)}"
    return f"SELECT {columns} FROM documents WHERE {where} ORDER BY {order}{limit}", values + order_values  # noqa: S608 - only placeholders and quoted keys


def _joined(parts: list[Sql], separator: str) -> Sql:
    return separator.join(sql for sql, _ in parts), tuple(value for _, values in parts for value in values)


def _descending(order: tuple[Order, ...]) -> bool:
    return bool(order) and order[-1].descending


def _condition(item: Filter) -> Sql:
    operand = field_operand(field_keys(item.field))
    match item.op:
        case "in":
            return _any_of(operand, item.value)
        case "==":
            return equals(operand, item.value)
        case "!=":
            condition, values = equals(operand, item.value)
            return f"(coalesce({operand.type}, 'null') <> 'null' AND NOT {condition})", values
        case "array-contains":
            return _contains(operand, item.value)
        case _:
            return compares(operand, COMPARISONS[item.op], item.value)


def _any_of(operand: Operand, wanted: Sequence[Any]) -> Sql:
    condition, values = _joined([equals(operand, value) for value in wanted], " OR ")
    return f"({condition})", values


def _contains(operand: Operand, wanted: Any) -> Sql:  # noqa: ANN401 - any storable value
    condition, values = equals(ELEMENT, wanted)
    array = f"CASE WHEN {operand.type} = 'array' THEN {operand.value} ELSE '[]' END"
    return f"EXISTS (SELECT 1 FROM json_each({array}) AS element WHERE {condition})", values  # noqa: S608 - as above


def _after(order: tuple[Order, ...], document: Document) -> Sql:
    sign = "<" if _descending(order) else ">"
    condition: Sql = (f"id {sign} ?", (document.id,))
    for item in reversed(order):
        condition = _beyond(item, cursor_value(item.field, document), condition)
    return condition


def _beyond(item: Order, value: Any, otherwise: Sql) -> Sql:  # noqa: ANN401 - any storable value
    """Return: the field comes after `value`, or it is equal and `otherwise` holds."""
    sign = "<" if item.descending else ">"
    operand = field_operand(field_keys(item.field))
    rank_sql, times = type_rank(operand)
    rank = sort_key(value)[0]
    rest, rest_values = otherwise
    if value is None:
        return f"({rank_sql} {sign} {rank} OR ({rank_sql} = {rank} AND {rest}))", (*times, *times, *rest_values)
    bound, bound_values = sort_operand(value)
    held = sort_value(operand)
    sql = (
        f"({rank_sql} {sign} {rank} OR ({rank_sql} = {rank} AND "
        f"({held} {sign} {bound} OR ({held} = {bound} AND {rest}))))"
    )
    return sql, (*times, *times, *bound_values, *bound_values, *rest_values)
