"""Applies the writes of one commit in order, and stores what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbactl.adapters.sqlite.encoding import decode, encode, from_micros, to_micros
from nbactl.adapters.sqlite.transforms import change, whole
from nbactl.errors import AlreadyExistsError, NotFoundError, PreconditionError
from nbactl.ports.document_rules import MAX_DOCUMENT_BYTES, check_size, split_document
from nbactl.ports.documents import Create, Delete, Document, Set, Update

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.ports.documents import Write

_LARGEST_RATIO = 5
"""No document counts for more than five times the characters of its JSON text (`1,` counts for 8 bytes)."""

READ = "SELECT data, created, updated FROM documents WHERE collection = ? AND id = ?"
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
    existed: bool


def read_document(connection: sqlite3.Connection, path: str) -> Document | None:
    """Return the stored document, or None."""
    row = connection.execute(READ, split_document(path)).fetchone()
    return None if row is None else document(path, *row)


def document(path: str, text: str, created: int, updated: int) -> Document:
    """Return a row as a document."""
    return Document(path, decode(text), from_micros(created), from_micros(updated))


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
        if not state.created:
            state.created = time
        if state.data is None:
            state.created = 0
        state.updated = time
    for path, state in states.items():
        _store(connection, path, state)
    return time


def _read(connection: sqlite3.Connection, path: str) -> _State:
    row = connection.execute(READ, split_document(path)).fetchone()
    return _State(None, 0, 0, existed=False) if row is None else _State(decode(row[0]), row[1], row[2], existed=True)


def _applied(write: Write, state: _State, now: datetime) -> dict[str, Any] | None:
    path = write.path
    match write:
        case Create():
            if state.data is not None:
                raise AlreadyExistsError(f"{path} exists already", details={"path": path})
            return whole(write.data, path, now)
        case Set():
            return whole(write.data, path, now)
        case Update():
            if state.data is None:
                raise _missing(path)
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
    if expected is not None and to_micros(expected) != state.updated:
        raise PreconditionError(
            f"{path} was changed by another writer",
            cause=f"It was changed at {from_micros(state.updated).isoformat()}, not {expected.isoformat()}.",
            details={"path": path},
        )


def _store(connection: sqlite3.Connection, path: str, state: _State) -> None:
    collection, identifier = split_document(path)
    if state.data is None:
        if state.existed:
            connection.execute(_DELETE, (collection, identifier))
        return
    text = encode(state.data)
    if len(text) * _LARGEST_RATIO > MAX_DOCUMENT_BYTES:
        check_size(path, state.data)
    connection.execute(_UPSERT, (collection, identifier, text, state.created, state.updated))
