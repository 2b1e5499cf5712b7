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
from nbactl.ports.document_rules import field_keys
from nbactl.ports.query_rules import check_query, cursor_value, full_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.ports.documents import Document, Filter, Order, Query


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
