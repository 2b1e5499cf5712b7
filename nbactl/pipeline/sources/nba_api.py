"""The live source: stats.nba.com. A date costs a few requests, so its past is not collected in passing."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import date, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.errors import ConfigError, DataError
from nbactl.pipeline.sources.base import Dataset, RawRecord
from nbactl.pipeline.sources.stats_http import BASE_URL, StatsHttp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.core._support.clock import Clock
    from nbactl.core.calls.policy import CallPolicy

_NBA: Final = "00"
_FINAL: Final = 3
_FIRST_MONTH: Final = 9
"""The league publishes a season's schedule, preseason first, by September."""
_SEASON_TYPES: Final = {"001": "Pre Season", "002": "Regular Season", "004": "Playoffs", "005": "PlayIn", "006": "IST"}
"""Season type that the game log wants, by the start of a game id; 003 is the All-Star weekend, which is left out."""


class NbaApiSource:
    """Games and players' lines from stats.nba.com."""

    name = "nba_api"
    key = "nba_api"
    has_history = False
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        clock: Clock,
        timeouts: TimeoutsFile,
        rng: Random,
        base_url: str = BASE_URL,
        policy: CallPolicy | None = None,
    ) -> None:
        _require_package()
        self._policy = policy
        self._clock = clock
        self._timeouts = timeouts
        self._rng = rng
        self._base_url = base_url
        self._calendars: dict[str, dict[date, bool]] = {}
        self._asking = threading.Lock()

    def datasets(self) -> frozenset[Dataset]:
        return frozenset({"schedule", "player_boxscores"})

    def latest(self) -> date:
        today = GameDate.of(self._clock.now()).day
        year = _season_start(today)
        for first_year in (year, year - 1):
            finished = [day for day, final in self._calendar(_season(first_year)).items() if final and day <= today]
            if finished:
                return max(finished)
        raise DataError(f"stats.nba.com lists no finished game since {_season(year - 1)}")

    def game_dates(self, first: date, last: date) -> list[date]:
        years = range(_season_start(first), _season_start(last) + 1)
        days = {day for year in years for day in self._calendar(_season(year))}
        return sorted(day for day in days if first <= day <= last)

    def collect(self, dataset: Dataset, days: Sequence[date]) -> Iterator[RawRecord]:
        read = {"schedule": _schedule, "player_boxscores": _boxscores}[dataset]
        with closing(self._open()) as http:
            for day in days:
                yield from read(http, day)

    def _open(self) -> StatsHttp:
        return StatsHttp(
            clock=self._clock, timeouts=self._timeouts, rng=self._rng, base_url=self._base_url, policy=self._policy
        )

    def _calendar(self, season: str) -> dict[date, bool]:
        """Return the season's dates, and whether a game of each is final."""
        with self._asking:
            if season not in self._calendars:
                with closing(self._open()) as http:
                    answer = http.get("scheduleleaguev2", {"LeagueID": _NBA, "Season": season})
                self._calendars[season] = dict(_dates(answer))
            return self._calendars[season]


def _schedule(http: StatsHttp, day: date) -> Iterator[RawRecord]:
    for game in _games(http, day):
        payload = {"GAME_DATE": day.isoformat(), "game": game}
        yield RawRecord("schedule", day, "scoreboard", f"scoreboardv3?GameDate={day}", payload)


def _boxscores(http: StatsHttp, day: date) -> Iterator[RawRecord]:
    """Yield the players' rows of each season type that is played on the date."""
    started = [str(game.get("gameId", "")) for game in _games(http, day) if game.get("gameStatus") == _FINAL]
    for season_type in sorted({_SEASON_TYPES[game_id[:3]] for game_id in started if game_id[:3] in _SEASON_TYPES}):
        parameters = {
            "Counter": 0,
            "DateFrom": f"{day:%m/%d/%Y}",
            "DateTo": f"{day:%m/%d/%Y}",
            "Direction": "ASC",
            "LeagueID": _NBA,
            "PlayerOrTeam": "P",
            "Season": _season(_season_start(day)),
            "SeasonType": season_type,
            "Sorter": "DATE",
        }
        answer = http.get("leaguegamelog", parameters)
        origin = f"leaguegamelog?DateFrom={day}&SeasonType={season_type}"
        for place, row in enumerate(_rows("leaguegamelog", answer)):
            yield RawRecord("player_boxscores", day, "nbac", f"{origin}:rowSet[{place}]", row)


def _games(http: StatsHttp, day: date) -> list[dict[str, Any]]:
    answer = http.get("scoreboardv3", {"GameDate": day.isoformat(), "LeagueID": _NBA})
    try:
        games = answer["scoreboard"]["games"]
        return [dict(game) for game in games]
    except (KeyError, TypeError, ValueError) as error:
        raise _unexpected("scoreboardv3", "scoreboard.games", answer) from error


def _rows(endpoint: str, answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        (result,) = answer["resultSets"]
        columns = [str(column).upper() for column in result["headers"]]
        rows = [dict(zip(columns, row, strict=True)) for row in result["rowSet"]]
    except (KeyError, TypeError, ValueError) as error:
        raise _unexpected(endpoint, "resultSets[0].headers and rowSet", answer) from error
    yield from rows


def _dates(answer: Mapping[str, Any]) -> Iterator[tuple[date, bool]]:
    try:
        for entry in answer["leagueSchedule"]["gameDates"]:
            day = datetime.strptime(entry["gameDate"].partition(" ")[0], "%m/%d/%Y").date()  # noqa: DTZ007 - a date
            yield day, any(game.get("gameStatus") == _FINAL for game in entry["games"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unexpected("scheduleleaguev2", "leagueSchedule.gameDates[].games[]", answer) from error


def _unexpected(endpoint: str, wanted: str, answer: Mapping[str, Any]) -> DataError:
    return DataError(
        f"stats.nba.com {endpoint} answered in another form",
        cause=f"{wanted} was looked for in an object with {', '.join(sorted(answer)) or 'no keys'}.",
        next_step="A newer nbactl may know the new form; until then use --source path:DIR.",
    )


def _season_start(day: date) -> int:
    return day.year if day.month >= _FIRST_MONTH else day.year - 1


def _season(first_year: int) -> str:
    return f"{first_year}-{(first_year + 1) % 100:02}"


def _require_package() -> None:
    try:
        import_module("nba_api.stats.library.http")
    except ImportError as error:
        raise ConfigError(
            "the source nba_api needs a package that is not installed",
            cause=str(error),
            next_step="pip install 'nbactl[nba-api]'",
        ) from error
