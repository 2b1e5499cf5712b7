"""Strategies of storable values, and Firestore's order of them in plain Python."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

keys = st.sampled_from(["a", "b", "a.b", '"', "%", "é"]) | st.text(
    st.characters(codec="utf-8"), min_size=1, max_size=8
).filter(lambda key: not (key.startswith("__") and key.endswith("__")))
numbers = (
    st.sampled_from([0, 1, 1.0, -1, 2**53, 2**53 + 1, float(2**53), 2**63 - 1, float(2**63), -0.0])
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
times = st.sampled_from([datetime(2024, 1, 1, tzinfo=UTC)]) | st.datetimes(timezones=st.just(UTC)).map(
    lambda time: time.replace(fold=0)
)
texts = st.sampled_from(["", "a", "\x00", "\x01", "\x01\x03", "\x01\x032024"]) | st.text(
    st.characters(codec="utf-8"), max_size=12
)
scalars = st.none() | st.booleans() | numbers | times | texts


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    no_list = inner.filter(lambda value: not isinstance(value, list))
    return st.lists(no_list, max_size=3) | st.dictionaries(keys, inner, max_size=3)


values = st.recursive(scalars, _containers, max_leaves=6)
documents = st.dictionaries(keys, values, max_size=4)


def type_of(value: Any) -> int:
    kinds: tuple[Any, ...] = (type(None), bool, (int, float), datetime, str, list, dict)
    return next(rank for rank, kind in enumerate(kinds) if isinstance(value, kind))


def compare(left: Any, right: Any) -> int:
    """Return below, at or above 0 as `left` sorts before, with or after `right`."""
    if type_of(left) != type_of(right):
        return type_of(left) - type_of(right)
    if isinstance(left, str):
        left, right = left.encode(), right.encode()
    if isinstance(left, dict):
        left, right = ([part for key in sorted(side) for part in (key, side[key])] for side in (left, right))
    if isinstance(left, list):
        for a, b in zip(left, right, strict=False):
            if different := compare(a, b):
                return different
        return len(left) - len(right)
    return 0 if left is None else (left > right) - (left < right)


order_key = functools.cmp_to_key(compare)


def same(left: Any, right: Any) -> bool:
    return compare(left, right) == 0
