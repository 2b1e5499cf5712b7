"""A folder of CSV and JSON files, plain or gzip, recognised by what is in them."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nbactl.errors import DataError
from nbactl.pipeline import values
from nbactl.pipeline.aliases import ALIASES
from nbactl.pipeline.dates import UnsureDateError, day_of, is_tip_off, is_utc_midnight
from nbactl.pipeline.quarantine import RejectedRecordError
from nbactl.pipeline.sources.base import Dataset, RawRecord
from nbactl.pipeline.sources.digests import NOTHING, DigestsFile, FolderDigests, records_digest, stat_of
from nbactl.pipeline.sources.files import LOOKED_FOR, FileEntry, entries, read_text, refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

_NAMED = 3
"""How many of the files an error names."""
_SUFFIXES = (".csv", ".json", ".gz")


class PathSource:
    """The files directly in a folder, or one file. They are read once, when something is first asked for."""

    has_history = True

    def __init__(self, spec: str, path: Path, state: Path | None = None) -> None:
        """Files that were read before are not read again while `state`, a folder, has the digests of what they hold."""
        self.name = spec
        self._path = path.resolve()
        self._index: _Index | None = None
        self._found: FolderDigests | None = None
        self._unsaved: dict[Path, tuple[int, ...]] | None = None
        self._saved = None if state is None else DigestsFile(state / self.key / "source_digests.json")
        self._reading = threading.RLock()

    @property
    def key(self) -> str:
        """The folder's name and a digest of where it is."""
        place = hashlib.sha256(str(self._path).encode()).hexdigest()[:8]
        name = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in self._path.name)
        return f"path-{name}-{place}"

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._path if self._path.is_dir() else self._path.parent

    @property
    def notes(self) -> Sequence[str]:
        return self._known().notes

    def datasets(self) -> frozenset[Dataset]:
        return frozenset({"schedule", "player_boxscores"})

    def latest(self) -> date:
        # A date with players' rows is worth more than a later one of which only the score is known.
        dates = self._known().dates
        days = dates["player_boxscores"] or dates["schedule"]
        if not days:
            raise DataError(f"no file in {self._path} has a game", cause="The files that were recognised are empty.")
        return max(days)

    def game_dates(self, first: date, last: date) -> list[date]:
        dates = self._known().dates
        days = dates["schedule"].keys() | dates["player_boxscores"].keys()
        return sorted(day for day in days if first <= day <= last)

    def collect(self, dataset: Dataset, days: Sequence[date]) -> Iterator[RawRecord]:
        found = self._read().entries[dataset]
        for day in days:
            for entry in found.get(day, ()):
                yield RawRecord(dataset, day, entry.shape, entry.origin, entry.payload())

    def versions(self, dataset: Dataset, days: Sequence[date]) -> Mapping[date, str]:
        found = self._known().dates.get(dataset, {})
        return {day: found.get(day, NOTHING) for day in days}

    def _known(self) -> FolderDigests:
        """Return what the files hold, and keep it for the next command as soon as the state folder is there."""
        with self._reading:
            if self._found is None and self._index is None and self._saved is not None:
                self._found = self._saved.read(_files(self._path))
            if self._found is None:
                entries = self._read().entries
                datasets: tuple[Dataset, ...] = ("schedule", "player_boxscores")
                digests = {
                    dataset: {day: records_digest(self.collect(dataset, [day])) for day in entries[dataset]}
                    for dataset in datasets
                }
                self._found = FolderDigests(digests, self._read().notes)
            if self._saved is not None and self._unsaved is not None and self._saved.write(self._unsaved, self._found):
                self._unsaved = None
            return self._found

    def _read(self) -> _Index:
        with self._reading:
            if self._index is None:
                self._unsaved = {path: stat_of(path) for path in _files(self._path)}
                self._index, self._found = _read_all(self._path), None
            return self._index


