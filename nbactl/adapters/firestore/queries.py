"""A query of the port as Firestore's structured query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.firestore import messages
from nbactl.adapters.firestore.encoding import field_path, put_value, put_values
from nbactl.ports.document_rules import field_keys
from nbactl.ports.query_rules import check_query, cursor_value, full_order

if TYPE_CHECKING:
    from nbactl.ports.documents import Filter, Query

_NAME: Final = "__name__"
_OPERATORS: Final = {
    "==": messages.FieldOperator.EQUAL,
    "!=": messages.FieldOperator.NOT_EQUAL,
    "<": messages.FieldOperator.LESS_THAN,
    "<=": messages.FieldOperator.LESS_THAN_OR_EQUAL,
    ">": messages.FieldOperator.GREATER_THAN,
    ">=": messages.FieldOperator.GREATER_THAN_OR_EQUAL,
    "in": messages.FieldOperator.IN,
    "array-contains": messages.FieldOperator.ARRAY_CONTAINS,
}


def parent_of(collection: str, root: str) -> str:
    """Return the name of the document, or of the database's root, that a collection lies in."""
    parent = collection.rpartition("/")[0]
    return f"{root}/{parent}" if parent else root


def structured(query: Query, root: str, *, ids_only: bool = False) -> Any:  # noqa: ANN401 - a StructuredQuery message
    """Return a query as a message; `root` is the name of the database's documents.

    The order always ends with the document's name, so that pages join without gaps. Raises DataError.
    """
    check_query(query)
    message = messages.StructuredQuery()
    message.from_.add().collection_id = query.collection.rpartition("/")[2]
    if ids_only:
        message.select.fields.add().field_path = _NAME
    _put_filters(message, query.filters)
    direction = messages.ASCENDING
    order = full_order(query)
    for item in order:
        direction = messages.DESCENDING if item.descending else messages.ASCENDING
        _put_order(message, field_path(field_keys(item.field)), direction)
    _put_order(message, _NAME, direction)
    if query.start_after is not None:
        for item in order:
            put_value(message.start_at.values.add(), cursor_value(item.field, query.start_after))
        message.start_at.values.add().reference_value = f"{root}/{query.start_after.path}"
        message.start_at.before = False
    if query.limit is not None:
        message.limit.value = query.limit
    return message


def _put_order(message: Any, path: str, direction: int) -> None:  # noqa: ANN401 - a StructuredQuery message
    order = message.order_by.add()
    order.field.field_path = path
    order.direction = direction


def _put_filters(message: Any, filters: tuple[Filter, ...]) -> None:  # noqa: ANN401 - a StructuredQuery message
    if len(filters) == 1:
        _put_filter(message.where, filters[0])
    elif filters:
        message.where.composite_filter.op = messages.ALL_OF
        for item in filters:
            _put_filter(message.where.composite_filter.filters.add(), item)


def _put_filter(message: Any, item: Filter) -> None:  # noqa: ANN401 - a Filter message
    path = field_path(field_keys(item.field))
    if item.value is None and item.op in ("==", "!="):
        message.unary_filter.field.field_path = path
        operator = messages.UnaryOperator.IS_NULL if item.op == "==" else messages.UnaryOperator.IS_NOT_NULL
        message.unary_filter.op = int(operator)
        return
    message.field_filter.field.field_path = path
    message.field_filter.op = int(_OPERATORS[item.op])
    if item.op == "in":
        message.field_filter.value.array_value.SetInParent()
        put_values(message.field_filter.value.array_value.values, item.value)
    else:
        put_value(message.field_filter.value, item.value)
