"""The records of the synthetic season, in the shape `sample`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.pipeline.sources.base import RawRecord
from nbactl.pipeline.sources.synthetic import market
from nbactl.pipeline.sources.synthetic.calendar import SEASON, SyntheticFixture, calendar
from nbactl.pipeline.sources.synthetic.draw import SEED
from nbactl.pipeline.sources.synthetic.game import Line, Side, SyntheticGame, play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from nbactl.pipeline.sources.base import Dataset

Payload = dict[str, Any]


class SyntheticSeason:
    """A season that never was. Every payload says `synthetic: true`."""

    def __init__(self) -> None:
        self._played: dict[str, SyntheticGame] = {}
        self._of_fixture: Mapping[Dataset, Callable[[SyntheticFixture], Iterable[Payload]]] = {
            "schedule": lambda fixture: [self._game(fixture)],
            "player_boxscores": self._boxscore,
            "injuries": market.injury_report,
            "odds_events": lambda fixture: [market.event(fixture)],
            "odds_player_props": market.player_props,
            "odds_game_lines": market.game_lines,
            "referees": market.referees,
        }

    def records(self, dataset: Dataset, days: Sequence[date]) -> Iterator[RawRecord]:
        """Yield the records of `days`."""
        make = self._of_fixture[dataset]
        for day in days:
            for fixture in calendar().get(day, ()):
                origin = f"{SEED}:{fixture.game_id}"
                for payload in make(fixture):
                    yield RawRecord(dataset, day, "sample", origin, payload)

    def _result(self, fixture: SyntheticFixture) -> SyntheticGame:
        # Two threads may play the same game at once: both get the same result.
        game = self._played.get(fixture.game_id)
        if game is None:
            game = self._played[fixture.game_id] = play(fixture)
        return game

    def _game(self, fixture: SyntheticFixture) -> Payload:
        game = self._result(fixture) if fixture.played else None
        return {
            "synthetic": True,
            "game_id": fixture.game_id,
            "game_date": fixture.day.isoformat(),
            "season": SEASON,
            "season_type": "regular",
            "home_team": fixture.home,
            "away_team": fixture.away,
            "home_points": game.home.points if game else None,
            "away_points": game.away.points if game else None,
            "status": "final" if game else "scheduled",
            "periods": game.periods if game else None,
            "tipoff_at": fixture.tipoff.isoformat(),
        }

    def _boxscore(self, fixture: SyntheticFixture) -> Iterator[Payload]:
        if not fixture.played:
            return
        game = self._result(fixture)
        for side, other in ((game.away, game.home), (game.home, game.away)):
            for line in (*side.active, *side.inactive):
                yield _row(fixture, side, other, line)


def _row(fixture: SyntheticFixture, side: Side, other: Side, line: Line) -> Payload:
    minutes, seconds = divmod(line.seconds, 60)
    return {
        "synthetic": True,
        "game_id": fixture.game_id,
        "game_date": fixture.day.isoformat(),
        "player_id": line.player.player_id,
        "player_name": line.player.name,
        "team": side.team.abbr,
        "opponent": other.team.abbr,
        "home": side.team.abbr == fixture.home,
        "minutes": f"{minutes}:{seconds:02}" if line.seconds else "",
        "points": line.points,
        "rebounds": line.offensive_rebounds + line.defensive_rebounds,
        "offensive_rebounds": line.offensive_rebounds,
        "defensive_rebounds": line.defensive_rebounds,
        "assists": line.assists,
        "steals": line.steals,
        "blocks": line.blocks,
        "turnovers": line.turnovers,
        "personal_fouls": line.fouls,
        "fg_made": line.fg_made,
        "fg_attempted": line.fg_attempted,
        "three_made": line.three_made,
        "three_attempted": line.three_attempted,
        "ft_made": line.ft_made,
        "ft_attempted": line.ft_attempted,
        "plus_minus": line.plus_minus,
        "comment": line.comment,
    }
