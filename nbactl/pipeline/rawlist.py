"""What raw files there are, and what their first lines say: looked up once, for this process and the next ones.

A folder is listed again when it changed, a first line read again when its file changed.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from contextlib import suppress
from datetime import date
from threading import RLock
from typing import TYPE_CHECKING, Final, NamedTuple

from nbactl.pipeline.gcpause import gc_paused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from nbactl.pipeline.sources.base import Dataset

_SUFFIX: Final = ".jsonl"
_TICK: Final = 100_000_000
"""Nanoseconds in which two changes of a folder may have the same time."""
_COARSE_TICK: Final = 2_000_000_000
"""The same where times are whole seconds."""
_SECOND: Final = 1_000_000_000
_OUTDATED: Final = 2000
"""Entries of a note that later ones replace, from which on it is written again."""

_State = list[int]


class Held(NamedTuple):
    """What the first line of a raw file says. `given` is the version that the source had of the date.

    `filled_in` files were written for the sake of a later date; any run of their own date goes before.
    """

    sha256: str
    given: str | None
    filled_in: bool
    records: int = 0


_Known = tuple[_State, Held, date]
"""The state of a file, what its first line says, and its date."""


class RawListing:
    """The raw files under a folder. `read` returns what the first line of a file says; it may raise OSError."""

    def __init__(self, root: Path, read: Callable[[Path], Held]) -> None:
        self._root = root
        self._read = read
        self._listed: dict[Dataset, tuple[tuple[int, int], Mapping[date, Held]]] = {}
        """What a folder had when it had this inode and time of change."""
        self._known: dict[Dataset, dict[str, _Known]] = {}
        """What is known of the files, by their names without suffix."""
        self._unsaved: dict[Dataset, dict[str, _Known]] = {}
        self._outdated: dict[Dataset, int] = {}
        self._lock = RLock()

    def held(self, dataset: Dataset) -> Mapping[date, Held]:
        """Return what there is of each date, in order. An empty file does not count: a power failure leaves one."""
        with self._lock:
            return self._held(dataset)

    def _held(self, dataset: Dataset) -> Mapping[date, Held]:
        folder = self._root / dataset
        try:
            status = folder.stat()
        except FileNotFoundError:
            return {}
        state = status.st_ino, status.st_mtime_ns
        listed = self._listed.get(dataset)
        if listed is not None and listed[0] == state:
            return listed[1]
        found: dict[str, _Known] = {}
        noted = self._noted(dataset)
        with os.scandir(folder) as entries, gc_paused():
            for entry in entries:
                if entry.name.endswith(_SUFFIX):
                    name = entry.name.removesuffix(_SUFFIX)
                    known = noted.get(name)
                    try:
                        of_file = entry.stat()
                        if known is None or known[0] != _state(of_file):
                            known = self._look(dataset, date.fromisoformat(name), of_file)
                    except (OSError, ValueError):
                        continue  # it is gone, or is not a raw file
                    if of_file.st_size:
                        found[name] = known
        self._save(dataset, found)
        held = {day: of_day for _, (_, of_day, day) in sorted(found.items())}
        self._listed.pop(dataset, None)
        if time.time_ns() - status.st_mtime_ns > (_TICK if status.st_mtime_ns % _SECOND else _COARSE_TICK):
            self._listed[dataset] = state, held
        return held

    def of(self, dataset: Dataset, days: Iterable[date]) -> dict[date, Held]:
        """Return what there is of some dates. Each file is looked at."""
        found = {}
        with self._lock:
            for day in days:
                with suppress(OSError):
                    status = self._path(dataset, day).stat()
                    known = self._noted(dataset).get(str(day))
                    if known is None or known[0] != _state(status):
                        known = self._look(dataset, day, status)
                    found[day] = known[1]
        return found

    def wrote(self, dataset: Dataset, held: Mapping[date, Held]) -> None:
        """Note what was written, while no other process can have replaced it."""
        with self._lock:
            self._listed.pop(dataset, None)
            known = self._noted(dataset)
            for day, of_day in held.items():
                with suppress(OSError):
                    state = _state(self._path(dataset, day).stat())
                    known[str(day)] = self._unsaved[dataset][str(day)] = (state, of_day, day)

    def _path(self, dataset: Dataset, day: date) -> Path:
        return self._root / dataset / f"{day}{_SUFFIX}"

    def _look(self, dataset: Dataset, day: date, status: os.stat_result) -> _Known:
        known = _state(status), self._read(self._path(dataset, day)), day
        self._noted(dataset)[str(day)] = self._unsaved[dataset][str(day)] = known
        return known

    def _noted(self, dataset: Dataset) -> dict[str, _Known]:
        """Return what is known of files, at first what this and other processes noted."""
        if dataset in self._known:
            return self._known[dataset]
        known = self._known[dataset] = {}
        self._unsaved[dataset] = {}
        entries = 0
        with suppress(OSError), gc_paused():
            for line in self._note(dataset).read_bytes().splitlines():
                checksum, _, text = line.partition(b" ")
                if checksum == _checksum(text):  # else it was cut
                    noted = json.loads(text)
                    entries += len(noted)
                    known |= {
                        name: (state, Held(*of_day), date.fromisoformat(name))
                        for name, (state, *of_day) in noted.items()
                    }
        self._outdated[dataset] = entries - len(known)
        return known

    def _save(self, dataset: Dataset, found: Mapping[str, _Known]) -> None:
        """Add to the note what is not in it. It may get lost; then the files are read again."""
        unsaved = self._unsaved.get(dataset)
        if not unsaved:
            return
        note = self._note(dataset)
        with suppress(OSError):
            if self._outdated[dataset] > _OUTDATED:
                new = note.with_name(f"{note.name}.{os.getpid()}.new")
                new.write_bytes(_line(found))
                new.replace(note)
                self._outdated[dataset] = 0
            else:
                with note.open("ab") as file:
                    file.write(_line(unsaved))
            unsaved.clear()

    def _note(self, dataset: Dataset) -> Path:
        return self._root / f".held.{dataset}.jsonl"


def _line(known: Mapping[str, _Known]) -> bytes:
    entries = {name: (state, *of_day) for name, (state, of_day, _) in known.items()}
    text = json.dumps(entries, separators=(",", ":")).encode()
    return b"%b %b\n" % (_checksum(text), text)


def _checksum(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)


def _state(status: os.stat_result) -> _State:
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