class _Index:
    """What was found, by dataset and date."""

    def __init__(self) -> None:
        self.entries: defaultdict[Dataset, dict[date, list[FileEntry]]] = defaultdict(dict)
        self.notes: list[str] = []

    def add(self, dataset: Dataset, day: date, entry: FileEntry) -> None:
        """File an entry."""
        self.entries[dataset].setdefault(day, []).append(entry)


def _files(root: Path) -> list[Path]:
    return [root] if root.is_file() else sorted(path for path in root.iterdir() if path.is_file())


def _read_all(root: Path) -> _Index:
    index = _Index()
    files = _files(root)
    recognised = False
    for path in files:
        if path.name.startswith(".") or path.name == ALIASES:
            continue
        found = _open(path)
        if isinstance(found, str):
            index.notes.append(f"{path.name}: {found}, passed over")
            continue
        recognised = True
        for day, entry in _dated(path, found):
            index.add("schedule" if entry.kind == "game" else "player_boxscores", day, entry)
    if not recognised:
        raise DataError(
            f"{root} has no file that can be used",
            cause=f"Looked at {len(files)} files for {LOOKED_FOR}."
            + "".join(f" {note}." for note in index.notes[:_NAMED]),
            next_step="Give the folder that has the data: --source path:DIR.",
        )
    _add_games_of_logs(index)
    return index


def _open(path: Path) -> Iterable[FileEntry] | str:
    """Return the records of a file, or what it looks like if it has none of ours."""
    try:
        text = read_text(path)
    except DataError:
        if path.suffix.lower() in _SUFFIXES:
            raise
        return "not text"  # an image or the like: it does not even claim to be data
    return entries(path, text)


def _dated(path: Path, found: Iterable[FileEntry]) -> Iterator[tuple[date, FileEntry]]:
    """Give each entry its date. One without a date gets that of its neighbour in the file, for phase 2 to refuse.

    In a column of tip-offs midnight UTC is one too: seven in the evening before. Raises DataError for a date that
    cannot be read surely.
    """
    listed = list(found)
    days: dict[Any, date | None] = {}
    for entry in listed:
        if entry.date not in days:
            days[entry.date] = _day_or_none(path, entry)
    if any(map(is_tip_off, days)):
        days |= {given: day - timedelta(days=1) for given, day in days.items() if day and is_utc_midnight(given)}
    first = next((day for entry in listed if (day := days[entry.date])), None)
    if listed and first is None:
        raise refused(path, 1, f"none of its {len(listed)} records has a date that can be read")
    last = first
    for entry in listed:
        last = days[entry.date] or last
        if last is not None:
            yield last, entry


def _day_or_none(path: Path, entry: FileEntry) -> date | None:
    try:
        return day_of(entry.date)
    except UnsureDateError as error:
        line = entry.origin.rpartition(":")[2]
        place = "" if line.isdigit() else f", in {entry.origin}"
        raise refused(
            path,
            int(line) if line.isdigit() else 1,
            f"{error.message}{place}",
            next_step="Write dates as YYYY-MM-DD, instants with an offset (2025-01-15T03:30:00Z); then run again.",
        ) from error
    except RejectedRecordError:
        return None


def _game_id(entry: FileEntry) -> str | None:
    try:
        return values.league_id(entry.value("GAME_ID"))
    except RejectedRecordError:
        return None  # phase 2 refuses the record


def _add_games_of_logs(index: _Index) -> None:
    """Add the games that only players' rows know of; where a game file has the id, its date is the right one."""
    listed = {
        _game_id(entry)
        for day_entries in index.entries["schedule"].values()
        for entry in day_entries
        if entry.shape == "game"
    }
    for day, day_entries in index.entries["player_boxscores"].items():
        seen = set()
        for entry in day_entries:
            if entry.shape == "bdl":
                continue
            game_id = _game_id(entry)
            game = game_id or frozenset(str(entry.value("MATCHUP")).replace("vs.", "@").split("@"))
            if game_id not in listed and game not in seen:
                seen.add(game)
                index.add("schedule", day, entry)
