"""The live source against a server on this machine that answers as stats.nba.com does, and as it does on bad nights."""

from __future__ import annotations

import json
import socket
import sys
from collections import deque
from datetime import UTC, date, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug import Request, Response

from nbactl.config.loader import load_config
from nbactl.errors import (
    ConfigError,
    DataError,
    NbactlError,
    NotAuthorisedError,
    TimedOutError,
    UnavailableError,
)
from nbactl.pipeline.sources import open_source
from nbactl.pipeline.sources.nba_api import NbaApiSource
from nbactl.testing import FakeClock
from tests.kit.pipeline import Pipeline
from tests.kit.records import DAY, log_payload

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_httpserver import HTTPServer

    from nbactl.config.timeouts import TimeoutsFile

GAME = {
    "gameId": "0022300559",
    "gameStatus": 3,
    "gameStatusText": "Final",
    "period": 4,
    "gameTimeUTC": "2024-01-15T20:30:00Z",
    "homeTeam": {"teamTricode": "ATL", "score": 109},
    "awayTeam": {"teamTricode": "SAS", "score": 99},
}


def scoreboard(*games: dict[str, Any]) -> dict[str, Any]:
    return {"scoreboard": {"gameDate": "2024-01-15", "games": list(games)}}


def game_log(*rows: dict[str, Any]) -> dict[str, Any]:
    headers = list(log_payload())
    return {"resultSets": [{"name": "LeagueGameLog", "headers": headers, "rowSet": [list(r.values()) for r in rows]}]}


class Stats:
    """What the server answers, endpoint by endpoint; what is queued comes before what is usual."""

    def __init__(self) -> None:
        self.usual: dict[str, Any] = {"scoreboardv3": scoreboard(GAME), "leaguegamelog": game_log(log_payload())}
        self.queued: deque[Response] = deque()
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        if self.queued:
            return self.queued.popleft()
        return Response(json.dumps(self.usual[request.path.rpartition("/")[2]]), mimetype="application/json")

    def first(self, *answers: Response) -> None:
        """Queue answers to come before the usual one."""
        self.queued.extend(answers)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def stats(httpserver: HTTPServer) -> Stats:
    answers = Stats()
    httpserver.expect_request("/stats/scoreboardv3").respond_with_handler(answers)
    httpserver.expect_request("/stats/leaguegamelog").respond_with_handler(answers)
    httpserver.expect_request("/stats/scheduleleaguev2").respond_with_handler(answers)
    return answers


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2024, 1, 16, 12, tzinfo=UTC))


@pytest.fixture
def timeouts() -> TimeoutsFile:
    return load_config(None).timeouts


@pytest.fixture
def source(httpserver: HTTPServer, stats: Stats, clock: FakeClock, timeouts: TimeoutsFile) -> NbaApiSource:
    assert stats
    base_url = httpserver.url_for("/stats/") + "{endpoint}"
    return NbaApiSource(clock=clock, timeouts=timeouts, rng=Random(1), base_url=base_url)


def games(source: NbaApiSource) -> list[Any]:
    return [record.payload["game"] for record in source.collect("schedule", [DAY])]


def test_a_date_s_games_are_asked_for_as_the_league_s_site_does(source: NbaApiSource, stats: Stats) -> None:
    (record,) = source.collect("schedule", [DAY])
    assert record.payload["game"] == GAME
    assert record.origin == "scoreboardv3?GameDate=2024-01-15"
    (request,) = stats.requests
    assert dict(request.args) == {"GameDate": "2024-01-15", "LeagueID": "00"}
    assert request.headers["Referer"] == "https://www.nba.com/"
    assert "Mozilla" in request.headers["User-Agent"]


