"""Applies the writes of one commit in order, and stores what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.sqlite.encoding import decode, encode
from nbactl.adapters.sqlite.queries import sort_key
from nbactl.core._support.micros import from_micros, to_micros
from nbactl.errors import AlreadyExistsError, DataError, NotFoundError, PreconditionError
from nbactl.ports.document_rules import MAX_DOCUMENT_BYTES, MAX_INT, MIN_INT, check_size, check_value, split_document
from nbactl.ports.documents import (
    ArrayRemove,
    ArrayUnion,
    Create,
    DamagedDocument,
    Delete,
    DeleteField,
    Document,
    Increment,
    ServerTime,
    Set,
    Update,
)
from nbactl.ports.write_rules import (
    check_increment,
    check_no_transform,
    checked_elements,
    no_field_to_delete,
    update_assignments,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from nbactl.ports.documents import FieldPath, Write

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
    """Return the map that holds the last key; with `create`, anything else on the way is replaced by a map."""
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
        return by  # Firestore's rule: anything but a number counts as 0
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


_LARGEST_RATIO = 5
"""No document counts for more than five times the characters of its JSON text (`1,` counts for 8 bytes)."""

CONTENT: Final = "CAST(data AS BLOB), created, updated"
"""As bytes, for text that is not UTF-8 would end the whole statement."""
READ = f"SELECT {CONTENT} FROM documents WHERE collection = ? AND id = ?"  # noqa: S608 - a constant
_UPSERT = (
    "INSERT INTO documents (collection, id, data, created, updated) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET data = excluded.data, created = excluded.created, updated = excluded.updated"
)
_DELETE = "DELETE FROM documents WHERE collection = ? AND id = ?"


@dataclass(slots=True)
class _State:
    """A document within the commit. `data` is None when there is none; times are microseconds."""

    data: dict[str, Any] | None
    created: int
    updated: int
    damage: DataError | None = None
    """Why what is stored cannot be changed, only replaced."""
    touched: bool = False
    """Whether an earlier write of the commit changed it: no condition on its time holds then."""


def read_document(connection: sqlite3.Connection, path: str) -> Document | None:
    """Return the stored document, or None."""
    row = connection.execute(READ, split_document(path)).fetchone()
    return None if row is None else document(path, *row)


def document(path: str, text: bytes, created: int, updated: int) -> Document:
    """Return a row as a document."""
    times = from_micros(created), from_micros(updated)
    try:
        return Document(path, decode(text), *times)
    except (ValueError, RecursionError) as error:
        return DamagedDocument(path, f"its JSON is broken ({error})", *times)


def apply(connection: sqlite3.Connection, writes: Sequence[Write], now: int) -> int:
    """Apply `writes` within the open transaction at the time `now`; returns the commit time (microseconds).

    The commit time is later than every change of the documents before it, even if the clock went back.
    """
    states: dict[str, _State] = {}
    time = now
    for write in writes:
        if write.path not in states:
            state = states[write.path] = _read(connection, write.path)
            if state.updated >= time:
                time = state.updated + 1
    instant = from_micros(time)
    for write in writes:
        state = states[write.path]
        state.data = _applied(write, state, instant)
        state.damage = None
        if not state.created:
            state.created = time
        if state.data is None:
            state.created = 0
        state.updated = time
        state.touched = True
    rows = [_row(path, state) for path, state in states.items()]  # what is refused is refused before all is stored
    for sql, parameters in rows:
        connection.execute(sql, parameters)
    return time


def _read(connection: sqlite3.Connection, path: str) -> _State:
    row = connection.execute(READ, split_document(path)).fetchone()
    if row is None:
        return _State(None, 0, 0)
    try:
        return _State(document(path, *row).data, row[1], row[2])
    except DataError as error:
        return _State({}, row[1], row[2], damage=error)


def _applied(write: Write, state: _State, now: datetime) -> dict[str, Any] | None:
    path = write.path
    match write:
        case Create():
            if state.data is not None:
                raise AlreadyExistsError(f"{path} already exists", details={"path": path})
            return whole(write.data, path, now)
        case Set():
            return whole(write.data, path, now)
        case Update():
            if state.data is None:
                raise _missing(path)
            if state.damage is not None:
                raise state.damage
            _check_time(path, state, write.if_updated_at)
            change(state.data, write.fields, path, now)
            return state.data
        case Delete():
            if state.data is None and (write.must_exist or write.if_updated_at is not None):
                raise _missing(path)
            _check_time(path, state, write.if_updated_at)
            return None


def _missing(path: str) -> NotFoundError:
    return NotFoundError(f"{path} does not exist", details={"path": path})


def _check_time(path: str, state: _State, expected: datetime | None) -> None:
    if expected is not None and (state.touched or to_micros(expected) != state.updated):
        raise PreconditionError(
            f"{path} was changed by another writer",
            cause=f"It was changed at {from_micros(state.updated).isoformat()}, not {expected.isoformat()}.",
            details={"path": path},
        )


def _row(path: str, state: _State) -> tuple[str, tuple[object, ...]]:
    """Return the statement that stores a document or removes it, and its parameters."""
    name = split_document(path)
    if state.data is None:
        return _DELETE, name
    text = encode(state.data)
    if len(text) * _LARGEST_RATIO > MAX_DOCUMENT_BYTES:
        check_size(path, state.data)
    return _UPSERT, (*name, text, state.created, state.updated)
