"""The live source: stats.nba.com. A date costs a few requests, so its past is not collected in passing."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from datetime import date, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.deadline import remaining
from nbactl.core.calls.policy import CallPolicy
from nbactl.core.calls.retry import retry_after_seconds
from nbactl.errors import ConfigError, DataError, NbactlError, NotAuthorisedError, TimedOutError, UnavailableError
from nbactl.pipeline import values
from nbactl.pipeline.quarantine import RejectedRecordError
from nbactl.pipeline.season import first_year_of, season_name, season_of
from nbactl.pipeline.sources.base import Dataset, RawRecord
from nbactl.pipeline.status import read_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.core._support.clock import Clock
    from nbactl.pipeline.status import GameStatus

    ListedGame = tuple[GameStatus, datetime | None]
    """The state and the tip-off of a game."""

BASE_URL: Final = "https://stats.nba.com/stats/{endpoint}"
_TOO_MANY: Final = 429
_REQUEST_TIMEOUT: Final = 408
_UNAUTHORISED: Final = (401, 403)
_SHOWN: Final = 80
"""Characters of an answer that an error quotes."""


class StatsHttp:
    """Requests of one task, one connection after the other kept open. Raises NbactlError for whatever goes wrong."""

    def __init__(
        self,
        *,
        clock: Clock,
        timeouts: TimeoutsFile,
        rng: Random,
        base_url: str = BASE_URL,
        policy: CallPolicy | None = None,
    ) -> None:
        from nba_api.stats.library.http import NBAStatsHTTP
        from requests import Response, Session

        self._clock = clock
        settings = timeouts.call_policies["scraper"].settings("scraper", timeouts)
        self._policy = policy or CallPolicy(settings, clock=clock, rng=rng)
        self._limits = (timeouts["http.connect"], timeouts["http.request"])
        self._answer: Response | None = None
        session = Session()

        # The package keeps status and body of an answer, but not Retry-After.
        def keep(response: Response, **_: object) -> None:
            self._answer = response

        session.hooks["response"].append(keep)
        self._session = session
        self._http = type("_Http", (NBAStatsHTTP,), {"base_url": base_url, "_session": session})()

    def get(self, endpoint: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        """Return the JSON object that the endpoint answers, after as many tries as the policy `scraper` allows."""
        return self._policy.call(self._try, endpoint, parameters)

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def _try(self, endpoint: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        from requests import RequestException, Timeout

        self._answer = None
        what = f"stats.nba.com {endpoint}"
        try:
            limits = tuple(map(remaining, self._limits))
            answer = self._http.send_api_request(endpoint, dict(parameters), timeout=limits)
        except Timeout as error:
            raise TimedOutError(f"{what} did not answer in time", cause=str(error)) from error
        except RequestException as error:
            raise UnavailableError(f"{what} could not be reached", cause=str(error), next_step=_LATER) from error
        if self._answer is None:
            raise UnavailableError(f"{what} gave no answer", next_step=_LATER)
        if self._answer.status_code != 200:  # noqa: PLR2004 - HTTP OK
            raise self._refusal(what, self._answer.status_code, self._answer.headers.get("Retry-After"))
        return _object(what, answer.get_response())

    def _refusal(self, what: str, status: int, retry_after: str | None) -> NbactlError:
        if status in (_TOO_MANY, _REQUEST_TIMEOUT) or status >= 500:  # noqa: PLR2004 - server errors
            message, cause = f"{what} answered {status}", f"Retry-After: {retry_after}" if retry_after else None
            wait, longest = retry_after_seconds(retry_after, self._clock.now()), self._policy.settings.retry.cap
            if wait is not None and wait > longest:
                when = f"Run again in {wait:.0f} s, which is longer than a task waits ({longest:.0f} s)."
                return UnavailableError(message, cause=cause, next_step=when, retryable=False)
            return UnavailableError(message, cause=cause, next_step=_LATER, retry_after=wait)
        if status in _UNAUTHORISED:
            return NotAuthorisedError(
                f"{what} refused the request ({status})",
                cause="stats.nba.com turns away the addresses of cloud providers and clients it does not know.",
                next_step="Run it from another network, or set NBA_API_PROXY.",
            )
        return DataError(f"{what} refused the request ({status})", cause="The endpoint or its parameters have changed.")


_LATER: Final = "Run it again later; what was collected stays."


def _object(what: str, text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError as error:
        # A page saying "busy", or an answer that was cut: both come with status 200.
        start = " ".join(text[:_SHOWN].split())
        raise UnavailableError(f"{what} answered no JSON", cause=f"{error}: {start!r}", next_step=_LATER) from error
    if not isinstance(answer, dict):
        raise DataError(f"{what} answered a JSON {type(answer).__name__}, not an object")
    return answer


_NBA: Final = "00"
_ALL_STAR: Final = "003"
"""What the ids of games of the All-Star weekend begin with."""
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
        self._calendars: dict[str, dict[date, list[ListedGame]]] = {}
        self._asking = threading.RLock()

    def datasets(self) -> frozenset[Dataset]:
        return frozenset({"schedule", "player_boxscores"})

    def versions(self, dataset: Dataset, days: Sequence[date]) -> Mapping[date, str]:  # noqa: ARG002 - a request each
        return {}

    def latest(self) -> date:
        today = GameDate.of(self._clock.now()).day
        year = first_year_of(today)
        for first_year in (year, year - 1):
            listed = self._calendar(season_name(first_year)).items()
            finished = [day for day, games in listed if day <= today and any(status == "final" for status, _ in games)]
            if finished:
                return max(finished)
        raise DataError(f"stats.nba.com lists no finished game since {season_name(year - 1)}")

    def game_dates(self, first: date, last: date) -> list[date]:
        years = range(first_year_of(first), first_year_of(last) + 1)
        days = {day for year in years for day in self._calendar(season_name(year))}
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

    def listed_games(self, season: str) -> Mapping[date, Sequence[ListedGame]]:
        """Return the games of a season by date, as the league lists them now: by one request."""
        with self._asking:
            with closing(self._open()) as http:
                answer = http.get("scheduleleaguev2", {"LeagueID": _NBA, "Season": season})
            self._calendars[season] = dict(_dates(answer))
            return self._calendars[season]

    def _calendar(self, season: str) -> Mapping[date, Sequence[ListedGame]]:
        """Return the games of a season as they were listed when it was first asked for."""
        with self._asking:
            if season not in self._calendars:
                self.listed_games(season)
            return self._calendars[season]


def _schedule(http: StatsHttp, day: date) -> Iterator[RawRecord]:
    for game in _games(http, day):
        payload = {"GAME_DATE": day.isoformat(), "game": game}
        yield RawRecord("schedule", day, "scoreboard", f"scoreboardv3?GameDate={day}", payload)


def _boxscores(http: StatsHttp, day: date) -> Iterator[RawRecord]:
    """Yield the players' rows of each season type that is played on the date."""
    over = [values.league_id(game.get("gameId")) or "" for game in _games(http, day) if _is_over(game)]
    logs = {(season_of(game_id, day), _SEASON_TYPES[game_id[:3]]) for game_id in over if game_id[:3] in _SEASON_TYPES}
    for season, season_type in sorted(logs):
        parameters = {
            "Counter": 0,
            "DateFrom": f"{day:%m/%d/%Y}",
            "DateTo": f"{day:%m/%d/%Y}",
            "Direction": "ASC",
            "LeagueID": _NBA,
            "PlayerOrTeam": "P",
            "Season": season,
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


def _dates(answer: Mapping[str, Any]) -> Iterator[tuple[date, list[ListedGame]]]:
    """Yield the games of each date: of a date with none but those of the All-Star weekend, no games."""
    try:
        for entry in answer["leagueSchedule"]["gameDates"]:
            day = datetime.strptime(entry["gameDate"].partition(" ")[0], "%m/%d/%Y").date()  # noqa: DTZ007 - a date
            games = [game for game in entry["games"] if not str(game.get("gameId")).startswith(_ALL_STAR)]
            yield day, [(_status(game), _tip_off(game)) for game in games]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unexpected("scheduleleaguev2", "leagueSchedule.gameDates[].games[]", answer) from error


def _tip_off(game: Mapping[str, Any]) -> datetime | None:
    """Return when a game begins; None while the league has not set the time."""
    if str(game.get("gameStatusText")).strip().upper() == "TBD":
        return None
    try:
        return values.instant_or_none(game.get("gameDateTimeUTC"), "gameDateTimeUTC")
    except RejectedRecordError:
        return None


def _unexpected(endpoint: str, wanted: str, answer: Mapping[str, Any]) -> DataError:
    return DataError(
        f"stats.nba.com {endpoint} answered in another form",
        cause=f"{wanted} was looked for in an object with {', '.join(sorted(answer)) or 'no keys'}.",
        next_step="A newer nbactl may know the new form; until then use --source path:DIR.",
    )


def _status(game: Mapping[str, Any]) -> GameStatus:
    return read_status(game.get("gameStatusText"), number=game.get("gameStatus"))


def _is_over(game: Mapping[str, Any]) -> bool:
    return _status(game) == "final"


def _require_package() -> None:
    try:
        import_module("nba_api.stats.library.http")
    except ImportError as error:
        raise ConfigError(
            "the source nba_api needs a package that is not installed",
            cause=str(error),
            next_step="pip install 'nbactl[nba-api]'",
        ) from error
