"""A query of the document port as one SQL statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.adapters.sqlite.predicates import (
    COMPARISONS,
    ELEMENT,
    Operand,
    Sql,
    compares,
    equals,
    field_operand,
    sort_operand,
    sort_value,
    type_rank,
)
from nbactl.adapters.sqlite.sortkey import sort_key
from nbactl.errors import DataError
from nbactl.ports.document_rules import check_collection, check_value, field_keys

if TYPE_CHECKING:
    from nbactl.ports.documents import Document, FieldPath, Filter, Order, Query

MAX_IN = 30
"""Most values of an `in` filter (Firestore's limit)."""


def select(query: Query, columns: str) -> Sql:
    """Return the statement that reads `columns` of the matching documents in order.

    Raises DataError for a query that no engine would run.
    """
    conditions: list[Sql] = [("collection = ?", (check_collection(query.collection),))]
    conditions += [_condition(item) for item in query.filters]
    keys: list[Sql] = []
    for item in query.order:
        operand = field_operand(field_keys(item.field))
        conditions.append((f"{operand.type} IS NOT NULL", ()))
        direction = "DESC" if item.descending else "ASC"
        rank, parameters = type_rank(operand)
        keys += [(f"{rank} {direction}", parameters), (f"{sort_value(operand)} {direction}", ())]
    if query.start_after is not None:
        conditions.append(_after(query.order, query.start_after, query.collection))
    keys.append(("id DESC" if _descending(query.order) else "id", ()))
    where, values = _joined(conditions, " AND ")
    order, order_values = _joined(keys, ", ")
    limit = "" if query.limit is None else f" LIMIT {_limit(query.limit)}"
    return f"SELECT {columns} FROM documents WHERE {where} ORDER BY {order}{limit}", values + order_values  # noqa: S608 - only placeholders and quoted keys


def _joined(parts: list[Sql], separator: str) -> Sql:
    return separator.join(sql for sql, _ in parts), tuple(value for _, values in parts for value in values)


def _limit(limit: int) -> int:
    if limit < 1:
        raise DataError(f"a query cannot have the limit {limit}", next_step="Give a limit of at least 1, or None.")
    return limit


def _descending(order: tuple[Order, ...]) -> bool:
    return bool(order) and order[-1].descending


def _condition(item: Filter) -> Sql:
    operand = field_operand(field_keys(item.field))
    where = f"the value of the filter on {item.field!r}"
    if item.op == "in":
        return _any_of(operand, item.value, where)
    check_value(item.value, where)
    if item.op == "==":
        return equals(operand, item.value)
    if item.op == "!=":
        condition, values = equals(operand, item.value)
        return f"(coalesce({operand.type}, 'null') <> 'null' AND NOT {condition})", values
    if item.op == "array-contains":
        return _contains(operand, item.value)
    if item.value is None:
        raise DataError(f"{where} is None", cause=f"Nothing is {item.op} None.", next_step="Use == or !=.")
    return compares(operand, COMPARISONS[item.op], item.value)


def _any_of(operand: Operand, wanted: Any, where: str) -> Sql:  # noqa: ANN401 - what the caller gave
    if not isinstance(wanted, (list, tuple)) or not 1 <= len(wanted) <= MAX_IN or None in wanted:
        raise DataError(f"{where} must be a list of 1 to {MAX_IN} values, none of them None")
    for value in wanted:
        check_value(value, where)
    condition, values = _joined([equals(operand, value) for value in wanted], " OR ")
    return f"({condition})", values


def _contains(operand: Operand, wanted: Any) -> Sql:  # noqa: ANN401 - any storable value
    if isinstance(wanted, list):
        raise DataError("array-contains looks for a list", cause="A list holds no lists.")
    condition, values = equals(ELEMENT, wanted)
    array = f"CASE WHEN {operand.type} = 'array' THEN {operand.value} ELSE '[]' END"
    return f"EXISTS (SELECT 1 FROM json_each({array}) AS element WHERE {condition})", values  # noqa: S608 - as above


def _after(order: tuple[Order, ...], document: Document, collection: str) -> Sql:
    if document.path.rpartition("/")[0] != collection:
        raise DataError(f"the cursor {document.path} is not in {collection}")
    sign = "<" if _descending(order) else ">"
    condition: Sql = (f"id {sign} ?", (document.id,))
    for item in reversed(order):
        condition = _beyond(item, _cursor_value(item.field, document), condition)
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


def _cursor_value(field: FieldPath, document: Document) -> Any:  # noqa: ANN401 - any stored value
    value: Any = document.data
    for key in field_keys(field):
        if not isinstance(value, dict) or key not in value:
            raise DataError(f"the cursor {document.path} lacks the field {field!r} that the query is ordered by")
        value = value[key]
    return value
