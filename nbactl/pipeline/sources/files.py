"""Text files of any provenance: plain or gzip, whole or refused with file and line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core._support.files import read_regular
from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_GZIP_MAGIC: Final = b"\x1f\x8b"
_LARGEST: Final = 1024 * 1024 * 1024
"""Bytes of a file, and of what a packed one holds: some 300 seasons of player game logs."""
_CHUNK: Final = 1024 * 1024


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, unpacked if it is gzip by its first bytes.

    Raises DataError for a file that cannot be read, is cut short, or is not what its name says.
    """
    try:
        content = read_regular(path, _LARGEST)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read", cause=error.strerror or str(error), next_step="Replace it, or move it away."
        ) from error
    if content.startswith(_GZIP_MAGIC):
        content = _unpacked(path, content)
    elif path.suffix == ".gz":
        raise refused(path, 1, "its name ends in .gz and it does not start as a gzip file does")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refused(path, line, f"byte {content[error.start]:#04x} is not UTF-8: {error.reason}") from error


def refused(path: Path, line: int, cause: str, *, next_step: str | None = None) -> DataError:
    """Return the error for a file that is not taken at all."""
    return DataError(
        f"{path}:{line} was not taken",
        cause=f"{cause[0].upper()}{cause[1:]}. Nothing of it was used.",
        next_step=next_step or "Replace the file by a whole one, or move it out of the folder; then run again.",
        details={"file": str(path), "line": line},
    )


def _unpacked(path: Path, content: bytes) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            while part := packed.read(_CHUNK):
                size += len(part)
                if size > _LARGEST:
                    raise refused(path, 1, f"what it unpacks to is larger than {_LARGEST >> 20} MiB")
                parts.append(part)
    except (EOFError, OSError, zlib.error) as error:
        raise refused(path, _readable_lines(content) + 1, f"the gzip file is cut short or damaged: {error}") from error
    return b"".join(parts)


def _readable_lines(content: bytes) -> int:
    """Return how many lines a damaged gzip file still gives, to say up to where it is good."""
    unpacker = zlib.decompressobj(wbits=31)
    lines = size = 0
    for start in range(0, len(content), 1024):
        try:
            part = unpacker.decompress(content[start : start + 1024])
        except zlib.error:
            break
        lines += part.count(b"\n")
        size += len(part)
        if size > _LARGEST:
            break
    return lines


Kind = Literal["player", "game"]

_PLAYER_COLUMNS: Final = [
    "GAME_ID",
    "GAME_DATE",
    "PLAYER_NAME",
    "MATCHUP",
    "MIN",
    "FGM",
    "FGA",
    "FG3M",
    "FG3A",
    "FTM",
    "FTA",
    "REB",
    "AST",
    "STL",
    "BLK",
    "TOV",
    "PTS",
]
_GAME_COLUMNS: Final = ["GAME_ID", "GAME_DATE", "HOMETEAMNAME", "HOMESCORE", "AWAYTEAMNAME", "AWAYSCORE"]
LOOKED_FOR: Final = (
    f"CSV or JSON player game logs ({', '.join(_PLAYER_COLUMNS)}), CSV or JSON games ({', '.join(_GAME_COLUMNS)}), "
    "JSON box scores with data[].home_team.players[], JSON box scores with resultSets[].headers and rowSet"
)


@dataclass(slots=True)
class FileEntry:
    """A record found in a file, not yet unfolded into a payload."""

    kind: Kind
    shape: str
    origin: str
    date: Any
    """As the file has it."""
    columns: tuple[str, ...]
    values: list[Any]

    def value(self, column: str) -> Any:  # noqa: ANN401 - any JSON
        """Return the values of one column."""
        return self.values[self.columns.index(column)]

    def payload(self) -> dict[str, Any]:
        """Return the record by column."""
        return dict(zip(self.columns, self.values, strict=True))


def entries(path: Path, text: str) -> Iterator[FileEntry] | str:
    """Return the records of a file, or what it looks like if it is of no known shape.

    Raises DataError for a broken file.
    """
    start = text.lstrip()[:1]
    named = {suffix.lower() for suffix in path.suffixes}
    if start in ("{", "[") and ".csv" not in named:
        try:
            document = json.loads(text, parse_constant=_refuse_constant)
        except ValueError as error:
            if ".json" not in named:
                return NO_SHAPE
            line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
            raise refused(path, line, f"it is not JSON: {error}") from error
        return _json_entries(path, document)
    if ".json" in named:
        raise refused(path, 1, "it is not JSON: it starts with neither { nor [" if start else "it is empty")
    return _csv_entries(path, text, must=".csv" in named)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _csv_entries(path: Path, text: str, *, must: bool) -> Iterator[FileEntry] | str:
    rows = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        header = next(rows, None)
    except csv.Error:
        header = None
    if header is None:
        if must:
            raise refused(path, 1, "it is empty")
        return NO_SHAPE
    kind = _kind_of_table(path, header)
    return kind.looks_like if isinstance(kind, Other) else _csv_rows(path, rows, kind, header)


def _csv_rows(path: Path, rows: Any, kind: Kind, header: list[str]) -> Iterator[FileEntry]:  # noqa: ANN401 - csv.reader's type has no name
    columns = tuple(column.strip().upper() for column in header)
    width, date_at = len(columns), columns.index("GAME_DATE")
    shape = _SHAPE_OF[kind]
    name = path.name
    try:
        for row in rows:
            if len(row) != width:
                if not row:
                    continue
                raise refused(path, rows.line_num, f"the row has {len(row)} values, the header {width}")
            yield FileEntry(kind, shape, f"{name}:{rows.line_num}", row[date_at], columns, row)
    except csv.Error as error:
        raise refused(path, rows.line_num, f"it is not CSV: {error}") from error


