"""A folder of CSV and JSON files, plain or gzip, recognised by what is in them."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO

from nbactl.errors import DataError
from nbactl.pipeline.aliases import ALIASES
from nbactl.pipeline.dates import UnsureDateError, day_of, is_tip_off, is_utc_midnight
from nbactl.pipeline.quarantine import RejectedRecordError
from nbactl.pipeline.sources.base import Dataset, RawRecord
from nbactl.pipeline.sources.digests import NOTHING
from nbactl.pipeline.sources.files import refused, text_of
from nbactl.pipeline.sources.index import SourceIndex
from nbactl.pipeline.sources.records import LOOKED_FOR, FileRecord, records_of
from nbactl.pipeline.sources.segments import DamagedSegmentError, write_segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from nbactl.pipeline.sources.contents import Contents

_NAMED = 3
"""How many of the files an error names."""
_SUFFIXES = (".csv", ".json", ".gz")


class PathSource:
    """The files directly in a folder, or one file. They are read once, when something is first asked for."""

    has_history = True

    def __init__(self, spec: str, path: Path, state: Path | None = None) -> None:
        """Files that were read before are not read again while `state`, a folder, has the index of what they hold."""
        self.name = spec
        self._path = path.resolve()
        self._contents: Contents | None = None
        self._index = SourceIndex(None if state is None else state / self.key / "source_index", _write)
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
        files = self._known().files
        return [f"{name}: {state.note}, passed over" for name, state in files.items() if state.note is not None]

    def datasets(self) -> frozenset[Dataset]:
        return frozenset({"schedule", "player_boxscores"})

    def latest(self) -> date:
        # A date with players' rows is worth more than a later one of which only the score is known.
        dates = self._known().digests
        days = dates["player_boxscores"] or dates["schedule"]
        if not days:
            raise DataError(f"no file in {self._path} has a game", cause="The files that were recognised are empty.")
        return max(days)

    def game_dates(self, first: date, last: date) -> list[date]:
        dates = self._known().digests
        days = dates["schedule"].keys() | dates["player_boxscores"].keys()
        return sorted(day for day in days if first <= day <= last)

    def collect(self, dataset: Dataset, days: Sequence[date]) -> Iterator[RawRecord]:
        for day in days:
            for line in self.lines(dataset, day).splitlines():
                record = json.loads(line)
                yield RawRecord(dataset, day, record["shape"], record["origin"], record["payload"])

    def lines(self, dataset: Dataset, day: date) -> bytes:
        """Return the records of a date as lines of raw files."""
        if dataset not in self.datasets():
            return b""
        try:
            return self._index.lines(self._known(), dataset, day)
        except DamagedSegmentError:
            with self._reading:
                self._contents = None
            return self._index.lines(self._known(), dataset, day)

    def versions(self, dataset: Dataset, days: Sequence[date]) -> Mapping[date, str]:
        found = self._known().digests.get(dataset, {})
        return {day: found.get(day, NOTHING) for day in days}

    def _known(self) -> Contents:
        """Return what the files hold, and keep it for the next command as soon as the state folder is there."""
        with self._reading:
            if self._contents is None:
                files = [self._path] if self._path.is_file() else sorted(filter(_is_file, self._path.iterdir()))
                found = self._index.load([path for path in files if not _is_ours(path)])
                if all(state.note is not None for state in found.files.values()):
                    notes = [f" {name}: {state.note}, passed over." for name, state in found.files.items()]
                    raise DataError(
                        f"{self._path} has no file that can be used",
                        cause=f"Looked at {len(files)} files for {LOOKED_FOR}.{''.join(notes[:_NAMED])}",
                        next_step="Give the folder that has the data: --source path:DIR.",
                    )
                self._contents = found
            self._index.keep(self._contents)
            return self._contents


def _is_file(path: Path) -> bool:
    return path.is_file()


def _is_ours(path: Path) -> bool:
    """Say whether a file is hidden, or is not data of a source."""
    return path.name.startswith(".") or path.name == ALIASES


def _write(path: Path, content: bytes, file: BinaryIO) -> str | None:
    """Write the segment of a file, or return what it looks like if it has no records of ours."""
    try:
        text = text_of(path, content)
    except DataError:
        if path.suffix.lower() in _SUFFIXES:
            raise
        return "not text"  # an image or the like: it does not even claim to be data
    del content
    for tip_offs in (False, True):
        records = records_of(path, text)
        if isinstance(records, str):
            return records
        try:
            write_segment(file, path.name, _dated(path, records, tip_offs=tip_offs))
        except _TipOffsError:
            file.seek(0)
            file.truncate()
        else:
            break
    return None


class _TipOffsError(Exception):
    """The dates of the file are tip-offs, so midnight UTC is one too: seven in the evening before."""


def _dated(path: Path, records: Iterable[FileRecord], *, tip_offs: bool) -> Iterator[tuple[date, FileRecord]]:
    """Give each record its date. One without a date gets that of its neighbour in the file, for phase 2 to refuse.

    Raises DataError for a date that cannot be read surely, _TipOffsError for a tip-off that was not expected.
    """
    days: dict[object, date | None] = {}
    undated: list[FileRecord] = []
    last: date | None = None
    for record in records:
        given = record.date
        if given not in days:
            day = _day_or_none(path, record)
            if day and not tip_offs and is_tip_off(given):
                raise _TipOffsError
            days[given] = day - timedelta(days=1) if day and tip_offs and is_utc_midnight(given) else day
        last = days[given] or last
        if last is None:
            undated.append(record)
            continue
        if undated:
            yield from ((last, earlier) for earlier in undated)
            undated = []
        yield last, record
    if undated:
        raise refused(path, 1, f"none of its {len(undated)} records has a date that can be read")


def _day_or_none(path: Path, record: FileRecord) -> date | None:
    try:
        return day_of(record.date)
    except UnsureDateError as error:
        line = record.place.removeprefix(":")
        place = "" if line.isdigit() else f", in {path.name}{record.place}"
        raise refused(
            path,
            int(line) if line.isdigit() else 1,
            f"{error.message}{place}",
            next_step="Write dates as YYYY-MM-DD, instants with an offset (2025-01-15T03:30:00Z); then run again.",
        ) from error
    except RejectedRecordError:
        return None
