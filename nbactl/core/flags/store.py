"""Where flags stand, in the document store: each change in one commit with its entry in the history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbactl.core.flags.model import State
from nbactl.core.flags.records import COLLECTION, fields_of, flag_path, history_of, state_of
from nbactl.errors import DataError, PreconditionError
from nbactl.ports.documents import MAX_WRITES, Create, Order, Query, Set

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import DocumentStore, Transaction

ANY_VERSION: Final = -1
"""As an expected version: change what is there, even if it cannot be read."""
_AT_ONCE: Final = MAX_WRITES // 2


@dataclass(frozen=True, slots=True)
class Stored:
    """The states that could be read, and why the others could not, by flag."""

    states: Mapping[str, State]
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What a flag is to become, if it still has the version that was seen (0: it was never set)."""

    key: str
    expected_version: int
    percent: float
    enabled: bool
    salt: str
    hash_version: int
    stage: int | None


class FlagStore:
    """Reads and changes states. Every method raises UnavailableError when the store does not answer."""

    def __init__(self, documents: DocumentStore, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock

    def read(self) -> Stored:
        """Return all states; one that cannot be read does not hide the others."""
        states: dict[str, State] = {}
        unreadable: dict[str, str] = {}
        for document in self._documents.query(Query(COLLECTION)):
            try:
                states[document.id] = state_of(document.path, document.data)
            except DataError as error:
                unreadable[document.id] = error.message
        return Stored(states, unreadable)

    def get(self, key: str) -> State | None:
        """Return the state of a flag, None if it was never set. Raises DataError for one that cannot be read."""
        document = self._documents.get(flag_path(key))
        return None if document is None else state_of(document.path, document.data)

    def history(self, key: str) -> list[State]:
        """Return every state the flag had, the newest first. Raises DataError for an entry that cannot be read."""
        query = Query(history_of(key), order=(Order("version", descending=True),))
        return [state_of(document.path, document.data) for document in self._documents.query(query)]

    def change(self, changes: Sequence[Change], *, by: str, reason: str | None) -> list[State]:
        """Write the changes; returns the new states. All of one commit (up to 250 flags) or none.

        Raises PreconditionError if a flag has another version than expected: somebody else came first.
        """
        done: list[State] = []
        for start in range(0, len(changes), _AT_ONCE):
            part = changes[start : start + _AT_ONCE]

            def write(transaction: Transaction, part: Sequence[Change] = part) -> list[State]:
                return self.write(transaction, part, by=by, reason=reason)

            done += self._documents.transaction(write)
        return done

    def write(self, transaction: Transaction, changes: Sequence[Change], *, by: str, reason: str | None) -> list[State]:
        """Write the changes in somebody's transaction, as `change` does; all is read before anything is written."""
        now = self._clock.now()
        seen = [_seen(transaction, change) for change in changes]
        states = [
            _next(change, before, version=version + 1, now=now, by=by, reason=reason)
            for change, (before, version) in zip(changes, seen, strict=True)
        ]
        for change, state in zip(changes, states, strict=True):
            fields, entry = fields_of(state), f"{history_of(change.key)}/{state.version}"
            transaction.write(Set(flag_path(change.key), fields), Create(entry, fields))
        return states

    def look(self, transaction: Transaction, key: str) -> State | None:
        """Return the state of a flag in a transaction. Raises DataError for one that cannot be read."""
        document = transaction.get(flag_path(key))
        return None if document is None else state_of(document.path, document.data)


def _seen(transaction: Transaction, change: Change) -> tuple[State | None, int]:
    """Return the state that is to be changed, None if there is none or it cannot be read, and its version."""
    document = transaction.get(flag_path(change.key))
    try:
        state = None if document is None else state_of(document.path, document.data)
    except DataError:
        if change.expected_version != ANY_VERSION:
            raise
        state = None
    version = _newest(transaction, change.key) if state is None else state.version
    if change.expected_version not in (ANY_VERSION, 0 if document is None else version):
        raise _changed_meanwhile(change, state)
    return state, version


def _newest(transaction: Transaction, key: str) -> int:
    """Return the last version in the history: the state's document may have been deleted or damaged."""
    query = Query(history_of(key), order=(Order("version", descending=True),), limit=1)
    return max((int(entry.id) for entry in transaction.query(query)), default=0)


def _next(change: Change, before: State | None, *, version: int, now: datetime, by: str, reason: str | None) -> State:
    wanted = (change.percent, change.enabled, change.stage)
    stayed = before is not None and (before.percent, before.enabled, before.stage) == wanted
    return State(
        percent=change.percent,
        enabled=change.enabled,
        salt=change.salt,
        hash_version=change.hash_version,
        stage=change.stage,
        entered_stage_at=before.entered_stage_at if before is not None and stayed else now,
        version=version,
        updated_at=now,
        updated_by=by,
        reason=reason,
    )


def _changed_meanwhile(change: Change, state: State | None) -> PreconditionError:
    told = (
        "Its document was deleted."
        if state is None
        else f"{state.updated_by} set it to {state.percent:g} % at {state.updated_at.isoformat(timespec='seconds')}"
        + (f": {state.reason}." if state.reason else ".")
    )
    return PreconditionError(
        f"{change.key} was changed by somebody else meanwhile; nothing was changed",
        cause=told,
        next_step=f"Look at it, then decide anew: nbactl flags show {change.key}",
        details={"key": change.key, "expected_version": change.expected_version},
    )
