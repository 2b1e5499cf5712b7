"""Which queries every document engine refuses, so that one that runs here runs everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import DataError
from nbactl.ports.document_rules import check_collection, check_value, field_keys
from nbactl.ports.documents import Order

if TYPE_CHECKING:
    from nbactl.ports.documents import Document, FieldPath, Filter, Query

MAX_IN: Final = 30
"""Most values of an `in` filter (Firestore's limit)."""
_INEQUALITIES: Final = {"!=", "<", "<=", ">", ">="}


def check_query(query: Query) -> None:
    """Raise DataError for a query that no engine would run."""
    check_collection(query.collection)
    for item in query.filters:
        _check_filter(item)
    for order in query.order:
        field_keys(order.field)
    if query.limit is not None and query.limit < 1:
        raise DataError(
            f"a query cannot have the limit {query.limit}", next_step="Give a limit of at least 1, or None."
        )
    if query.start_after is not None:
        if query.start_after.path.rpartition("/")[0] != query.collection:
            raise DataError(f"the cursor {query.start_after.path} is not in {query.collection}")
        for order in full_order(query):
            cursor_value(order.field, query.start_after)


def full_order(query: Query) -> tuple[Order, ...]:
    """Return the order that a query has, but for the ids: as given, then by the fields of its inequalities."""
    given = {field_keys(order.field) for order in query.order}
    unequal = sorted({field_keys(item.field) for item in query.filters if item.op in _INEQUALITIES} - given)
    descending = bool(query.order) and query.order[-1].descending
    return (*query.order, *(Order(keys, descending) for keys in unequal))


def cursor_value(field: FieldPath, document: Document) -> Any:  # noqa: ANN401 - any stored value
    """Return the value of a field that a query is ordered by. Raises DataError if the document lacks it."""
    value: Any = document.data
    for key in field_keys(field):
        if not isinstance(value, dict) or key not in value:
            raise DataError(f"the cursor {document.path} lacks the field {field!r} that the query is ordered by")
        value = value[key]
    return value


def _check_filter(item: Filter) -> None:
    field_keys(item.field)
    where = f"the value of the filter on {item.field!r}"
    value = item.value
    if item.op == "in":
        if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= MAX_IN or None in value:
            raise DataError(f"{where} must be a list of 1 to {MAX_IN} values, none of them None")
        for member in value:
            check_value(member, where)
        return
    check_value(value, where)
    if item.op == "array-contains" and isinstance(value, list):
        raise DataError("array-contains looks for a list", cause="A list holds no lists.")
    if value is None and item.op in ("<", "<=", ">", ">="):
        raise DataError(f"{where} is None", cause=f"Nothing is {item.op} None.", next_step="Use == or !=.")
