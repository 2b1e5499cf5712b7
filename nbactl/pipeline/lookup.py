"""`player_lookup`: one name for one person, whatever the source calls him by.

The lookup is the name in lower case without accents, spaces and punctuation; `Jr.`, `III` and the like stay, as
letters. Who bears a name first, by game date, has it plain. Another person of the same name gets his team's
abbreviation appended, and a number from 2 on if that is taken as well. Two people are distinguished by the id their
source gives them. A source that gives ids of its own kind cannot be compared by id: its player is taken for the
bearer of the name, of several for the one who plays for the same team.

What was assigned once stays: the rows of `nba_raw.player_boxscores` are the memory.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

_NO_DECOMPOSITION: Final = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "\u0131": "i", "æ": "ae", "œ": "oe", "ß": "ss"})


@cache
def plain_name(name: str) -> str:
    """Return the name in lower case without accents, spaces and punctuation."""
    letters = unicodedata.normalize("NFKD", name.lower().translate(_NO_DECOMPOSITION))
    return "".join(letter for letter in letters if letter.isalnum())


@dataclass(slots=True)
class _Person:
    lookup: str
    ids: dict[str, str] = field(default_factory=dict)
    """Id by kind of source: {"nba": "203076"}."""
    team: str = ""
    last_seen: date | None = None


class Lookups:
    """Who bears which name. Ask in order of game date."""

    def __init__(self) -> None:
        self._bearers: dict[str, list[_Person]] = {}
        self._people: dict[str, _Person] = {}

    def remember(self, rows: Iterable[tuple[str, str, str, str | None, date]]) -> None:
        """Take in what was assigned before: (player_lookup, player_name, team, source_player_id, last game date)."""
        for lookup, name, team, source_id, day in sorted(rows, key=lambda row: (row[4], row[0], row[3] or "")):
            person = self._people.get(lookup) or self._add(plain_name(name), lookup)
            self._see(person, source_id, team, day)

    def assign(self, name: str, team: str, source_id: str | None, day: date) -> str:
        """Return the lookup of this player. `source_id` is `kind:id`, such as `nba:203076`."""
        plain = plain_name(name)
        bearers = self._bearers.get(plain, ())
        kind, _, number = (source_id or "").partition(":")
        person = next((p for p in bearers if source_id and p.ids.get(kind) == number), None)
        if person is None:
            # Nobody plays for two teams on one day; and two ids of one kind are two people.
            possible = [
                p for p in bearers if not (source_id and kind in p.ids) and not (p.last_seen == day and p.team != team)
            ]
            same_team = [p for p in possible if p.team == team]
            person = next(iter(same_team or possible), None) or self._add(plain, self._free(plain, team))
        self._see(person, source_id, team, day)
        return person.lookup

    def _add(self, plain: str, lookup: str) -> _Person:
        person = self._people[lookup] = _Person(lookup)
        self._bearers.setdefault(plain, []).append(person)
        return person

    def _free(self, plain: str, team: str) -> str:
        lookup = plain
        number = 1
        while lookup in self._people:
            lookup = f"{plain}{team.lower()}" if number == 1 else f"{plain}{team.lower()}{number}"
            number += 1
        return lookup

    @staticmethod
    def _see(person: _Person, source_id: str | None, team: str, day: date) -> None:
        if source_id:
            kind, _, number = source_id.partition(":")
            person.ids.setdefault(kind, number)
        if person.last_seen is None or day >= person.last_seen:
            person.team, person.last_seen = team, day
