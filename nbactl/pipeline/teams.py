"""The thirty teams: the league's abbreviations, and the other names sources use for them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_TEAMS: Final = """
ATL Atlanta Hawks
BOS Boston Celtics
BKN Brooklyn Nets|BRK|NJN|New Jersey Nets
CHA Charlotte Hornets|CHO|CHH|Charlotte Bobcats
CHI Chicago Bulls
CLE Cleveland Cavaliers
DAL Dallas Mavericks
DEN Denver Nuggets
DET Detroit Pistons
GSW Golden State Warriors|GS|GOS
HOU Houston Rockets
IND Indiana Pacers
LAC LA Clippers|Los Angeles Clippers|L.A. Clippers
LAL Los Angeles Lakers|LA Lakers|L.A. Lakers
MEM Memphis Grizzlies|VAN|Vancouver Grizzlies
MIA Miami Heat
MIL Milwaukee Bucks
MIN Minnesota Timberwolves
NOP New Orleans Pelicans|NO|NOH|NOK|New Orleans Hornets|New Orleans/Oklahoma City Hornets
NYK New York Knicks|NY
OKC Oklahoma City Thunder|SEA|Seattle SuperSonics
ORL Orlando Magic
PHI Philadelphia 76ers|PHL|Philadelphia Sixers
PHX Phoenix Suns|PHO
POR Portland Trail Blazers|Portland Trailblazers
SAC Sacramento Kings
SAS San Antonio Spurs|SA|SAN
TOR Toronto Raptors
UTA Utah Jazz|UTAH|UTH
WAS Washington Wizards|WSH|Washington Bullets
"""


def _squash(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _read() -> tuple[dict[str, str], dict[str, str]]:
    full_names, by_name = {}, {}
    for line in _TEAMS.strip().splitlines():
        abbr, _, rest = line.partition(" ")
        names = rest.split("|")
        full_names[abbr] = names[0]
        for name in (abbr, *names):
            by_name[_squash(name)] = abbr
    return full_names, by_name


_FULL, _BY_NAME = _read()
TEAM_NAMES: Final = _FULL
"""Full name by abbreviation, ordered by city."""


@lru_cache(maxsize=1024)
def team_abbr(name: str) -> str | None:
    """Return the league's abbreviation for an abbreviation or full name, or None for a team it does not know.

    Case, spaces and punctuation do not matter; a franchise that moved or was renamed is the team it is today.
    """
    return _BY_NAME.get(_squash(name))
