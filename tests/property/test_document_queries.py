from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from nbactl.adapters.sqlite.queries import sort_key
from nbactl.ports.documents import FieldPath, Filter, Order, Query, Set
from nbactl.testing import memory_documents
from tests.property.document_values import compare, documents, order_key, same, type_of, values

FIELDS = st.sampled_from(["a", "b", ("a", "b"), ("b", '"'), "é"])
_MISSING = object()
_SIGNS = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}


def look_up(data: Any, field: Any) -> Any:
    for key in (field,) if isinstance(field, str) else field:
        if not isinstance(data, dict) or key not in data:
            return _MISSING
        data = data[key]
    return data


def matches(data: Any, condition: Filter) -> bool:
    value, wanted = look_up(data, condition.field), condition.value
    if value is _MISSING:
        return False
    match condition.op:
        case "==":
            return same(value, wanted)
        case "!=":
            return value is not None and not same(value, wanted)
        case "in":
            return any(same(value, one) for one in wanted)
        case "array-contains":
            return isinstance(value, list) and any(same(item, wanted) for item in value)
        case _:
            return type_of(value) == type_of(wanted) and _SIGNS[condition.op](compare(value, wanted))


@st.composite
def searches(draw: st.DrawFn) -> tuple[list[dict[str, Any]], Query]:
    stored = draw(st.lists(documents, max_size=6))
    # Values that occur make conditions that hold.
    present = [look_up(data, field) for data in stored for field in ("a", "b", ("a", "b"), ("b", '"'), "é")]
    inside = [item for value in present if isinstance(value, list) for item in value]
    pool = [value for value in (*present, *inside) if value is not _MISSING]
    wanted = st.sampled_from(pool) | values if pool else values
    not_null = wanted.filter(lambda value: value is not None)
    condition = st.one_of(
        st.builds(Filter, FIELDS, st.sampled_from(["==", "!="]), wanted),
        st.builds(Filter, FIELDS, st.sampled_from(["<", "<=", ">", ">="]), not_null),
        st.builds(Filter, FIELDS, st.just("in"), st.lists(not_null, min_size=1, max_size=3)),
        st.builds(Filter, FIELDS, st.just("array-contains"), wanted.filter(lambda value: not isinstance(value, list))),
    )
    order = draw(st.lists(st.builds(Order, FIELDS, st.booleans()), max_size=2))
    return stored, Query("c", tuple(draw(st.lists(condition, max_size=2))), tuple(order))


def keys(field: FieldPath) -> tuple[str, ...]:
    return (field,) if isinstance(field, str) else field


@given(searches())
def test_a_query_finds_what_python_finds_in_the_same_order(search: tuple[list[dict[str, Any]], Query]) -> None:
    stored, query = search
    store = memory_documents()
    store.commit([Set(f"c/{number}", data) for number, data in enumerate(stored)])
    expected = [(str(number), data) for number, data in enumerate(stored)]
    expected = [row for row in expected if all(matches(row[1], condition) for condition in query.filters)]
    expected = [row for row in expected if all(look_up(row[1], item.field) is not _MISSING for item in query.order)]
    unequal = {keys(item.field) for item in query.filters if item.op not in ("==", "in", "array-contains")}
    down = bool(query.order) and query.order[-1].descending
    implied = sorted(unequal - {keys(item.field) for item in query.order})
    order = [*query.order, *(Order(field, down) for field in implied)]
    if down:
        expected.reverse()
    for item in reversed(order):
        # reverse=True keeps equal rows in the order they have
        expected.sort(key=lambda row: order_key(look_up(row[1], item.field)), reverse=item.descending)
    found = list(store.query(query))
    assert [document.id for document in found] == [identifier for identifier, _ in expected]
    assert store.count(query) == len(found)
    for position, document in enumerate(found):
        rest = store.query(replace(query, start_after=document))
        assert [other.id for other in rest] == [identifier for identifier, _ in expected[position + 1 :]]
    store.close()


@given(values, values)
@example(2**53, 2**53 + 1)
@example(float(2**53), 2**53 + 1)
@example(2**63 - 1, float(2**63))
@example(-(2**63), -float(2**63))
def test_sort_keys_compare_like_the_values(left: Any, right: Any) -> None:
    order = compare(left, right)
    assert (sort_key(left) > sort_key(right)) - (sort_key(left) < sort_key(right)) == (order > 0) - (order < 0)
