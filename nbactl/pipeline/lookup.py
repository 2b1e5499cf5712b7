"""`player_lookup`: one name for one person, whatever the source calls him by.

The lookup is the name in lower case without accents, spaces and punctuation; `Jr.`, `III` and the like stay, as
letters. Who bears a name first, by game date, has it plain. Another person of the same name gets his team's
abbreviation appended, and a number from 2 on if that is taken as well. Two people are distinguished by the id their
source gives them. A source that gives ids of its own kind cannot be compared by id: its player is taken for the
bearer of the name, of several for the one who plays for the same team; failing that, for the one of that team whose
name differs in a suffix or a shortened first name only.

What was assigned once stays: the rows of `nba_raw.player_boxscores` are the memory.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import SequenceMatcher
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

_NO_DECOMPOSITION: Final = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "\u0131": "i", "æ": "ae", "œ": "oe", "ß": "ss"})
_SUFFIXES: Final = frozenset({"jr", "sr", "ii", "iii", "iv", "v"})
_SHORTEST_NICKNAME: Final = 3
"""Letters: `Nic` may be Nicolas; two letters begin too many names."""
_ALIKE: Final = 0.8
"""From this share of equal letters on, a new name beside a vanished one is reported."""
_VANISHED_WITHIN: Final = timedelta(days=14)


@cache
def plain_name(name: str) -> str:
    """Return the name in lower case without accents, spaces and punctuation."""
    letters = unicodedata.normalize("NFKD", name.lower().translate(_NO_DECOMPOSITION))
    return "".join(letter for letter in letters if letter.isalnum())


class Sighting(NamedTuple):
    """A name as one kind of source has it on a date."""

    plain: str
    team: str
    kind: str


class _Name(NamedTuple):
    first: str
    last: str
    suffix: str


@cache
def _name_of(name: str) -> _Name:
    first, *rest = [word for word in map(plain_name, name.split()) if word] or [""]
    suffix = rest.pop() if len(rest) > 1 and rest[-1] in _SUFFIXES else ""
    return _Name(first, "".join(rest), suffix)


def _is_variant(one: _Name, other: _Name) -> bool:
    """Say whether two names differ in nothing but a suffix or a shortened first name."""
    if one.last != other.last or not one.last or (one.suffix and other.suffix and one.suffix != other.suffix):
        return False
    short, long = sorted((one.first, other.first), key=len)
    return short == long or (len(short) >= _SHORTEST_NICKNAME and long.startswith(short))


def _is_alike(one: _Name, other: _Name) -> bool:
    if one.last and one.last == other.last:
        return True
    return SequenceMatcher(None, one.first + one.last, other.first + other.last).ratio() >= _ALIKE


@dataclass(slots=True, eq=False)
class _Person:
    lookup: str
    name: str
    ids: dict[str, str] = field(default_factory=dict)
    """Id by kind of source: {"nba": "203076"}."""
    spellings: dict[str, set[str]] = field(default_factory=dict)
    """Plain names by kind of source."""
    team: str = ""
    last_seen: date | None = None


def _as_given(plain: str, _: str) -> str:
    return plain


class Lookups:
    """Who bears which name. Ask in order of game date.

    `known_as` gives, for a plain name and a team, the plain name or lookup under which the player is kept.
    """

    def __init__(self, known_as: Callable[[str, str], str] = _as_given) -> None:
        self._known_as = known_as
        self._bearers: dict[str, list[_Person]] = {}
        self._people: dict[str, _Person] = {}
        self._by_id: dict[str, _Person] = {}
        self._of_team: dict[str, dict[str, _Person]] = {}
        self._today: set[Sighting] = set()
        self._new: list[_Person] = []
        self._matched: list[str] = []

    def remember(self, rows: Iterable[tuple[str, str, str, str | None, date]]) -> None:
        """Take in what was assigned before: (player_lookup, player_name, team, source_player_id, last game date)."""
        for lookup, name, team, source_id, day in sorted(rows, key=lambda row: (row[4], row[0], row[3] or "")):
            plain = plain_name(name)
            target = self._known_as(plain, team)
            kept = lookup if target == plain else target
            person = self._people.get(kept) or self._add(plain if target == plain else target, kept, name)
            self._see(person, plain, source_id, team, day)

    def meet(self, names: Iterable[tuple[str, str, str | None]]) -> None:
        """Say which names, teams and source ids are on the date that is assigned next."""
        self._today = {Sighting(plain_name(name), team, _kind(source_id)) for name, team, source_id in names}
        self._new.clear()
        self._matched.clear()

    def knows(self, name: str) -> bool:
        """Say whether somebody bears exactly this name."""
        return plain_name(name) in self._bearers

    def assign(self, name: str, team: str, source_id: str | None, day: date) -> str:
        """Return the lookup of this player. `source_id` is `kind:id`, such as `nba:203076`."""
        plain = plain_name(name)
        target = self._known_as(plain, team)
        if target != plain:
            person = self._people.get(target) or self._bearer(target, team, source_id, day)
            person = person or self._add(target, self._free(target, team), name)
        else:
            person = (
                self._of_id(name, source_id, day)
                or self._bearer(plain, team, source_id, day)
                or self._variant(name, team, source_id)
            )
            if person is None:
                person = self._add(plain, self._free(plain, team), name)
                self._new.append(person)
        self._see(person, plain, source_id, team, day)
        return person.lookup

    def matched(self) -> list[str]:
        """Say which names of the date were taken for a player with another spelling."""
        return list(self._matched)

    def unexplained(self, day: date) -> list[str]:
        """Say which new names of the date may be players of the team who are missing on it."""
        return [
            f"{new.team} {day}: '{new.name}' is new and '{missing.name}' is missing; if they are one person, "
            f"add the line '{new.name},{missing.name}' to aliases.csv"
            for new in self._new
            for missing in self._of_team.get(new.team, {}).values()
            if missing.last_seen is not None
            and day - _VANISHED_WITHIN <= missing.last_seen < day
            and not missing.ids.keys() & new.ids.keys()
            and _is_alike(_name_of(new.name), _name_of(missing.name))
        ]

    def _of_id(self, name: str, source_id: str | None, day: date) -> _Person | None:
        person = self._by_id.get(source_id or "")
        if person is None or person.last_seen != day or plain_name(name) in self._plain_names(person):
            return person
        # An id that two names have on one day is a slip of the source, unless they are spellings of one name.
        return person if _is_alike(_name_of(name), _name_of(person.name)) else None

    @staticmethod
    def _plain_names(person: _Person) -> set[str]:
        return set().union(*person.spellings.values())

    def _bearer(self, plain: str, team: str, source_id: str | None, day: date) -> _Person | None:
        # Nobody plays for two teams on one day; and two ids of one kind are two people.
        kind = _kind(source_id)
        possible = [
            p
            for p in self._bearers.get(plain, ())
            if not (kind and kind in p.ids) and not (p.last_seen == day and p.team != team)
        ]
        same_team = [p for p in possible if p.team == team]
        return next(iter(same_team or possible), None)

    def _variant(self, name: str, team: str, source_id: str | None) -> _Person | None:
        """Return the one player of the team whose name, in sources of other kinds, differs in a trifle only.

        If a source has both names on the date, they are two people.
        """
        plain, kind = plain_name(name), _kind(source_id)
        possible = [
            p
            for p in self._of_team.get(team, {}).values()
            if kind not in p.spellings
            and _is_variant(_name_of(name), _name_of(p.name))
            and not any(Sighting(plain, team, other) in self._today for other in p.spellings)
            and not any(Sighting(spelling, team, kind) in self._today for spelling in self._plain_names(p))
        ]
        if len(possible) != 1:
            return None
        (person,) = possible
        self._matched.append(f"'{name}' of {team} is taken for '{person.name}'")
        return person

    def _add(self, plain: str, lookup: str, name: str) -> _Person:
        person = self._people[lookup] = _Person(lookup, name)
        self._bearers.setdefault(plain, []).append(person)
        return person

    def _free(self, plain: str, team: str) -> str:
        lookup = plain
        number = 1
        while lookup in self._people:
            lookup = f"{plain}{team.lower()}" if number == 1 else f"{plain}{team.lower()}{number}"
            number += 1
        return lookup

    def _see(self, person: _Person, plain: str, source_id: str | None, team: str, day: date) -> None:
        kind, _, number = (source_id or "").partition(":")
        if source_id:
            person.ids.setdefault(kind, number)
            self._by_id.setdefault(source_id, person)
        person.spellings.setdefault(kind, set()).add(plain)
        if person not in (bearers := self._bearers.setdefault(plain, [])):
            bearers.append(person)
        if person.last_seen is None or day >= person.last_seen:
            self._of_team.get(person.team, {}).pop(person.lookup, None)
            self._of_team.setdefault(team, {})[person.lookup] = person
            person.team, person.last_seen = team, day


def _kind(source_id: str | None) -> str:
    return (source_id or "").partition(":")[0]
