"""Entries of the audit trail as documents, and as files."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, get_args

from nbactl.core.audit.entry import AuditEntry, AuditOutcome, Change
from nbactl.core.observe.masking import mask
from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COLLECTION: Final = "audit"
_TIMES: Final = ("at", "finished_at")
_LONGEST: Final = 2_000
"""Characters of an error that are kept."""


def masked(change: Change) -> Change:
    """Return the change without secrets."""
    return replace(
        change,
        touches=tuple(map(mask, change.touches)),
        reason=None if change.reason is None else mask(change.reason),
        undo=None if change.undo is None else mask(change.undo),
        arguments=tuple(map(mask, change.arguments)),
    )


def fields_of(entry: AuditEntry) -> dict[str, Any]:
    """Return the fields of an entry. `user` and `noun` are there to be filtered by."""
    change = entry.change
    return {
        "id": entry.entry_id,
        "at": entry.at,
        "by": entry.by,
        "user": entry.by.partition("@")[0],
        "action": change.action,
        "noun": change.action.partition(".")[0],
        "touches": list(change.touches),
        "reason": change.reason,
        "undo": change.undo,
        "arguments": list(change.arguments),
        "outcome": entry.outcome,
        "finished_at": entry.finished_at,
        "error": None if entry.error is None else mask(entry.error)[:_LONGEST],
    }


def entry_of(where: str, fields: Mapping[str, Any]) -> AuditEntry:
    """Return the entry of a document or file. Raises DataError for one that cannot be read."""
    try:
        change = Change(
            fields["action"], tuple(fields["touches"]), fields["reason"], fields["undo"], tuple(fields["arguments"])
        )
        entry = AuditEntry(
            fields["id"], fields["at"], fields["by"], change, fields["outcome"], fields["finished_at"], fields["error"]
        )
    except (KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise DataError(f"{where} is not an entry of the audit trail", cause=why) from error
    if not isinstance(entry.at, datetime) or entry.outcome not in get_args(AuditOutcome):
        raise DataError(f"{where} is not an entry of the audit trail", cause="Its time or outcome cannot be read.")
    return entry


class AuditFiles:
    """Entries as JSON files of a folder on this machine, for while the store does not answer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, entry: AuditEntry) -> None:
        """Keep an entry, or its newer form; when this returns it is durable. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(entry.entry_id)
        written = path.with_suffix(f".{os.getpid()}")
        with written.open("w", encoding="utf-8") as file:
            json.dump(fields_of(entry), file, default=datetime.isoformat, indent=1)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)

    def entries(self) -> Iterator[AuditEntry]:
        """Yield the entries, the newest first. Raises DataError for a file that cannot be read."""
        for path in sorted(self._folder.glob("audit-*.json"), reverse=True):
            try:
                fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                times = {name: fields[name] and datetime.fromisoformat(fields[name]) for name in _TIMES}
            except FileNotFoundError:
                continue  # another process has brought it in
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"{path} cannot be read", cause=str(error)) from error
            yield entry_of(str(path), {**fields, **times})

    def remove(self, entry_id: str) -> None:
        """Remove an entry that the store has; a file that cannot be removed is brought in again."""
        with suppress(OSError):
            self._path(entry_id).unlink(missing_ok=True)

    def _path(self, entry_id: str) -> Path:
        return self._folder / f"{entry_id}.json"