def test_players_are_asked_for_by_date_and_season_type(source: NbaApiSource, stats: Stats) -> None:
    stats.usual["scoreboardv3"] = scoreboard(GAME, {**GAME, "gameId": "0042300101"}, {**GAME, "gameId": "0032300001"})
    records = list(source.collect("player_boxscores", [DAY]))
    asked = [dict(request.args) for request in stats.requests if request.path.endswith("leaguegamelog")]
    assert [arguments["SeasonType"] for arguments in asked] == ["Playoffs", "Regular Season"]
    assert {arguments["DateFrom"] for arguments in asked} == {"01/15/2024"}
    assert {arguments["Season"] for arguments in asked} == {"2023-24"}
    assert [record.payload["PLAYER_NAME"] for record in records] == ["Trae Young", "Trae Young"]


def test_the_live_source_goes_through_phases_1_and_2(source: NbaApiSource, tmp_path: Path) -> None:
    live = Pipeline(tmp_path, source)
    try:
        live.collect(DAY)
        assert live.run("raw.games", DAY).rows == 1
        assert live.run("raw.player_boxscores", DAY).rows == 1
        (made,) = live.rows("SELECT * FROM nba_raw.games WHERE game_date = @day", day=DAY)
    finally:
        live.warehouse.close()
    assert (made["game_id"], made["home_points"], made["periods"]) == ("0022300559", 109, 4)
    assert (made["season"], made["season_type"]) == ("2023-24", "regular")
    assert made["tipoff_at"] == datetime(2024, 1, 15, 20, 30, tzinfo=UTC)


def other(game_id: str, home: str, away: str, status: int, text: str) -> dict[str, Any]:
    sides = {"homeTeam": {"teamTricode": home, "score": 0}, "awayTeam": {"teamTricode": away, "score": 0}}
    return {**GAME, **sides, "gameId": game_id, "gameStatus": status, "gameStatusText": text}


def test_an_all_star_date_is_no_data(source: NbaApiSource, stats: Stats, tmp_path: Path) -> None:
    stats.usual["scoreboardv3"] = scoreboard(
        other("0032300001", "", "", 1, "TBD"),
        other("0032300002", "EST", "WST", 3, "Final"),
        other("0042300401", "BOS", "", 1, "TBD"),
    )
    live = Pipeline(tmp_path, source)
    try:
        live.collect(DAY)
        for name in ("raw.games", "raw.player_boxscores", "nba_analytics.player_game_summary"):
            done = live.run(name, DAY)
            assert done.rows == 0
            assert str(DAY) in done.detail["reason"]
        assert live.run("raw.games", DAY).detail["all_star"] == 2
        assert live.run("raw.games", DAY).detail["undetermined_teams"] == 1
    finally:
        live.warehouse.close()
    assert not [request for request in stats.requests if request.path.endswith("leaguegamelog")]


@pytest.mark.parametrize(
    ("stated", "state"),
    [
        ((1, "PPD"), "postponed"),
        ((3, "Final/2OT"), "final"),
        ((2, "Q3 5:23"), "in_progress"),
        ((1, "7:30 pm ET"), "scheduled"),
    ],
)
def test_the_state_of_a_game_is_read_from_text_and_number(
    source: NbaApiSource, stats: Stats, tmp_path: Path, stated: tuple[int, str], state: str
) -> None:
    status, text = stated
    stats.usual["scoreboardv3"] = scoreboard({**GAME, "gameStatus": status, "gameStatusText": text, "period": 6})
    live = Pipeline(tmp_path, source)
    try:
        live.collect(DAY, "schedule")
        live.run("raw.games", DAY)
        (made,) = live.rows("SELECT game_status, periods FROM nba_raw.games WHERE game_date = @day", day=DAY)
    finally:
        live.warehouse.close()
    assert made == {"game_status": state, "periods": 6 if state == "final" else None}


def test_the_log_is_asked_for_in_the_season_of_the_game_s_id(source: NbaApiSource, stats: Stats) -> None:
    stats.usual["scoreboardv3"] = scoreboard({**GAME, "gameId": "0041900406"})
    day = date(2020, 10, 11)
    assert len(list(source.collect("player_boxscores", [day]))) == 1
    (asked,) = [dict(request.args) for request in stats.requests if request.path.endswith("leaguegamelog")]
    assert (asked["Season"], asked["SeasonType"]) == ("2019-20", "Playoffs")


