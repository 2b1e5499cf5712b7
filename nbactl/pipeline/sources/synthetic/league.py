"""The synthetic league: teams with a strength, players with invented names, skills and injuries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Final

from nbactl.pipeline.sources.synthetic.draw import bell, between, stream, whole
from nbactl.pipeline.teams import TEAM_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

ROSTER_SIZE: Final = 15
SEASON_DAYS: Final = 100
"""Days from the first one for which injuries are drawn; longer than the calendar."""
_MOST_INJURED: Final = 4
_NAMESAKES: Final = ("ATL", "WAS")
ROLE_MINUTES: Final = (35, 34, 32, 30, 28, 22, 19, 16, 13, 8, 3, 0, 0, 0, 0)
_INJURIES: Final = ("ankle sprain", "knee soreness", "hamstring strain", "back spasms", "illness", "wrist sprain")
# Syllables that no language puts together, so that nobody real bears such a name.
_FIRST: Final = (
    "Zor",
    "Quil",
    "Vex",
    "Brum",
    "Thax",
    "Ylo",
    "Krin",
    "Wub",
    "Jov",
    "Plim",
    "Drex",
    "Ghul",
    "Nyx",
    "Frop",
)
_MIDDLE: Final = ("va", "mi", "zo", "ku", "phe", "ri", "xa", "du")
_LAST: Final = ("blatt", "quor", "zindle", "vrax", "mook", "trell", "sprock", "wixen", "gund", "flim", "yorp", "cradz")


@dataclass(frozen=True, slots=True)
class SyntheticPlayer:
    """An invented player. `minutes` is what his role gives; rates are per shot, the others weights among team-mates."""

    player_id: str
    name: str
    team: str
    position: str
    minutes: int
    usage: float
    three_rate: float
    two_pct: float
    three_pct: float
    ft_pct: float
    rebounding: float
    passing: float
    defence: float


@dataclass(frozen=True, slots=True)
class SyntheticTeam:
    """A team: `strength` is points a game above the average."""

    abbr: str
    strength: float
    players: tuple[SyntheticPlayer, ...]
    injuries: Mapping[int, Mapping[str, str]]
    """Reason by player id, by day of the season; these players are out."""


@cache
def league() -> Mapping[str, SyntheticTeam]:
    """Return the teams by abbreviation."""
    taken: set[str] = set()
    teams = {abbr: _team(abbr, number, taken) for number, abbr in enumerate(TEAM_NAMES)}
    # Two regulars bear the same name, as now and then in the league, so that nothing takes a name for a person.
    first, last = (teams[abbr] for abbr in _NAMESAKES)
    namesake = replace(last.players[3], name=first.players[3].name)
    teams[last.abbr] = replace(last, players=(*last.players[:3], namesake, *last.players[4:]))
    return teams


def invented_name(rng: Random, taken: set[str]) -> str:
    """Return a new name and add it to `taken`."""
    while True:
        first = _FIRST[whole(rng, 0, len(_FIRST) - 1)] + _MIDDLE[whole(rng, 0, len(_MIDDLE) - 1)]
        last = _FIRST[whole(rng, 0, len(_FIRST) - 1)] + _LAST[whole(rng, 0, len(_LAST) - 1)]
        name = f"{first} {last}"
        if name not in taken:
            taken.add(name)
            return name


def _team(abbr: str, number: int, taken: set[str]) -> SyntheticTeam:
    rng = stream("team", abbr)
    players = tuple(_player(rng, abbr, number * ROSTER_SIZE + rank, rank, taken) for rank in range(ROSTER_SIZE))
    return SyntheticTeam(abbr, 6 * bell(rng), players, _injuries(rng, players))


def _player(rng: Random, team: str, number: int, rank: int, taken: set[str]) -> SyntheticPlayer:
    position = ("G", "F", "G", "F", "C")[rank % 5]
    big = position == "C"
    return SyntheticPlayer(
        player_id=f"S{number:04}",
        name=invented_name(rng, taken),
        team=team,
        position=position,
        minutes=ROLE_MINUTES[rank],
        usage=between(rng, 0.8, 1.3) * (1.35 if rank < 2 else 1.0),  # noqa: PLR2004 - two stars a team
        three_rate=between(rng, 0.0, 0.15) if big else between(rng, 0.3, 0.55),
        two_pct=between(rng, 0.55, 0.66) if big else between(rng, 0.48, 0.57),
        three_pct=between(rng, 0.31, 0.41),
        ft_pct=between(rng, 0.58, 0.78) if big else between(rng, 0.72, 0.9),
        rebounding=between(rng, 1.8, 2.6) if big else between(rng, 0.6, 1.4),
        passing=between(rng, 1.2, 2.6) if position == "G" else between(rng, 0.5, 1.2),
        defence=between(rng, 0.6, 1.5),
    )


def _injuries(rng: Random, players: tuple[SyntheticPlayer, ...]) -> Mapping[int, Mapping[str, str]]:
    days: dict[int, dict[str, str]] = {}
    for player in players:
        day = 0
        while day < SEASON_DAYS:
            day += 1
            if rng.random() < 0.008:  # noqa: PLR2004 - about one injury in four months
                reason = _INJURIES[whole(rng, 0, len(_INJURIES) - 1)]
                for out in range(day, day + whole(rng, 3, 18)):
                    on_day = days.setdefault(out, {})
                    if len(on_day) < _MOST_INJURED:
                        on_day[player.player_id] = reason
                    day = out
    return days
