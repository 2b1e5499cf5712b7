"""aliases.csv: names that a source has for somebody who is known under another one."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError
from nbactl.pipeline.lookup import plain_name
from nbactl.pipeline.sources.files import read_text
from nbactl.pipeline.teams import team_abbr

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

ALIASES: Final = "aliases.csv"
_COLUMNS: Final = ("alias", "player", "team")


@dataclass(frozen=True, slots=True)
class Aliases:
    """Plain name of the player by (plain alias, team), team being empty where it does not matter."""

    by_alias: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def player(self, plain: str, team: str) -> str:
        """Return the plain name under which a player of that plain name and team is kept."""
        return self.by_alias.get((plain, team)) or self.by_alias.get((plain, ""), plain)


def read_aliases(folders: Iterable[Path]) -> Aliases:
    """Return what the files of these folders say together; a later folder goes before an earlier one.

    Raises DataError with file and line for a file that is not as docs/sources.md says.
    """
    found: dict[tuple[str, str], str] = {}
    for folder in folders:
        path = folder / ALIASES
        if path.exists():
            found |= _read(path)
    return Aliases(found)


def _read(path: Path) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    rows = csv.reader(read_text(path).splitlines(keepends=True), strict=True)
    try:
        header = tuple(column.strip().lower() for column in next(rows, []))
        if header not in (_COLUMNS, _COLUMNS[:2]):
            raise _refused(path, 1, f"its first line is '{','.join(header)}', not alias,player[,team]")
        for row in rows:
            if row:
                key, player = _entry(path, rows.line_num, row, len(header))
                if found.setdefault(key, player) != player:
                    raise _refused(path, rows.line_num, f"'{row[0]}' is given twice, for different players")
    except csv.Error as error:
        raise _refused(path, rows.line_num, f"it is not CSV: {error}") from error
    for (alias, team), player in found.items():
        if (player, team) in found or (player, "") in found:
            raise _refused(path, 1, f"'{alias}' is an alias of '{player}', which is an alias itself")
    return found


def _entry(path: Path, line: int, row: list[str], width: int) -> tuple[tuple[str, str], str]:
    if len(row) != width:
        raise _refused(path, line, f"the row has {len(row)} values, the header {width}")
    alias, player = plain_name(row[0]), plain_name(row[1])
    if not alias or not player:
        raise _refused(path, line, "a name is empty")
    if alias == player:
        raise _refused(path, line, f"'{row[0]}' is the same as '{row[1]}' without accents and punctuation")
    given = row[2].strip() if width > len(_COLUMNS[:2]) else ""
    team = team_abbr(given) if given else ""
    if team is None:
        raise _refused(path, line, f"'{given}' is not one of the thirty teams")
    return (alias, team), player


def _refused(path: Path, line: int, cause: str) -> DataError:
    return DataError(
        f"{path}:{line} was not taken",
        cause=f"{cause[0].upper()}{cause[1:]}.",
        next_step="Correct the line: alias,player[,team], one name of a source a line; then run again.",
        details={"file": str(path), "line": line},
    )