def test_the_games_of_september_2020_are_in_the_calendar_of_2019(source: NbaApiSource, stats: Stats) -> None:
    days = {"09/03/2020 00:00:00": "0041900201", "10/11/2020 00:00:00": "0041900406"}
    dates = [{"gameDate": day, "games": [{**GAME, "gameId": game_id}]} for day, game_id in days.items()]
    stats.usual["scheduleleaguev2"] = {"leagueSchedule": {"gameDates": dates}}
    found = source.game_dates(date(2020, 9, 1), date(2020, 10, 11))
    assert found == [date(2020, 9, 3), date(2020, 10, 11)]
    assert [request.args["Season"] for request in stats.requests] == ["2019-20"]


def test_backoff_is_1_2_4_8_seconds_between_five_tries(source: NbaApiSource, stats: Stats, clock: FakeClock) -> None:
    stats.first(*(Response("busy", 500) for _ in range(4)))
    assert games(source) == [GAME]
    assert clock.sleeps == [1, 2, 4, 8]
    assert len(stats.requests) == 5


def test_inv_16_retries_have_an_end(source: NbaApiSource, stats: Stats, clock: FakeClock) -> None:
    stats.first(*(Response("busy", 503) for _ in range(20)))
    with pytest.raises(UnavailableError, match="answered 503") as caught:
        games(source)
    assert len(stats.requests) == 5
    assert clock.sleeps == [1, 2, 4, 8]
    assert len(caught.value.__notes__) == 5


@pytest.mark.parametrize("retry_after", ["7", "Tue, 16 Jan 2024 12:00:07 GMT"])
def test_retry_after_lengthens_the_pause(
    source: NbaApiSource, stats: Stats, clock: FakeClock, retry_after: str
) -> None:
    stats.first(Response("slow down", 429, {"Retry-After": retry_after}))
    assert games(source) == [GAME]
    assert clock.sleeps == [7]


@pytest.mark.parametrize("retry_after", ["0", "soon", "Tue, 16 Jan 2024 11:00:00 GMT"])
def test_retry_after_never_shortens_the_pause(
    source: NbaApiSource, stats: Stats, clock: FakeClock, retry_after: str
) -> None:
    stats.first(Response("slow down", 429, {"Retry-After": retry_after}))
    assert games(source) == [GAME]
    assert clock.sleeps == [1]


def test_a_server_that_wants_longer_than_a_minute_is_not_waited_for(
    source: NbaApiSource, stats: Stats, clock: FakeClock
) -> None:
    stats.first(Response("slow down", 429, {"Retry-After": "3600"}))
    with pytest.raises(UnavailableError) as caught:
        games(source)
    assert clock.sleeps == []
    assert "3600 s" in str(caught.value.next_step)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("status", "error"), [(400, DataError), (404, DataError), (401, NotAuthorisedError), (403, NotAuthorisedError)]
)
def test_inv_16_a_refusal_is_permanent(
    source: NbaApiSource, stats: Stats, clock: FakeClock, status: int, error: type[NbactlError]
) -> None:
    stats.first(Response("<html>no</html>", status))
    with pytest.raises(error, match=str(status)):
        games(source)
    assert len(stats.requests) == 1
    assert clock.sleeps == []


@pytest.mark.parametrize(
    "body",
    [
        "<html><title>We'll be back</title></html>",
        '{"scoreboard": {"gameDate": "2024-01-15", "ga',
        "",
        '{"Message":"An error has occurred."}',
    ],
)
def test_a_page_or_a_cut_answer_with_status_200_is_tried_again(
    source: NbaApiSource, stats: Stats, clock: FakeClock, body: str
) -> None:
    stats.first(Response(body, 200))
    assert games(source) == [GAME]
    assert clock.sleeps == [1]


