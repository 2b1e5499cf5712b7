"""The records of text files, recognised by their columns whatever the files are called."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from nbactl.pipeline.sources.files import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

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


json_text: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""JSON as raw files have it."""
_ESCAPED: Final = re.compile(r'[\x00-\x1f"\\]')
"""What JSON escapes within a text."""
_ESCAPED_BUT_LINE_ENDS: Final = re.compile(r'[\x00-\x09\x0b\x0c\x0e-\x1f"\\]')
_CHUNK: Final = 1 << 20
"""Characters that are split into lines together."""


class FileRecord(NamedTuple):
    """A record found in a file."""

    kind: Kind
    shape: str
    place: str
    """Where it is in the file: `:17`, `:data[3]`."""
    date: str | float | None
    """As the file has it; None for what cannot be a date."""
    payload: str
    """Its values by column, as JSON."""
    game: tuple[Any, str] | None
    """The game's id and the teams, as the file has them."""


def records_of(path: Path, text: str) -> Iterator[FileRecord] | str:
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


def _csv_entries(path: Path, text: str, *, must: bool) -> Iterator[FileRecord] | str:
    rows = csv.reader(chain.from_iterable(io.StringIO(chunk, newline="") for chunk in _chunks(text)), strict=True)
    try:
        header = next(rows, None)
    except csv.Error:
        header = None
    if header is None:
        if must:
            raise refused(path, 1, "it is empty")
        return NO_SHAPE
    kind = _kind_of_table(path, header)
    if isinstance(kind, Other):
        return kind.looks_like
    columns = [column.strip().upper() for column in header]
    encode = _row_encoder(columns, plain=_ESCAPED_BUT_LINE_ENDS.search(text) is None)
    return _csv_rows(path, rows, kind, columns, encode)


def _chunks(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start + _CHUNK) + 1 or len(text)
        yield text[start:end]
        start = end


def _row_encoder(columns: Sequence[str], *, plain: bool) -> Callable[[list[str]], str]:
    """Return what makes JSON of a row, five times as fast as the encoder where no value has anything to escape.

    `plain` says that none of the file has.
    """
    if len(set(columns)) < len(columns):
        return lambda row: json_text(dict(zip(columns, row, strict=True)))
    names = [json_text(column).replace("%", "%%") for column in columns]
    template = "{" + ",".join(f'{name}:"%s"' for name in names) + "}"
    if plain:
        return lambda row: template % tuple(row)

    def encode(row: list[str]) -> str:
        if _ESCAPED.search("".join(row)):
            return json_text(dict(zip(columns, row, strict=True)))
        return template % tuple(row)

    return encode


def _csv_rows(
    path: Path,
    rows: Any,  # noqa: ANN401 - csv.reader's type has no name
    kind: Kind,
    columns: Sequence[str],
    encode: Callable[[list[str]], str],
) -> Iterator[FileRecord]:
    width, date_at = len(columns), columns.index("GAME_DATE")
    game_of = itemgetter(columns.index("GAME_ID"), columns.index("MATCHUP" if kind == "player" else "GAME_ID"))
    shape = _SHAPE_OF[kind]
    try:
        for row in rows:
            if len(row) != width:
                if not row:
                    continue
                raise refused(path, rows.line_num, f"the row has {len(row)} values, the header {width}")
            yield FileRecord(kind, shape, f":{rows.line_num}", row[date_at], encode(row), game_of(row))
    except csv.Error as error:
        raise refused(path, rows.line_num, f"it is not CSV: {error}") from error


def _json_entries(path: Path, document: Any) -> Iterator[FileRecord] | str:  # noqa: ANN401 - any JSON
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
    return kind.looks_like if isinstance(kind, Other) else _objects(place, items, kind)


def _objects(place: str, items: list[dict[str, Any]], kind: Kind) -> Iterator[FileRecord]:
    for number, item in enumerate(items):
        row = {key.strip().upper(): value for key, value in item.items()}
        yield _record(kind, _SHAPE_OF[kind], f":{place}[{number}]", row.get("GAME_DATE"), row)


def _result_sets(path: Path, results: list[Any]) -> Iterator[FileRecord] | str:
    found: list[FileRecord] = []
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
        columns = [str(column).upper() for column in header]
        date_at = columns.index("GAME_DATE")
        for seat, row in enumerate(result.get("rowSet") or ()):
            place = f":resultSets[{number}].rowSet[{seat}]"
            if not isinstance(row, list) or len(row) != len(columns):
                raise refused(path, 1, f"{path.name}{place} does not have the {len(columns)} values of its headers")
            found.append(_record("player", "nbac", place, row[date_at], dict(zip(columns, row, strict=True))))
    return iter(found) if known else looks_like


def _bdl_games(path: Path, place: str, items: list[dict[str, Any]]) -> Iterator[FileRecord]:
    for number, item in enumerate(items):
        game = {key: _without_players(value) for key, value in item.items()}
        where = f":{place}[{number}]"
        yield _record("game", "bdl", where, item.get("date"), {"game": game})
        for side in ("home_team", "visitor_team"):
            team = item[side]
            players = team.get("players") if isinstance(team, dict) else None
            for seat, row in enumerate(players or ()):
                if not isinstance(row, dict):
                    raise refused(path, 1, f"{path.name}{where}.{side}.players[{seat}] is not an object")
                payload = {"game": game, "side": side, "row": row}
                yield _record("player", "bdl", f"{where}.{side}.players[{seat}]", item.get("date"), payload)


def _record(kind: Kind, shape: str, place: str, given: object, payload: Mapping[str, Any]) -> FileRecord:
    day = given if isinstance(given, str | int | float) else None
    game = None
    if shape != "bdl":
        number = payload.get("GAME_ID")
        game = (number if isinstance(number, str | int | float) else None, str(payload.get("MATCHUP")))
    return FileRecord(kind, shape, place, day, json_text(payload), game)


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
