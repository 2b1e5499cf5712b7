"""The versions of all partitions in a file beside the warehouse, so that asking for them does not open it.

It is written when the warehouse is closed and names the state of the file it was taken from. Where that is not the
state the file has now, or where a write-ahead log is beside it, it says nothing, and the reader opens the warehouse.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from nbactl.ports.warehouse import PartitionVersion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Versions = dict[tuple[str, date], PartitionVersion]

_FORMAT: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _State:
    """What changes with every change of a file."""

    inode: int
    size: int
    modified: int
    changed: int


class VersionsSidecar:
    """The file of versions beside the warehouse file `warehouse`."""

    def __init__(self, warehouse: Path) -> None:
        self._warehouse = warehouse
        self._wal = warehouse.with_name(warehouse.name + ".wal")
        self._path = warehouse.with_name(warehouse.name + ".versions")
        self._read: tuple[_State, _State, Versions] | None = None

    def read(self) -> Versions | None:
        """Return the versions that are in the warehouse file, None where they cannot be known without opening it."""
        state, own = _state(self._warehouse), _state(self._path)
        if state is None or own is None or self._wal.exists():
            return None
        if self._read is None or self._read[:2] != (state, own):
            versions = _parsed(self._path, state)
            if versions is None:
                return None
            self._read = state, own, versions
        return self._read[2]

    def write(self, versions: Mapping[tuple[str, date], PartitionVersion]) -> None:
        """Write what a warehouse has that was just closed, under its lock; a disk that refuses is not a fault."""
        state = _state(self._warehouse)
        if state is None or self._wal.exists():
            return
        body = _encoded(versions)
        header = {"nbactl_versions": _FORMAT, "file": _listed(state), "sha256": hashlib.sha256(body).hexdigest()}
        new = self._path.with_name(self._path.name + ".new")
        with suppress(OSError):  # the next to ask opens the warehouse
            new.write_bytes(json.dumps(header).encode() + b"\n" + body)
            new.replace(self._path)


def _state(path: Path) -> _State | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return _State(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _listed(state: _State) -> list[int]:
    return [state.inode, state.size, state.modified, state.changed]


def _encoded(versions: Mapping[tuple[str, date], PartitionVersion]) -> bytes:
    tables: dict[str, dict[str, list[str | int]]] = {}
    for (table, day), version in versions.items():
        changed = (version.changed_at - _EPOCH) // _MICROSECOND
        tables.setdefault(table, {})[day.isoformat()] = [version.digest, version.rows, changed]
    return json.dumps(tables, separators=(",", ":")).encode()


def _parsed(path: Path, state: _State) -> Versions | None:
    """Return the versions, or None for a file that is damaged, of another version, or of another state."""
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        header = json.loads(head)
        whole = header["sha256"] == hashlib.sha256(body).hexdigest()
        if header["nbactl_versions"] != _FORMAT or header["file"] != _listed(state) or not whole:
            return None
        return {
            (table, date.fromisoformat(day)): PartitionVersion(digest, rows, _EPOCH + changed * _MICROSECOND)
            for table, partitions in json.loads(body).items()
            for day, (digest, rows, changed) in partitions.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