def test_inv_18_a_server_that_does_not_answer_is_given_up(clock: FakeClock, timeouts: TimeoutsFile) -> None:
    quick = timeouts.timeouts["http.request"].replaced(limit=0.1)
    impatient = timeouts.replaced(timeouts={**timeouts.timeouts, "http.request": quick})
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        base_url = f"http://127.0.0.1:{silent.getsockname()[1]}/" + "{endpoint}"
        source = NbaApiSource(clock=clock, timeouts=impatient, rng=Random(1), base_url=base_url)
        with pytest.raises(TimedOutError, match="did not answer in time"):
            games(source)
    assert clock.sleeps == [1, 2, 4, 8]


def test_a_server_that_is_not_there_is_unavailable(clock: FakeClock, timeouts: TimeoutsFile) -> None:
    source = NbaApiSource(clock=clock, timeouts=timeouts, rng=Random(1), base_url="http://127.0.0.1:1/{endpoint}")
    with pytest.raises(UnavailableError, match="could not be reached"):
        games(source)
    assert clock.sleeps == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("endpoint", "answer"),
    [
        ("scoreboardv3", {"scoreboard": {}}),
        ("scoreboardv3", {"scoreboard": {"games": [1]}}),
        ("scoreboardv3", []),
        ("leaguegamelog", {"resultSets": []}),
        ("leaguegamelog", {"resultSets": [{"headers": ["A", "B"], "rowSet": [[1]]}]}),
        ("leaguegamelog", {"message": "gone"}),
    ],
)
def test_an_answer_in_another_form_is_permanent_and_says_what_was_looked_for(
    source: NbaApiSource, stats: Stats, clock: FakeClock, endpoint: str, answer: Any
) -> None:
    stats.usual[endpoint] = answer
    with pytest.raises(DataError, match=endpoint):
        list(source.collect("player_boxscores", [DAY]))
    assert clock.sleeps == []


def test_a_date_without_games_has_no_records_and_costs_one_request(source: NbaApiSource, stats: Stats) -> None:
    stats.usual["scoreboardv3"] = scoreboard()
    assert list(source.collect("player_boxscores", [DAY])) == []
    assert len(stats.requests) == 1


def test_an_empty_result_set_has_no_records(source: NbaApiSource, stats: Stats) -> None:
    stats.usual["leaguegamelog"] = game_log()
    assert list(source.collect("player_boxscores", [DAY])) == []


def _season(*days: tuple[str, int]) -> dict[str, Any]:
    dates = [{"gameDate": f"{day} 00:00:00", "games": [{"gameStatus": status}]} for day, status in days]
    return {"leagueSchedule": {"gameDates": dates}}


def test_the_newest_date_is_the_last_with_a_finished_game(source: NbaApiSource, stats: Stats) -> None:
    stats.usual["scheduleleaguev2"] = _season(("01/13/2024", 3), ("01/15/2024", 3), ("01/16/2024", 1))
    assert source.latest() == date(2024, 1, 15)
    assert source.game_dates(date(2024, 1, 14), date(2024, 1, 31)) == [date(2024, 1, 15), date(2024, 1, 16)]
    assert [request.args["Season"] for request in stats.requests] == ["2023-24"]


def test_in_summer_the_newest_date_is_of_the_season_before(
    source: NbaApiSource, stats: Stats, clock: FakeClock
) -> None:
    clock.set(datetime(2024, 9, 20, tzinfo=UTC))
    stats.first(
        Response(json.dumps(_season(("10/22/2024", 1)))),
        Response(json.dumps(_season(("06/17/2024", 3)))),
    )
    assert source.latest() == date(2024, 6, 17)


@pytest.fixture
def without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "nba_api"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nba_api", None)


@pytest.mark.usefixtures("without_the_package")
def test_without_the_extra_the_command_that_installs_it_is_said(clock: FakeClock, timeouts: TimeoutsFile) -> None:
    with pytest.raises(ConfigError) as caught:
        open_source("nba_api", clock, timeouts)
    assert caught.value.next_step == "pip install 'nbactl[nba-api]'"
