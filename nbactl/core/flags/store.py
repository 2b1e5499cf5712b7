"""The states of flags: in the document store, each change in one commit with its history, and the last copy on disk.

The copy on disk is for a process that starts while the store is down.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import tempfile
from dataclasses import asdict, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.flags.model import State
from nbactl.errors import DataError, PreconditionError
from nbactl.frozen import frozen
from nbactl.ports.documents import MAX_WRITES, Create, Order, Query, Set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import Document, DocumentStore, Transaction


COLLECTION = "flags"


def flag_path(key: str) -> str:
    """Return the path of a flag's state."""
    return f"{COLLECTION}/{key}"


def history_of(key: str) -> str:
    """Return the collection of a flag's history; each document is named by its version."""
    return f"{COLLECTION}/{key}/history"


def fields_of(state: State) -> dict[str, Any]:
    """Return the fields of a state."""
    return asdict(state)


def state_of(path: str, fields: Mapping[str, Any]) -> State:
    """Return the state in `fields`. Raises DataError that names the invalid field."""
    percent, stage, reason = fields.get("percent"), fields.get("stage"), fields.get("reason")
    time = fields.get("updated_at")
    entered = fields.get("entered_stage_at", time)
    for name, right, wanted in (
        ("percent", is_percent(percent), "a number from 0 to 100"),
        ("enabled", isinstance(fields.get("enabled"), bool), "true or false"),
        ("salt", isinstance(fields.get("salt"), str) and bool(fields["salt"]), "text"),
        ("hash_version", _is_count(fields.get("hash_version")), "a whole number above 0"),
        ("stage", stage is None or _is_count(stage), "a whole number above 0 or nothing"),
        ("entered_stage_at", isinstance(entered, datetime), "a time"),
        ("version", _is_count(fields.get("version")), "a whole number above 0"),
        ("updated_at", isinstance(time, datetime), "a time"),
        ("updated_by", isinstance(fields.get("updated_by"), str), "text"),
        ("reason", reason is None or isinstance(reason, str), "text or nothing"),
    ):
        if not right:
            raise DataError(
                f"{path} cannot be read: {name} is {fields.get(name)!r}, not {wanted}",
                cause="It was not written by nbactl, or damaged.",
                next_step=f"Write it again: nbactl flags rollback {path.split('/')[1]}",
            )
    return State(
        float(fields["percent"]),
        fields["enabled"],
        fields["salt"],
        fields["hash_version"],
        stage,
        fields.get("entered_stage_at", time),
        fields["version"],
        fields["updated_at"],
        fields["updated_by"],
        reason,
    )


def is_percent(value: object) -> bool:
    """Say whether `value` is a finite number from 0 to 100."""
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 100  # noqa: PLR2004 - per cent
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


ANY_VERSION: Final = -1
"""As an expected version: change what is there, even if it cannot be read."""
_AT_ONCE: Final = MAX_WRITES // 2


@frozen
class Stored:
    """The states that could be read, and why the others could not, by flag."""

    states: Mapping[str, State]
    unreadable: Mapping[str, str] = field(default_factory=dict)


