"""What one file of a source has, by dataset and date, as lines of raw files: written once, read by date.

A segment is blocks of lines, then a table of contents in JSON, then where that begins and its CRC-32.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from nbactl.pipeline import values
from nbactl.pipeline.quarantine import RejectedRecordError
from nbactl.pipeline.sources.records import FileRecord, json_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from nbactl.pipeline.sources.base import Dataset

GAMES_OF_LOGS: Final = "games_of_logs"
"""Beside the datasets: the first row of each game in players' rows, as a record of the schedule."""
_DATASETS: Final[Mapping[str, Dataset]] = {"game": "schedule", "player": "player_boxscores"}
_WAITING: Final = 3_000
"""Records in memory, some 30 MB."""
_END: Final = struct.Struct(">QI")
_NOT_ASCII: Final = re.compile(r"[^ -~]")


class DamagedSegmentError(Exception):
    """A segment is gone, or is not what was written."""


class Digest:
    """A SHA-256 of records as JSON in ASCII, in their order. Where a record stood in its file does not count."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256(b"[")
        self._between = b""

    def add(self, shape: str, payloads: Sequence[str]) -> None:
        """Add records of one shape, their payloads as JSON."""
        opening = f"[{json_text(shape)},"
        text = f"{opening}{f'],{opening}'.join(payloads)}]"
        if not text.isascii() or "\x7f" in text:
            ascii_only = [payload if payload.isascii() else _NOT_ASCII.sub(_escaped, payload) for payload in payloads]
            text = f"{opening}{f'],{opening}'.join(ascii_only)}]".replace("\x7f", "\\u007f")
        self._sha.update(self._between + text.encode("ascii"))
        self._between = b","

    def add_lines(self, lines: bytes) -> None:
        """Add lines of a raw file."""
        for line in lines.decode().split("\n")[:-1]:
            head, _, payload = line.partition(_PAYLOAD)
            self.add(json.loads(f'{head}"}}')["shape"], [payload[:-1]])

    def hexdigest(self) -> str:
        """Return the digest of what was added; nothing can be added after."""
        self._sha.update(b"]")
        return self._sha.hexdigest()


_PAYLOAD: Final = '","payload":'
"""Before the payload of a line. Within a text of JSON each quote would have a backslash before it."""


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


class _Group:
    """The records of a dataset and date."""

    def __init__(self, head: str, shape: str) -> None:
        self.head = head
        self.shape = shape
        self.places: list[str] = []
        self.payloads: list[str] = []
        self.digest = Digest()
        self.blocks: list[tuple[int, int, int]] = []
        self.games_seen: set[tuple[Any, str]] = set()

    def flush(self, file: BinaryIO) -> None:
        """Write what waits."""
        lines = [
            f"{self.head}{place}{_PAYLOAD}{payload}}}\n"
            for place, payload in zip(self.places, self.payloads, strict=True)
        ]
        block = "".join(lines).encode()
        self.blocks.append((file.tell(), len(block), zlib.crc32(block)))
        file.write(block)
        self.digest.add(self.shape, self.payloads)
        self.places, self.payloads = [], []


def write_segment(file: BinaryIO, name: str, records: Iterable[tuple[date, FileRecord]]) -> None:
    """Write the records of the file of that name, of which each dataset has one shape."""
    groups: dict[tuple[str, date], _Group] = {}
    games: dict[date, dict[str, str | None]] = {}
    listed: set[str | None] = set()
    waiting = 0

    def group_of(key: tuple[str, date], dataset: str, shape: str) -> _Group:
        if (known := groups.get(key)) is None:
            opening = {"dataset": dataset, "shape": shape, "origin": name}
            known = groups[key] = _Group(json_text(opening)[:-2], shape)
        return known

    group, group_day, group_kind = _Group("", ""), None, None
    for day, (kind, shape, place, _, payload, game) in records:
        if day is not group_day or kind is not group_kind:  # most files are in the order of their dates
            group, group_day, group_kind = group_of((kind, day), _DATASETS[kind], shape), day, kind
        group.places.append(place)
        group.payloads.append(payload)
        waiting += 1
        if game is not None and game not in group.games_seen:
            group.games_seen.add(game)
            game_id = _game_id(game)
            if kind == "game":
                listed.add(game_id)
            elif (known_as := game_id or _teams(game)) not in games.setdefault(day, {}):
                games[day][known_as] = game_id
                first = group_of((GAMES_OF_LOGS, day), "schedule", shape)
                first.places.append(place)
                first.payloads.append(payload)
        if waiting >= _WAITING:
            _flush(file, groups)
            waiting = 0
    _flush(file, groups)
    contents: dict[str, dict[str, Any]] = {GAMES_OF_LOGS: {}, **{dataset: {} for dataset in _DATASETS.values()}}
    for (kind_or_games, day), group in groups.items():
        dataset = _DATASETS.get(kind_or_games, kind_or_games)
        contents[dataset][day.isoformat()] = [group.digest.hexdigest(), group.blocks]
    table = {
        "contents": contents,
        "listed": sorted(listed, key=str),
        "games": {day.isoformat(): list(of_day.items()) for day, of_day in games.items()},
    }
    text = json.dumps(table, separators=(",", ":")).encode()
    file.write(text + _END.pack(file.tell(), zlib.crc32(text)))


def _flush(file: BinaryIO, groups: Mapping[tuple[str, date], _Group]) -> None:
    for group in groups.values():
        if group.places:
            group.flush(file)


def _game_id(game: tuple[Any, str]) -> str | None:
    try:
        return values.league_id(game[0])
    except RejectedRecordError:
        return None  # phase 2 refuses the record


def _teams(game: tuple[Any, str]) -> str:
    return "@".join(sorted(set(game[1].replace("vs.", "@").split("@"))))


class Segment:
    """A segment that was written. What it returns was checked; it raises DamagedSegmentError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_whole(self) -> bool:
        """Whether it is there and its table of contents is not damaged."""
        try:
            return bool(self._table)
        except DamagedSegmentError:
            return False

    @property
    def listed(self) -> Sequence[str | None]:
        """The ids of the games in records of games."""
        listed: Sequence[str | None] = self._table["listed"]
        return listed

    @property
    def games(self) -> Mapping[str, Sequence[tuple[str, str | None]]]:
        """The games of players' rows by date, in the order of GAMES_OF_LOGS: the id or the teams, and the id."""
        games: Mapping[str, Sequence[tuple[str, str | None]]] = self._table["games"]
        return games

    def digests(self, dataset: str) -> Iterator[tuple[str, str]]:
        """Return the digest of each date of a dataset."""
        return ((day, digest) for day, (digest, _) in self._table["contents"][dataset].items())

    def lines(self, dataset: str, day: str) -> bytes:
        """Return the lines of a dataset and date; none if it has none."""
        _, blocks = self._table["contents"][dataset].get(day, ("", ()))
        if not blocks:
            return b""
        parts = []
        try:
            with self.path.open("rb") as file:
                for place, length, checksum in blocks:
                    file.seek(place)
                    parts.append(_checked(file.read(length), checksum, self.path))
        except OSError as error:
            raise DamagedSegmentError(str(error)) from error
        return b"".join(parts)

    @cached_property
    def _table(self) -> Mapping[str, Any]:
        try:
            with self.path.open("rb") as file:
                end = file.seek(-_END.size, 2)
                place, checksum = _END.unpack(file.read(_END.size))
                file.seek(min(place, end))
                table: Mapping[str, Any] = json.loads(_checked(file.read(end - place), checksum, self.path))
        except (OSError, ValueError) as error:
            raise DamagedSegmentError(str(error)) from error
        return table


def _checked(content: bytes, checksum: int, path: Path) -> bytes:
    if zlib.crc32(content) != checksum:
        raise DamagedSegmentError(f"{path} is damaged")
    return content
