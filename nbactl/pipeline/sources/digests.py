"""Digests of what sources have, and those of a folder of files kept from one command to the next."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Final

from nbactl.pipeline.code import code_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from nbactl.pipeline.sources.base import Dataset, RawRecord

_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


def records_digest(records: Iterable[RawRecord]) -> str:
    """Return a digest of records in their order. Where a record stood in its file does not matter."""
    return hashlib.sha256(_encode([[record.shape, record.payload] for record in records]).encode()).hexdigest()


NOTHING: Final = records_digest(())
"""The digest of no records."""


@dataclass(frozen=True, slots=True)
class FolderDigests:
    """What a folder has: a digest of the records of each dataset and date, and the notes of its reading."""

    dates: Mapping[Dataset, Mapping[date, str]]
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class _FileState:
    """What changes when a file does. `content` is the SHA-256 of its bytes."""

    stat: tuple[int, ...]
    content: str


class DigestsFile:
    """The digests of a folder, in a file of the state directory, valid while the folder's files have the same bytes.

    A file whose status is the one noted is taken to have the bytes that it had, unless it was changed so shortly
    before the note that a second change would not show.
    """

    _FORMAT: Final = 1
    _TICK: Final = 2_000_000_000
    """Nanoseconds: no file system has coarser times."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _code(self) -> str:
        return hashlib.sha256(_encode(code_of("sources.path")).encode()).hexdigest()

    def read(self, files: Sequence[Path]) -> FolderDigests | None:
        """Return the digests if they are those of these files as they are now."""
        try:
            noted_at = self._path.stat().st_mtime_ns
            kept = json.loads(self._path.read_bytes())
            if kept["format"] != self._FORMAT or kept["code"] != self._code:
                return None
            noted = {name: _FileState(tuple(stat), content) for name, (stat, content) in kept["files"].items()}
            found = FolderDigests(
                {
                    dataset: {date.fromisoformat(day): digest for day, digest in days.items()}
                    for dataset, days in kept["dates"].items()
                },
                kept["notes"],
            )
            states = {path.name: self._state(path, noted.get(path.name), noted_at - self._TICK) for path in files}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # not there, damaged, or written by another version
        if {name: state.content for name, state in states.items()} != {
            name: old.content for name, old in noted.items()
        }:
            return None
        if states != noted:
            self._write(states, found)
        return found

    def write(self, files: Mapping[Path, tuple[int, ...]], found: FolderDigests) -> bool:
        """Keep what was found in files that had this status before they were read, unless one has changed since.

        Says False while there is no folder for it.
        """
        if not self._path.parent.is_dir():
            return False
        with suppress(OSError):
            states = {path: self._state(path, None, 0) for path in files}
            if all(states[path].stat == before == stat_of(path) for path, before in files.items()):
                self._write({path.name: state for path, state in states.items()}, found)
        return True

    def _write(self, states: Mapping[str, _FileState], found: FolderDigests) -> None:
        kept = {
            "format": self._FORMAT,
            "code": self._code,
            "files": {name: [state.stat, state.content] for name, state in states.items()},
            "notes": list(found.notes),
            "dates": {
                dataset: {day.isoformat(): digest for day, digest in days.items()}
                for dataset, days in found.dates.items()
            },
        }
        new = self._path.with_name(f"{self._path.name}.new")
        with suppress(OSError):  # a folder that cannot be written, or is not there yet
            new.write_text(json.dumps(kept))
            new.replace(self._path)

    @staticmethod
    def _state(path: Path, noted: _FileState | None, sure_before: int) -> _FileState:
        stat = stat_of(path)
        if noted is not None and noted.stat == stat and max(stat[2:]) < sure_before:
            return noted
        with path.open("rb") as file:
            return _FileState(stat, hashlib.file_digest(file, "sha256").hexdigest())


def stat_of(path: Path) -> tuple[int, ...]:
    """Return inode, size, and when content and status changed, in nanoseconds."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