@frozen
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

    def history(self, key: str, limit: int = 100) -> list[State]:
        """Return the states the flag had, the newest first, at most `limit`: as many documents are read.

        Raises DataError for an entry that cannot be read.
        """
        newest = self._newest_version(key)
        paths = [f"{history_of(key)}/{version}" for version in range(newest, max(0, newest - limit), -1)]
        found = self._documents.get_all(paths)
        return [state_of(document.path, document.data) for document in found if document is not None]

    def _newest_version(self, key: str) -> int:
        """Return the version of the state, or of the last entry where that was deleted or damaged."""
        with contextlib.suppress(DataError):
            if (state := self.get(key)) is not None:
                return state.version
        return _newest(self._documents.query, key)

    def change(self, changes: Sequence[Change], *, by: str, reason: str | None) -> list[State]:
        """Write the changes; returns the new states. All of one commit (up to 250 flags) or none.

        Raises PreconditionError if a flag has another version than expected: another operator was first.
        """
        done: list[State] = []
        for start in range(0, len(changes), _AT_ONCE):
            part = changes[start : start + _AT_ONCE]

            def write(transaction: Transaction, part: Sequence[Change] = part) -> list[State]:
                return self.write(transaction, part, by=by, reason=reason)

            done += self._documents.transaction(write)
        return done

    def write(self, transaction: Transaction, changes: Sequence[Change], *, by: str, reason: str | None) -> list[State]:
        """Write the changes in the caller's transaction, as `change` does; all is read before anything is written."""
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
    """Return the state that is to be changed, None if it is missing or unreadable, and its version."""
    document = transaction.get(flag_path(change.key))
    try:
        state = None if document is None else state_of(document.path, document.data)
    except DataError:
        if change.expected_version != ANY_VERSION:
            raise
        state = None
    version = _newest(transaction.query, change.key) if state is None else state.version
    if change.expected_version not in (ANY_VERSION, 0 if document is None else version):
        raise _changed_meanwhile(change, state)
    return state, version


def _newest(query: Callable[[Query], Iterable[Document]], key: str) -> int:
    """Return the last version in the history: the state's document may have been deleted or damaged."""
    last = Query(history_of(key), order=(Order("version", descending=True),), limit=1)
    return max((int(entry.id) for entry in query(last)), default=0)


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
    cause = (
        "Its document was deleted."
        if state is None
        else f"{state.updated_by} set it to {state.percent:g} % at {state.updated_at.isoformat(timespec='seconds')}"
        + (f": {state.reason}." if state.reason else ".")
    )
    return PreconditionError(
        f"{change.key} was changed by another operator in the meantime; nothing was changed",
        cause=cause,
        next_step=f"Look at it, then decide again: nbactl flags show {change.key}",
        details={"key": change.key, "expected_version": change.expected_version},
    )


_FORMAT: Final = 1
_TIMES: Final = ("entered_stage_at", "updated_at")


class StateCache:
    """One file, replaced whole; its checksum reveals damage."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, states: Mapping[str, State]) -> None:
        """Replace the file. Raises OSError; what was there stays then."""
        body = _canonical({key: _plain(state) for key, state in states.items()})
        text = json.dumps({"format": _FORMAT, "sha256": _checksum(body), "states": json.loads(body)})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._clear_left()
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _clear_left(self) -> None:
        """Remove what killed writers left. A writer that is still at work began after the file was last replaced."""
        with contextlib.suppress(FileNotFoundError):  # nothing was written yet, or another process clears as well
            written = self.path.stat().st_mtime_ns
            for left in self.path.parent.glob(f".{self.path.name}.*"):
                if left.stat().st_mtime_ns < written:
                    left.unlink()

    def load(self) -> dict[str, State]:
        """Return the states; none if there is no file. Raises DataError for a file that is damaged."""
        try:
            return _read(json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError) as error:
            raise DataError(
                f"the last known flags in {self.path} are not used",
                cause=f"The file is damaged: {error}",
                next_step="It is written again as soon as the store answers.",
            ) from error


def _read(content: Mapping[str, Any]) -> dict[str, State]:
    if content["format"] != _FORMAT or content["sha256"] != _checksum(_canonical(content["states"])):
        raise ValueError("its checksum does not fit its content")
    return {key: _state(key, fields) for key, fields in content["states"].items()}


def _canonical(states: Mapping[str, Any]) -> str:
    return json.dumps(states, sort_keys=True, separators=(",", ":"))


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _plain(state: State) -> dict[str, Any]:
    return {**fields_of(state), **{name: getattr(state, name).isoformat() for name in _TIMES}}


def _state(key: str, fields: Mapping[str, Any]) -> State:
    times = {name: datetime.fromisoformat(fields[name]) for name in _TIMES}
    return state_of(f"flags/{key}", {**fields, **times})
