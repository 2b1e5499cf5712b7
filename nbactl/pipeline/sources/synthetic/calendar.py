"""The synthetic calendar: which teams meet on which date."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from nbactl.core._support.gamedate import EASTERN
from nbactl.frozen import frozen
from nbactl.pipeline.sources.synthetic.draw import stream, whole
from nbactl.pipeline.teams import TEAM_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

SEASON: Final = "2024-25"
FIRST_DAY: Final = date(2024, 10, 22)
LAST_PLAYED: Final = date(2025, 1, 7)
"""The newest date with results; later games are only scheduled."""
LAST_DAY: Final = date(2025, 1, 14)
_NO_GAMES: Final = frozenset({date(2024, 11, 5), date(2024, 11, 28), date(2024, 12, 24)})
_OPENING_GAMES: Final = 2
_GAMES_A_DAY: Final = (5, 9)
_BACK_TO_BACK: Final = 0.2


@frozen
class SyntheticFixture:
    """A game that is on the calendar. `game_id` has the league's ten digits with a prefix it never uses."""

    game_id: str
    day: date
    home: str
    away: str
    tipoff: datetime

    @property
    def played(self) -> bool:
        """Whether the season has got that far."""
        return self.day <= LAST_PLAYED


@cache
def calendar() -> Mapping[date, tuple[SyntheticFixture, ...]]:
    """Return the games by date; dates without games are left out."""
    rng = stream("calendar")
    played: dict[str, list[date]] = {team: [] for team in TEAM_NAMES}
    home_games = dict.fromkeys(TEAM_NAMES, 0)
    fixtures: dict[date, tuple[SyntheticFixture, ...]] = {}
    number = 0
    day = FIRST_DAY
    while day <= LAST_DAY:
        if day not in _NO_GAMES:
            teams = _teams_of(rng, day, played)
            games = []
            for slot, (one, other) in enumerate(zip(teams[::2], teams[1::2], strict=True)):
                home, away = (one, other) if home_games[one] <= home_games[other] else (other, one)
                home_games[home] += 1
                number += 1
                hour = 19 + slot % 4
                tipoff = datetime.combine(day, time(hour, 30 if slot % 2 else 0), EASTERN)
                games.append(SyntheticFixture(f"99{number:08}", day, home, away, tipoff))
            fixtures[day] = tuple(games)
        day += timedelta(days=1)
    return fixtures


def _teams_of(rng: Random, day: date, played: dict[str, list[date]]) -> list[str]:
    """Choose who plays: those who played least come first, and few play on two days in a row, none on three."""
    wanted = 2 * (_OPENING_GAMES if day == FIRST_DAY else whole(rng, *_GAMES_A_DAY))
    order = sorted(TEAM_NAMES, key=lambda team: (len(played[team]) + 2 * rng.random(), team))
    yesterday, before = day - timedelta(days=1), day - timedelta(days=2)
    rested = [team for team in order if yesterday not in played[team][-1:]]
    tired = [team for team in order if yesterday in played[team][-1:] and before not in played[team][-2:]]
    back_to_back = [team for team in tired if rng.random() < _BACK_TO_BACK]
    teams = (back_to_back + rested)[:wanted]
    teams = teams[: len(teams) // 2 * 2]
    for team in teams:
        played[team].append(day)
    return sorted(teams, key=lambda _: rng.random())
