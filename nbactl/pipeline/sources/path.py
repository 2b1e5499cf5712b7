"""A folder of CSV and JSON files, plain or gzip, recognised by what is in them."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from nbactl.errors import DataError
from nbactl.pipeline import values
from nbactl.pipeline.quarantine import RejectedRecordError
from nbactl.pipeline.sources.base import Dataset, RawRecord
from nbactl.pipeline.sources.digests import records_digest
from nbactl.pipeline.sources.files import LOOKED_FOR, FileEntry, entries, read_text, refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

_SUFFIXES = (".csv", ".json", ".gz")


class PathSource:
    """The files directly in a folder, or one file. They are read once, when something is first asked for."""

    has_history = True

    def __init__(self, spec: str, path: Path) -> None:
        self.name = spec
        self._path = path.resolve()
        self._index: _Index | None = None
        self._reading = threading.Lock()

    @property
    def key(self) -> str:
        """The folder's name and a digest of where it is."""
        place = hashlib.sha256(str(self._path).encode()).hexdigest()[:8]
        name = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in self._path.name)
        return f"path-{name}-{place}"

    @property
    def notes(self) -> Sequence[str]:
        return self._read().notes

    def datasets(self) -> frozenset[Dataset]:
        return frozenset({"schedule", "player_boxscores"})

    def latest(self) -> date:
        # A date with players' rows is worth more than a later one of which only the score is known.
        index = self._read()
        days = index.entries["player_boxscores"] or index.entries["schedule"]
        if not days:
            raise DataError(f"no file in {self._path} has a game", cause="The files that were recognised are empty.")
        return max(days)

    def game_dates(self, first: date, last: date) -> list[date]:
        index = self._read()
        days = index.entries["schedule"].keys() | index.entries["player_boxscores"].keys()
        return sorted(day for day in days if first <= day <= last)

    def collect(self, dataset: Dataset, days: Sequence[date]) -> Iterator[RawRecord]:
        found = self._read().entries[dataset]
        for day in days:
            for entry in found.get(day, ()):
                yield RawRecord(dataset, day, entry.shape, entry.origin, entry.payload())

    def versions(self, dataset: Dataset, days: Sequence[date]) -> Mapping[date, str]:
        return {day: records_digest(self.collect(dataset, [day])) for day in days}

    def _read(self) -> _Index:
        with self._reading:
            if self._index is None:
                self._index = _read_all(self._path)
            return self._index


class _Index:
    """What was found, by dataset and date."""

    def __init__(self) -> None:
        self.entries: defaultdict[Dataset, dict[date, list[FileEntry]]] = defaultdict(dict)
        self.notes: list[str] = []

    def add(self, dataset: Dataset, day: date, entry: FileEntry) -> None:
        """File an entry."""
        self.entries[dataset].setdefault(day, []).append(entry)


def _read_all(root: Path) -> _Index:
    index = _Index()
    files = [root] if root.is_file() else sorted(path for path in root.iterdir() if path.is_file())
    recognised = False
    for path in files:
        found = None if path.name.startswith(".") else _open(path)
        if found is None:
            index.notes.append(f"{path.name}: no known shape, passed over")
            continue
        recognised = True
        for day, entry in _dated(path, found):
            index.add("schedule" if entry.kind == "game" else "player_boxscores", day, entry)
    if not recognised:
        raise DataError(
            f"{root} has no file that can be used",
            cause=f"Looked at {len(files)} files for {LOOKED_FOR}.",
            next_step="Give the folder that has the data: --source path:DIR.",
        )
    _add_games_of_logs(index)
    return index


def _open(path: Path) -> Iterable[FileEntry] | None:
    try:
        text = read_text(path)
    except DataError:
        if path.suffix.lower() in _SUFFIXES:
            raise
        return None  # an image or the like: it does not even claim to be data
    return entries(path, text)


def _dated(path: Path, found: Iterable[FileEntry]) -> Iterator[tuple[date, FileEntry]]:
    """Give each entry its date. One without a date gets that of its neighbour in the file, for phase 2 to refuse."""
    days: dict[Any, date | None] = {}
    last: date | None = None
    waiting: list[FileEntry] = []
    for entry in found:
        given = entry.date if isinstance(entry.date, str) else None
        if given not in days:
            days[given] = _day_or_none(given)
        day = days[given] or last
        if day is None:
            waiting.append(entry)
            continue
        last = day
        for earlier in waiting:
            yield day, earlier
        waiting.clear()
        yield day, entry
    if waiting:
        raise refused(path, 1, f"none of its {len(waiting)} records has a date that can be read")


def _day_or_none(given: str | None) -> date | None:
    try:
        return values.day_of(given)
    except RejectedRecordError:
        return None


def _add_games_of_logs(index: _Index) -> None:
    """Add the games that only players' rows know of; where a game file has the id, its date is the right one."""
    listed = {
        values.league_id(entry.value("GAME_ID"))
        for day_entries in index.entries["schedule"].values()
        for entry in day_entries
        if entry.shape == "game"
    }
    for day, day_entries in index.entries["player_boxscores"].items():
        seen = set()
        for entry in day_entries:
            if entry.shape == "bdl":
                continue
            game_id = values.league_id(entry.value("GAME_ID"))
            game = game_id or frozenset(str(entry.value("MATCHUP")).replace("vs.", "@").split("@"))
            if game_id not in listed and game not in seen:
                seen.add(game)
                index.add("schedule", day, entry)
