"""Synthetic betting lines, injury reports and referees."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import EASTERN
from nbactl.pipeline.sources.synthetic.calendar import FIRST_DAY, SyntheticFixture
from nbactl.pipeline.sources.synthetic.draw import bell, between, stream, whole
from nbactl.pipeline.sources.synthetic.league import SyntheticPlayer, invented_name, league
from nbactl.pipeline.teams import TEAM_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

_BOOKMAKER: Final = "samplebook"
_MARKETS: Final = ("player_points", "player_rebounds", "player_assists")
_PROP_MINUTES: Final = 19
_REFEREES: Final = 60
_CREW: Final = ("crew chief", "referee", "umpire")


def event(fixture: SyntheticFixture) -> dict[str, Any]:
    """Return the event that the book offers."""
    return {
        "synthetic": True,
        "event_id": f"event-{fixture.game_id}",
        "home_team": TEAM_NAMES[fixture.home],
        "away_team": TEAM_NAMES[fixture.away],
        "commence_time": fixture.tipoff.isoformat(),
    }


def game_lines(fixture: SyntheticFixture) -> Iterator[dict[str, Any]]:
    """Yield spread (home team's handicap), total and money line."""
    rng = stream("lines", fixture.game_id)
    teams = league()
    margin = teams[fixture.home].strength - teams[fixture.away].strength + 2.5 + bell(rng)
    base = {**event(fixture), "bookmaker": _BOOKMAKER}
    favourite = int(-110 - 12 * abs(margin))
    home, away = (favourite, -favourite - 20) if margin > 0 else (-favourite - 20, favourite)
    yield {**base, "market": "spread", "line": _half(-margin), "home_price": -110, "away_price": -110}
    yield {**base, "market": "total", "line": _half(between(rng, 214, 232)), "over_price": -110, "under_price": -110}
    yield {**base, "market": "moneyline", "line": None, "home_price": home, "away_price": away}


def player_props(fixture: SyntheticFixture) -> Iterator[dict[str, Any]]:
    """Yield points, rebounds and assists over/under for the regulars who are fit."""
    base = {**event(fixture), "bookmaker": _BOOKMAKER}
    for abbr in (fixture.away, fixture.home):
        team = league()[abbr]
        injured = team.injuries.get((fixture.day - FIRST_DAY).days, {})
        for player in team.players:
            if player.minutes < _PROP_MINUTES or player.player_id in injured:
                continue
            rng = stream("props", fixture.game_id, player.player_id)
            for market, expected in zip(_MARKETS, _expected(player), strict=True):
                over = -110 + 5 * whole(rng, -4, 4)
                yield {
                    **base,
                    "market": market,
                    "player_id": player.player_id,
                    "player_name": player.name,
                    "team": abbr,
                    "line": max(_half(expected * (1 + 0.08 * bell(rng))), 0.5),
                    "over_price": over,
                    "under_price": -220 - over,
                }


def injury_report(fixture: SyntheticFixture) -> Iterator[dict[str, Any]]:
    """Yield who is out, and a few who are questionable and may play."""
    reported = datetime.combine(fixture.day - timedelta(days=1), time(17, 30), EASTERN)
    for abbr in (fixture.away, fixture.home):
        team = league()[abbr]
        injured = team.injuries.get((fixture.day - FIRST_DAY).days, {})
        rng = stream("report", fixture.game_id, abbr)
        for player in team.players:
            questionable = rng.random() < 0.03  # noqa: PLR2004 - one in thirty
            if player.player_id not in injured and not questionable:
                continue
            yield {
                "synthetic": True,
                "player_id": player.player_id,
                "player_name": player.name,
                "team": abbr,
                "status": "out" if player.player_id in injured else "questionable",
                "reason": injured.get(player.player_id, "rest"),
                "reported_at": reported.isoformat(),
            }


def referees(fixture: SyntheticFixture) -> Iterator[dict[str, Any]]:
    """Yield the crew of three."""
    rng = stream("referees", fixture.game_id)
    first, step = whole(rng, 0, _REFEREES - 1), whole(rng, 1, _REFEREES // len(_CREW) - 1)
    for place, role in enumerate(_CREW):
        number = (first + place * step) % _REFEREES
        yield {"synthetic": True, "game_id": fixture.game_id, "role": role, "name": _referee(number), "number": number}


def _referee(number: int) -> str:
    return invented_name(stream("referee", number), set())


def _half(value: float) -> float:
    """Return the nearest line that cannot be pushed, a whole number and a half."""
    return int(value // 1) + 0.5


def _expected(player: SyntheticPlayer) -> tuple[float, float, float]:
    share = player.minutes / 240
    return 108 * share * player.usage, 43 * share * player.rebounding, 25 * share * player.passing