def _json_entries(path: Path, document: Any) -> Iterator[FileEntry] | str:  # noqa: ANN401 - any JSON
    if isinstance(document, dict):
        if (results := document.get("resultSets", document.get("resultSet"))) is not None:
            return _result_sets(path, results if isinstance(results, list) else [results])
        place, items = "data", document.get("data")
    else:
        place, items = "", document
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        return NO_SHAPE
    if all("home_team" in item and "visitor_team" in item for item in items):
        return _bdl_games(path, place, items)
    kind = _kind_of_table(path, list(items[0]))
    return kind.looks_like if isinstance(kind, Other) else _objects(path, place, items, kind)


def _objects(path: Path, place: str, items: list[dict[str, Any]], kind: Kind) -> Iterator[FileEntry]:
    for number, item in enumerate(items):
        row = {key.strip().upper(): value for key, value in item.items()}
        origin = f"{path.name}:{place}[{number}]"
        yield FileEntry(kind, _SHAPE_OF[kind], origin, row.get("GAME_DATE"), tuple(row), list(row.values()))


def _result_sets(path: Path, results: list[Any]) -> Iterator[FileEntry] | str:
    found: list[FileEntry] = []
    known = False
    looks_like = NO_SHAPE
    for number, result in enumerate(results):
        if not isinstance(result, dict) or not isinstance(header := result.get("headers"), list):
            continue
        kind = _kind_of_table(path, header)
        if kind != "player":
            looks_like = kind.looks_like if isinstance(kind, Other) else looks_like
            continue
        known = True
        columns = tuple(str(column).upper() for column in header)
        date_at = columns.index("GAME_DATE")
        for place, row in enumerate(result.get("rowSet") or ()):
            origin = f"{path.name}:resultSets[{number}].rowSet[{place}]"
            if not isinstance(row, list) or len(row) != len(columns):
                raise refused(path, 1, f"{origin} does not have the {len(columns)} values of its headers")
            found.append(FileEntry("player", "nbac", origin, row[date_at], columns, row))
    return iter(found) if known else looks_like


def _bdl_games(path: Path, place: str, items: list[dict[str, Any]]) -> Iterator[FileEntry]:
    for number, item in enumerate(items):
        game = {key: _without_players(value) for key, value in item.items()}
        origin = f"{path.name}:{place}[{number}]"
        yield FileEntry("game", "bdl", origin, item.get("date"), ("game",), [game])
        for side in ("home_team", "visitor_team"):
            team = item[side]
            players = team.get("players") if isinstance(team, dict) else None
            for seat, row in enumerate(players or ()):
                if not isinstance(row, dict):
                    raise refused(path, 1, f"{origin}.{side}.players[{seat}] is not an object")
                where = f"{origin}.{side}.players[{seat}]"
                yield FileEntry("player", "bdl", where, item.get("date"), ("game", "side", "row"), [game, side, row])


def _without_players(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {key: inner for key, inner in value.items() if key != "players"}
    return value


NO_SHAPE: Final = "no known shape"


@dataclass(frozen=True, slots=True)
class Other:
    """A table of another kind, and what it looks like."""

    looks_like: str


def _kind_of_table(path: Path, header: list[Any]) -> Kind | Other:
    """Return what the columns make of a table. Raises DataError for one of ours that lacks a few of its columns."""
    have = {str(column).strip().upper() for column in header}
    for kind, required in _REQUIRED.items():
        missing = [column for column in required if column not in have]
        if not missing:
            return kind
        if (other := _other_kind(kind, have)) is not None:
            return other
        if len(missing) * 2 <= len(required):
            raise refused(path, 1, f"column {', '.join(missing)} is missing")
    return Other(NO_SHAPE)


def _other_kind(kind: Kind, have: set[str]) -> Other | None:
    """Return what a table is that shares many columns with one of ours and lacks what makes it one."""
    shared = sum(column in have for column in _REQUIRED[kind])
    if shared * 2 < len(_REQUIRED[kind]):
        return None
    if kind == "player":
        if not have & _PLAYER:
            what = "a table of teams" if have & _TEAM else "a table without players"
            return Other(f"{what} (no PLAYER_NAME)")
        if not have & _GAME:
            return Other("a table of totals (none of GAME_ID, GAME_DATE, MATCHUP)")
    elif not have & _SCORES:
        return Other("a table of games without scores (neither homeScore nor awayScore)")
    return None


_PLAYER: Final = frozenset({"PLAYER_NAME", "PLAYER_ID", "PLAYER"})
_TEAM: Final = frozenset({"TEAM_NAME", "TEAM_ID", "TEAM_ABBREVIATION"})
_GAME: Final = frozenset({"GAME_ID", "GAME_DATE", "MATCHUP"})
_SCORES: Final = frozenset({"HOMESCORE", "AWAYSCORE"})
_REQUIRED: Final[Mapping[Kind, list[str]]] = {"player": _PLAYER_COLUMNS, "game": _GAME_COLUMNS}
_SHAPE_OF: Final[Mapping[Kind, str]] = {"player": "player_game_log", "game": "game"}
