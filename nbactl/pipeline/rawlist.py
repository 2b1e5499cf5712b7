"""What raw files there are, and what their first lines say: looked up once, for this process and the next ones.

A folder is listed again when it changed, a first line read again when its file changed.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

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

_State = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What the first line of a raw file says. `given` is the version that the source had of the date.

    `filled_in` files were written for the sake of a later date; any run of their own date goes before.
    """

    sha256: str
    given: str | None
    filled_in: bool


class RawListing:
    """The raw files under a folder. `read` returns what the first line of a file says; it may raise OSError."""

    def __init__(self, root: Path, read: Callable[[Path], Held]) -> None:
        self._root = root
        self._read = read
        self._listed: dict[Dataset, tuple[_State, Mapping[date, Held]]] = {}
        """What a folder had when it had this state."""
        self._known: dict[Dataset, dict[date, tuple[_State, Held]]] = {}
        self._unsaved: dict[Dataset, dict[date, tuple[_State, Held]]] = {}
        self._outdated: dict[Dataset, int] = {}

    def held(self, dataset: Dataset) -> Mapping[date, Held]:
        """Return what there is of each date, in order. An empty file does not count: a power failure leaves one."""
        folder = self._root / dataset
        try:
            status = folder.stat()
        except FileNotFoundError:
            return {}
        state = status.st_ino, status.st_mtime_ns
        listed = self._listed.get(dataset)
        if listed is not None and listed[0] == state:
            return listed[1]
        found = {}
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(_SUFFIX):
                    with suppress(OSError, ValueError):
                        day = date.fromisoformat(entry.name.removesuffix(_SUFFIX))
                        if (of_file := entry.stat()).st_size:
                            found[day] = self._of(dataset, day, of_file)
        self._save(dataset, found)
        held = dict(sorted(found.items()))
        self._listed.pop(dataset, None)
        if time.time_ns() - status.st_mtime_ns > (_TICK if status.st_mtime_ns % _SECOND else _COARSE_TICK):
            self._listed[dataset] = state, held
        return held

    def of(self, dataset: Dataset, days: Iterable[date]) -> dict[date, Held]:
        """Return what there is of some dates. Each file is looked at."""
        found = {}
        for day in days:
            with suppress(OSError):
                found[day] = self._of(dataset, day, self._path(dataset, day).stat())
        return found

    def wrote(self, dataset: Dataset, held: Mapping[date, Held]) -> None:
        """Note what was written."""
        self._listed.pop(dataset, None)
        known = self._noted(dataset)
        for day, of_day in held.items():
            with suppress(OSError):
                known[day] = self._unsaved[dataset][day] = _state(self._path(dataset, day).stat()), of_day

    def _path(self, dataset: Dataset, day: date) -> Path:
        return self._root / dataset / f"{day}{_SUFFIX}"

    def _of(self, dataset: Dataset, day: date, status: os.stat_result) -> Held:
        noted, state = self._noted(dataset), _state(status)
        known = noted.get(day)
        if known is None or known[0] != state:
            known = noted[day] = self._unsaved[dataset][day] = state, self._read(self._path(dataset, day))
        return known[1]

    def _noted(self, dataset: Dataset) -> dict[date, tuple[_State, Held]]:
        """Return what is known of files, at first what this and other processes noted."""
        if dataset in self._known:
            return self._known[dataset]
        known = self._known[dataset] = {}
        self._unsaved[dataset] = {}
        entries = 0
        with suppress(OSError):
            for line in self._note(dataset).read_bytes().splitlines():
                with suppress(ValueError, TypeError):  # a line that was cut, or is not ours
                    noted = json.loads(line)
                    entries += len(noted)
                    known |= {
                        date.fromisoformat(day): (tuple(state), Held(sha256, given, filled_in))
                        for day, state, sha256, given, filled_in in noted
                    }
        self._outdated[dataset] = entries - len(known)
        return known

    def _save(self, dataset: Dataset, found: Mapping[date, Held]) -> None:
        """Add to the note what is not in it. It may get lost; then the files are read again."""
        unsaved = self._unsaved.get(dataset)
        if not unsaved:
            return
        note = self._note(dataset)
        with suppress(OSError):
            if self._outdated[dataset] > _OUTDATED:
                new = note.with_name(f"{note.name}.{os.getpid()}.new")
                new.write_bytes(_line({day: self._known[dataset][day] for day in found}))
                new.replace(note)
                self._outdated[dataset] = 0
            else:
                with note.open("ab") as file:
                    file.write(_line(unsaved))
            unsaved.clear()

    def _note(self, dataset: Dataset) -> Path:
        return self._root / f".held.{dataset}.jsonl"


def _line(known: Mapping[date, tuple[_State, Held]]) -> bytes:
    entries = [
        (day.isoformat(), state, held.sha256, held.given, held.filled_in) for day, (state, held) in known.items()
    ]
    return json.dumps(entries, separators=(",", ":")).encode() + b"\n"


def _state(status: os.stat_result) -> _State:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
