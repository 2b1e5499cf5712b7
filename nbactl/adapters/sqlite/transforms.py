"""What a write makes of a document's data: plain values, transforms, nested field paths."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbactl.adapters.sqlite.sortkey import sort_key
from nbactl.ports.document_rules import MAX_INT, MIN_INT, check_value
from nbactl.ports.documents import ArrayRemove, ArrayUnion, DeleteField, Increment, ServerTime
from nbactl.ports.write_rules import (
    check_increment,
    check_no_transform,
    checked_elements,
    no_field_to_delete,
    update_assignments,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.ports.documents import FieldPath

_PLAIN = frozenset({type(None), bool, int, float, str, datetime})
_MISSING: Any = object()


def whole(data: Mapping[str, Any], where: str, now: datetime) -> dict[str, Any]:
    """Return the data of a created or replaced document."""
    if not isinstance(data, dict):
        data = dict(data)
    made: dict[str, Any] = _made(data, _MISSING, where, now)
    check_value(made, where, depth=0)
    return made


def change(data: dict[str, Any], fields: Mapping[FieldPath, Any], where: str, now: datetime) -> None:
    """Update a document's data in place."""
    for keys, value in update_assignments(fields, where).items():
        if len(keys) == 1 and _needs_no_look(value):
            data[keys[0]] = value
            continue
        name = f"{where}.{'.'.join(keys)}"
        parent = _parent(data, keys, create=not isinstance(value, DeleteField))
        if isinstance(value, DeleteField):
            if parent is not None:
                parent.pop(keys[-1], None)
            continue
        assert parent is not None  # noqa: S101 - it was to be created
        made = _made(value, parent.get(keys[-1], _MISSING), name, now)
        check_value(made, name, depth=len(keys))
        parent[keys[-1]] = made


def _needs_no_look(value: object) -> bool:
    """Say whether `value` can be stored as it is; most values are of these kinds."""
    if isinstance(value, str):
        return value.isascii()
    return value is None or isinstance(value, bool) or (isinstance(value, datetime) and value.tzinfo is UTC)


def _parent(data: dict[str, Any], keys: tuple[str, ...], *, create: bool) -> dict[str, Any] | None:
    """Return the map that holds the last key; with `create`, what is no map on the way is replaced by one."""
    for key in keys[:-1]:
        inner = data.get(key)
        if not isinstance(inner, dict):
            if not create:
                return None
            inner = data[key] = {}
        data = inner
    return data


def _made(value: Any, old: Any, where: str, now: datetime) -> Any:  # noqa: ANN401 - any storable value
    if type(value) in _PLAIN:
        return value
    made: Any = value
    match value:
        case dict():
            made = {
                key: item if type(item) in _PLAIN else _made(item, _MISSING, f"{where}.{key}", now)
                for key, item in value.items()
            }
        case list():
            check_no_transform(value, where)
        case ServerTime():
            made = now
        case Increment():
            made = _sum(old, value.by, where)
        case ArrayUnion():
            made = _union(old, checked_elements(value.values, where))
        case ArrayRemove():
            gone = {sort_key(item) for item in checked_elements(value.values, where)}
            made = [item for item in _array(old) if sort_key(item) not in gone]
        case DeleteField():
            raise no_field_to_delete(where)
    return made


def _sum(old: Any, by: float, where: str) -> int | float:  # noqa: ANN401 - any stored value
    check_increment(by, where)
    if isinstance(old, bool) or not isinstance(old, (int, float)):
        return by  # Firestore's rule: what is no number counts as 0
    total = old + by
    return min(max(total, MIN_INT), MAX_INT) if isinstance(total, int) else total


def _array(old: Any) -> list[Any]:  # noqa: ANN401 - any stored value
    return old if isinstance(old, list) else []


def _union(old: Any, values: list[Any]) -> list[Any]:  # noqa: ANN401 - any stored value
    result = list(_array(old))
    seen = {sort_key(item) for item in result}
    for item in values:
        key = sort_key(item)
        if key not in seen:
            seen.add(key)
            result.append(item)
    return result
