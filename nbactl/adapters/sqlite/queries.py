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


@frozen
class Operand:
    """SQL of a stored value: whether it can be read, its JSON type (NULL when it is absent), and itself."""

    valid: str
    type: str
    value: str

    @property
    def rank(self) -> str:
        """SQL of its place in the order of types; NULL when it is absent or unreadable."""
        return (
            f"CASE WHEN {self.valid} THEN CASE {self.type} WHEN 'null' THEN {NULL} WHEN 'true' THEN {BOOL}"
            f" WHEN 'false' THEN {BOOL} WHEN 'integer' THEN {NUMBER} WHEN 'real' THEN {NUMBER} WHEN 'text' THEN"
            f" CASE WHEN {self.value} >= {_character(TIME_MARK)} AND {self.value} < {_character(AFTER_TIMES)}"
            f" THEN {TIME} ELSE {TEXT} END WHEN 'array' THEN {ARRAY} WHEN 'object' THEN {MAP} END END"
        )

    @property
    def scalar(self) -> str:
        """SQL that compares and orders values of one type; NULL for arrays and maps."""
        return f"CASE WHEN {self.valid} THEN CASE WHEN {self.type} NOT IN {_NESTED} THEN {self.value} END END"

    @property
    def nested(self) -> str:
        """SQL that compares and orders arrays and maps; NULL for other values."""
        # A CASE, for AND promises no order and the function reads only JSON.
        return f"CASE WHEN {self.valid} THEN CASE WHEN {self.type} IN {_NESTED} THEN sort_key({self.value}) END END"


_NESTED: Final = "('array', 'object')"


def _character(text: str) -> str:
    return f"char({','.join(str(ord(character)) for character in text)})"


def field_operand(keys: tuple[str, ...]) -> Operand:
    """Return the SQL of a field of the document."""
    path = quoted("$" + "".join(f'."{encode_key(key)}"' for key in keys))
    return Operand("json_valid(data)", f"json_type(data, {path})", f"json_extract(data, {path})")


