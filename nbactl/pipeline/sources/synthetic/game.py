"""One synthetic game, shot by shot: everything in its box score adds up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.pipeline.sources.synthetic.calendar import FIRST_DAY, SyntheticFixture
from nbactl.pipeline.sources.synthetic.draw import Weighted, apportion, bell, between, stream, whole
from nbactl.pipeline.sources.synthetic.league import ROLE_MINUTES, SyntheticPlayer, SyntheticTeam, league

if TYPE_CHECKING:
    from random import Random

_REGULATION: Final = 5 * 48 * 60
_OVERTIME: Final = 5 * 60
_ROTATION: Final = 10
_MOST_FOULS: Final = 6
_HOME_EDGE: Final = 2.5
_POINT_PER_PCT: Final = 1 / 240
"""Shooting percentage that is worth one point a game."""


@dataclass(slots=True)
class Line:
    """A player's box score while the game runs."""

    player: SyntheticPlayer
    seconds: int = 0
    fg_made: int = 0
    fg_attempted: int = 0
    three_made: int = 0
    three_attempted: int = 0
    ft_made: int = 0
    ft_attempted: int = 0
    offensive_rebounds: int = 0
    defensive_rebounds: int = 0
    assists: int = 0
    steals: int = 0
    blocks: int = 0
    turnovers: int = 0
    fouls: int = 0
    plus_minus: int = 0
    comment: str = ""

    @property
    def points(self) -> int:
        """Points scored."""
        return 2 * self.fg_made + self.three_made + self.ft_made


@dataclass(slots=True)
class Side:
    """A team in one game: those who play, and those who do not with the reason in their comment."""

    team: SyntheticTeam
    edge: float
    active: list[Line]
    inactive: list[Line]

    @property
    def points(self) -> int:
        """The team's score."""
        return sum(line.points for line in self.active)

    def total(self, name: str) -> int:
        """Return the sum of one column."""
        return sum(getattr(line, name) for line in self.active)


@dataclass(frozen=True, slots=True)
class SyntheticGame:
    """A finished game."""

    fixture: SyntheticFixture
    home: Side
    away: Side
    periods: int


def play(fixture: SyntheticFixture) -> SyntheticGame:
    """Play the game; the same fixture always gives the same game."""
    rng = stream("game", fixture.game_id)
    home_team, away_team = league()[fixture.home], league()[fixture.away]
    edge = (home_team.strength - away_team.strength + _HOME_EDGE) / 2
    home = _side(rng, fixture, home_team, edge)
    away = _side(rng, fixture, away_team, -edge)
    pace = whole(rng, 85, 93)
    for side in (home, away):
        _shoot(rng, side, pace + whole(rng, -3, 3), whole(rng, 16, 28))
    periods = 4
    while home.points == away.points:
        periods += 1
        for side in (home, away):
            for line in side.active[:5]:
                line.seconds += _OVERTIME
            _shoot(rng, side, whole(rng, 8, 11), whole(rng, 0, 4))
    for side, other in ((home, away), (away, home)):
        _pass_and_defend(rng, side, other, periods)
    margin = home.points - away.points
    _plus_minus(rng, home, margin)
    _plus_minus(rng, away, -margin)
    return SyntheticGame(fixture, home, away, periods)


def _side(rng: Random, fixture: SyntheticFixture, team: SyntheticTeam, edge: float) -> Side:
    injured = team.injuries.get((fixture.day - FIRST_DAY).days, {})
    fit = sorted(
        (player for player in team.players if player.player_id not in injured),
        key=lambda player: (-player.minutes, player.player_id),
    )
    active = [Line(player) for player in fit[:_ROTATION]]
    weights = [ROLE_MINUTES[rank] * between(rng, 0.85, 1.1) for rank in range(len(active))]
    for line, seconds in zip(active, apportion(_REGULATION, weights), strict=True):
        line.seconds = seconds
    inactive = [Line(player, comment="DNP - Coach's Decision") for player in fit[_ROTATION:]]
    inactive += [
        Line(player, comment=f"DNP - Injury: {injured[player.player_id]}")
        for player in team.players
        if player.player_id in injured
    ]
    return Side(team, edge, active, inactive)


def _shoot(rng: Random, side: Side, shots: int, free_throws: int) -> None:
    lines = side.active
    random = rng.random
    bonus = side.edge * _POINT_PER_PCT
    form = [0.03 * bell(rng) + bonus for _ in lines]
    shooter = Weighted(rng, [line.player.usage * line.seconds for line in lines])
    for _ in range(shots):
        i = shooter()
        line, player = lines[i], lines[i].player
        line.fg_attempted += 1
        if random() < player.three_rate:
            line.three_attempted += 1
            if random() < player.three_pct + form[i]:
                line.three_made += 1
                line.fg_made += 1
        elif random() < player.two_pct + form[i]:
            line.fg_made += 1
    for _ in range(free_throws):
        line = lines[shooter()]
        line.ft_attempted += 1
        if random() < line.player.ft_pct:
            line.ft_made += 1


def _pass_and_defend(rng: Random, side: Side, other: Side, periods: int) -> None:
    lines = side.active
    passer = Weighted(rng, [line.player.passing * line.seconds for line in lines])
    for _ in range(sum(rng.random() < 0.6 for _ in range(side.total("fg_made")))):  # noqa: PLR2004 - six in ten
        lines[passer()].assists += 1
    rebounder = Weighted(rng, [line.player.rebounding * line.seconds for line in lines])
    own_misses = side.total("fg_attempted") - side.total("fg_made")
    their_misses = other.total("fg_attempted") - other.total("fg_made")
    for _ in range(int(own_misses * between(rng, 0.18, 0.32))):
        lines[rebounder()].offensive_rebounds += 1
    for _ in range(int(their_misses * between(rng, 0.6, 0.68)) + 2):
        lines[rebounder()].defensive_rebounds += 1
    handler = Weighted(rng, [line.player.usage * line.seconds for line in lines])
    turnovers = whole(rng, 9, 17)
    for _ in range(turnovers):
        lines[handler()].turnovers += 1
    thief = Weighted(rng, [line.player.defence * line.seconds for line in other.active])
    for _ in range(int(turnovers * between(rng, 0.4, 0.65))):
        other.active[thief()].steals += 1
    blocker = Weighted(rng, [line.player.rebounding * line.player.defence * line.seconds for line in lines])
    for _ in range(whole(rng, 2, 8)):
        lines[blocker()].blocks += 1
    for _ in range(whole(rng, 14, 22) + 2 * (periods - 4)):
        line = lines[blocker()]
        line.fouls += line.fouls < _MOST_FOULS


def _plus_minus(rng: Random, side: Side, margin: int) -> None:
    """Give each player on court his share: five are on court at each point, so the team's sum is five margins."""
    lines = side.active
    noise = [6 * bell(rng) for _ in lines]
    shift = sum(noise) / len(noise)
    total_seconds = sum(line.seconds for line in lines)
    exact = [5 * margin * line.seconds / total_seconds + wave - shift for line, wave in zip(lines, noise, strict=True)]
    floors = [int(value // 1) for value in exact]
    for i in sorted(range(len(lines)), key=lambda i: floors[i] - exact[i])[: 5 * margin - sum(floors)]:
        floors[i] += 1
    for line, value in zip(lines, floors, strict=True):
        line.plus_minus = value