def quoted(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


ELEMENT: Final = Operand("1", "element.type", "element.value")
"""An element of an array, in a query FROM json_each(…) AS element."""


def compares(operand: Operand, sign: str, bound: Any) -> Sql:  # noqa: ANN401 - any storable value
    """Return the condition that the operand has the type of `bound` and compares to it by `sign`."""
    if bound is None:
        return f"{operand.rank} = {NULL}", ()
    rank = sort_key(bound)[0]
    held = operand.nested if rank in (ARRAY, MAP) else operand.scalar
    wanted, values = sort_operand(bound)
    return f"({operand.rank} = {rank} AND {held} {sign} {wanted})", values


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


COUNT: Final = "count(*)"


def select(query: Query, columns: str) -> Sql:
    """Return the statement that reads `columns` of the matching documents in order; COUNT counts them without limit.

    Raises DataError for a query that no engine would run.
    """
    check_query(query)
    conditions: list[Sql] = [_collection(query.collection)]
    conditions += [_condition(item) for item in query.filters]
    fixed = {field_keys(item.field): sort_key(item.value)[0] for item in query.filters if item.op in _FIXING}
    keys: list[str] = []
    ordered = full_order(query)
    for item in ordered:
        operand = field_operand(field_keys(item.field))
        direction = "DESC" if item.descending else "ASC"
        if (rank := fixed.get(field_keys(item.field))) is None:
            conditions.append((f"{operand.rank} > 0", ()))  # there; SQLite uses an index for it
            keys += [f"{key} {direction}" for key in (operand.rank, operand.scalar, operand.nested)]
        else:  # SQLite finds the order in an index only where the statement leaves out what is the same in all
            keys.append(f"{operand.nested if rank in (ARRAY, MAP) else operand.scalar} {direction}")
    if query.start_after is not None:
        conditions.append(_after(ordered, query.start_after))
    where, values = _joined(conditions, " AND ")
    sql = f"SELECT {columns} FROM documents WHERE {where}"  # noqa: S608 - only placeholders and quoted keys
    if columns == COUNT:
        return sql, values
    # The plus keeps SQLite from scanning the collection by id where an index finds what the filters want. After other
    # keys there is no such scan, and the id is the last column of the index.
    identifier = "+id" if query.filters and not keys else "id"
    keys.append(f"{identifier} DESC" if _descending(ordered) else identifier)
    limit = "" if query.limit is None else f" LIMIT {int(query.limit)}"
    return f"{sql} ORDER BY {', '.join(keys)}{limit}", values


TOP_COLLECTIONS: Final = """
WITH RECURSIVE named(name) AS (
    SELECT min(collection) FROM documents
    UNION ALL
    SELECT (SELECT min(collection) FROM documents WHERE collection > named.name) FROM named WHERE name IS NOT NULL
)
SELECT DISTINCT substr(name, 1, instr(name || '/', '/') - 1) AS top FROM named WHERE name IS NOT NULL ORDER BY top
"""
"""Reads the top-level collections, each collection by one step in the index, however many documents it has."""


def select_lacking(collection: str, field: str, columns: str) -> Sql:
    """Return the statement that reads `columns` of the documents without the field, and of damaged ones."""
    where, values = _collection(collection)
    rank = field_operand(field_keys(field)).rank
    return f"SELECT {columns} FROM documents WHERE {where} AND {rank} IS NULL ORDER BY +id", values  # noqa: S608 - as above


_FIXING: Final = ("==", *COMPARISONS)
"""The operators after which a field has the type of the value it is compared to."""


def _collection(name: str) -> Sql:
    """Return the condition on the collection: of a top-level one as a literal, for which partial indexes are found."""
    return ("collection = ?", (name,)) if "/" in name else (f"collection = {quoted(name)}", ())


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
            return compares(operand, "=", item.value)
        case "!=":
            condition, values = compares(operand, "=", item.value)
            return f"({operand.rank} > {NULL} AND NOT ({condition}))", values
        case "array-contains":
            return _contains(operand, item.value)
        case _:
            return compares(operand, COMPARISONS[item.op], item.value)


def _any_of(operand: Operand, wanted: Sequence[Any]) -> Sql:
    condition, values = _joined([compares(operand, "=", value) for value in wanted], " OR ")
    return f"({condition})", values


def _contains(operand: Operand, wanted: Any) -> Sql:  # noqa: ANN401 - any storable value
    condition, values = compares(ELEMENT, "=", wanted)
    array = f"CASE {operand.rank} WHEN {ARRAY} THEN {operand.value} ELSE '[]' END"
    return f"EXISTS (SELECT 1 FROM json_each({array}) AS element WHERE {condition})", values  # noqa: S608 - as above


def _after(order: tuple[Order, ...], document: Document) -> Sql:
    sign = "<" if _descending(order) else ">"
    condition: Sql = (f"id {sign} ?", (document.id,))
    for item in reversed(order):
        condition = _beyond(item, cursor_value(item.field, document), condition)
    return condition


def _beyond(item: Order, value: Any, otherwise: Sql) -> Sql:  # noqa: ANN401 - any stored value
    """Return: the field comes after `value`, or it is equal and `otherwise` holds."""
    sign = "<" if item.descending else ">"
    operand = field_operand(field_keys(item.field))
    rank = sort_key(value)[0]
    rest, rest_values = otherwise
    if value is None:
        return f"({operand.rank} {sign} {rank} OR ({operand.rank} = {rank} AND {rest}))", rest_values
    bound, bound_values = sort_operand(value)
    held = operand.nested if rank in (ARRAY, MAP) else operand.scalar
    sql = (
        f"({operand.rank} {sign} {rank} OR ({operand.rank} = {rank} AND "
        f"({held} {sign} {bound} OR ({held} = {bound} AND {rest}))))"
    )
    return sql, (*bound_values, *bound_values, *rest_values)
