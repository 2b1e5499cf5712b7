"""The calendar of games: of files, of the league's server, and of the deployed schedule on every warehouse."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest
from werkzeug import Response

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.config.loader import load_config
from nbactl.core.phases.history import PROCESSOR_RUNS
from nbactl.errors import UnavailableError
from nbactl.pipeline.calendar import DeployedCalendar, FilesCalendar, ServerCalendar
from nbactl.pipeline.keptgames import KeptGames
from nbactl.pipeline.sources.nba_api import NbaApiSource
from nbactl.pipeline.sources.path import PathSource
from nbactl.ports.calendar import GameDay
from nbactl.ports.warehouse import Rows
from nbactl.testing import FakeClock, bigquery_server
from nbactl.warehouse.tables import ensure_tables
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse
from tests.kit.production import RUN_HISTORY, put_rows, run_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_httpserver import HTTPServer
    from werkzeug import Request

    from nbactl.ports.calendar import GameCalendar
    from nbactl.ports.warehouse import Warehouse

NOW = datetime(2024, 12, 25, 20, tzinfo=UTC)
EVE, CHRISTMAS, BOXING_DAY = date(2024, 12, 24), date(2024, 12, 25), date(2024, 12, 26)
NOON = datetime(2024, 12, 25, 17, tzinfo=UTC)
LATE = datetime(2024, 12, 26, 3, 30, tzinfo=UTC)
"""22:30 in New York: the game ends on the next day."""
TEAMS = ("ATL", "BOS", "CHI", "DAL", "DEN", "DET", "GSW", "HOU", "IND", "LAC", "LAL", "MEM")


@dataclass(frozen=True)
class Listed:
    """A game as a schedule has it."""

    day: date
    status: str
    tip_off: datetime | None


GAMES = (
    Listed(date(2024, 12, 23), "final", datetime(2024, 12, 24, 0, 0, tzinfo=UTC)),
    Listed(CHRISTMAS, "final", NOON),
    Listed(CHRISTMAS, "scheduled", LATE),
    Listed(CHRISTMAS, "postponed", datetime(2024, 12, 25, 15, tzinfo=UTC)),
    Listed(BOXING_DAY, "postponed", datetime(2024, 12, 27, 0, tzinfo=UTC)),
    Listed(date(2024, 12, 28), "scheduled", None),
)
KNOWN = {
    date(2024, 12, 23): GameDay(date(2024, 12, 23), 1, 1, GAMES[0].tip_off, GAMES[0].tip_off),
    CHRISTMAS: GameDay(CHRISTMAS, 2, 1, NOON, LATE),
    date(2024, 12, 28): GameDay(date(2024, 12, 28), 1),
}


def days(first: date, last: date) -> set[date]:
    return {first + timedelta(days=number) for number in range((last - first).days + 1)}


def write_folder(folder: Path, games: Sequence[Listed]) -> None:
    """Write the games as balldontlie has them."""
    words = {"final": ("Final", "post"), "scheduled": ("", "pre"), "postponed": ("Postponed", "pre")}
    data = [
        {
            "date": str(game.day),
            "season": 2024,
            "status": words[game.status][0],
            "status_state": words[game.status][1],
            "datetime": game.tip_off and game.tip_off.isoformat(),
            "home_team_score": 100 + number if game.status == "final" else None,
            "visitor_team_score": 99 if game.status == "final" else None,
            "home_team": {"abbreviation": TEAMS[2 * number], "players": []},
            "visitor_team": {"abbreviation": TEAMS[2 * number + 1], "players": []},
        }
        for number, game in enumerate(games)
    ]
    (folder / "games.json").write_text(json.dumps({"data": data}))


def schedule_answer(games: Sequence[Listed]) -> dict[str, Any]:
    """Return the games as the league's server lists them, with one of the All-Star weekend and one at an odd time."""
    words = {"final": (3, "Final"), "scheduled": (1, "7:00 pm ET"), "postponed": (1, "PPD")}
    dates: dict[date, list[dict[str, Any]]] = {
        date(2025, 2, 16): [{"gameId": "0032400001", "gameStatus": 1}],
        date(2025, 2, 20): [{"gameId": "0022400999", "gameStatus": 1, "gameDateTimeUTC": "in the evening"}],
    }
    for number, game in enumerate(games):
        status, text = words[game.status]
        at = "1900-01-01T00:00:00Z" if game.tip_off is None else game.tip_off.isoformat()
        listed = {"gameId": f"00224{number:05}", "gameStatus": status, "gameDateTimeUTC": at}
        text = "TBD" if game.tip_off is None else text
        dates.setdefault(game.day, []).append({**listed, "gameStatusText": text})
    entries = [{"gameDate": f"{day:%m/%d/%Y} 00:00:00", "games": of_day} for day, of_day in dates.items()]
    return {"leagueSchedule": {"gameDates": entries}}


def write_table(warehouse: Warehouse, games: Sequence[Listed]) -> None:
    """Write the games as phase 2 does."""
    columns = (
        "game_id", "game_date", "season", "home_team_abbr", "away_team_abbr", "game_status", "tipoff_at", "source",
    )  # fmt: skip
    rows = [
        (f"00224{number:05}", game.day, "2024-25", "ATL", "BOS", game.status, game.tip_off, "test")
        for number, game in enumerate(games)
    ]
    ensure_tables(warehouse, ("nba_raw.games",))
    warehouse.load("nba_raw.games", Rows(columns, rows), timeout=30)


@pytest.fixture(scope="module")
def duckdb_table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    file = tmp_path_factory.mktemp("calendar") / "w.duckdb"
    with closing(DuckDbWarehouse(file, clock=FakeClock(), lock_wait=5.0, holder="test")) as made:
        write_table(made, GAMES)
        yield made


@pytest.fixture(scope="module")
def bigquery_table() -> Iterator[Warehouse]:
    with (
        bigquery_server(project=PROJECT, location=LOCATION) as server,
        closing(bigquery_warehouse(server.address)) as made,
    ):
        write_table(made, GAMES)
        yield made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def league(httpserver: HTTPServer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> NbaApiSource:
    monkeypatch.setenv("NO_PROXY", "*")
    base_url = httpserver.url_for("/stats/") + "{endpoint}"
    return NbaApiSource(clock=clock, timeouts=load_config(None).timeouts, rng=Random(1), base_url=base_url)


class Answers:
    """The league's server: what it answers, and how often it was asked. Without an answer it is down."""

    def __init__(self, httpserver: HTTPServer) -> None:
        self.games: Sequence[Listed] | None = GAMES
        self.asked = 0
        httpserver.expect_request("/stats/scheduleleaguev2").respond_with_handler(self)

    def __call__(self, request: Request) -> Response:
        self.asked += 1
        if self.games is None:
            # Longer than a task waits, so that it is not tried again.
            return Response(status=503, headers={"Retry-After": "86400"})
        listed = self.games if request.args["Season"] == "2024-25" else ()
        return Response(json.dumps(schedule_answer(listed)), mimetype="application/json")


@pytest.fixture
def answers(httpserver: HTTPServer) -> Answers:
    return Answers(httpserver)


def kept_in(folder: Path) -> KeptGames:
    return KeptGames(folder / "calendar.json")


def never() -> None:
    return None


@pytest.fixture
def files(tmp_path: Path) -> GameCalendar:
    write_folder(tmp_path, GAMES)
    return FilesCalendar(PathSource("path:test", tmp_path / "games.json"), kept_in(tmp_path))


@pytest.fixture
def server(league: NbaApiSource, answers: Answers, clock: FakeClock, tmp_path: Path) -> GameCalendar:
    assert answers
    return ServerCalendar(league, kept_in(tmp_path), clock, 3600)


@pytest.fixture(params=["files", "server", "duckdb_table", "bigquery_table"])
def calendar(request: pytest.FixtureRequest, clock: FakeClock) -> GameCalendar:
    made = request.getfixturevalue(request.param)
    if request.param.endswith("table"):
        return DeployedCalendar(lambda: made, clock, 30, never)
    return cast("GameCalendar", made)


def test_dates_have_the_games_that_are_played_and_their_tip_offs(calendar: GameCalendar) -> None:
    found = calendar.games(date(2024, 12, 23), date(2024, 12, 28))
    assert dict(found.days) == KNOWN
    assert found.unknown == set()


def test_one_date_is_answered_as_in_a_range(calendar: GameCalendar) -> None:
    assert dict(calendar.games(CHRISTMAS, CHRISTMAS).days) == {CHRISTMAS: KNOWN[CHRISTMAS]}
    empty = calendar.games(EVE, EVE)
    assert not empty.days
    assert not empty.unknown


def test_inv_24_dates_outside_of_the_schedule_are_unknown(calendar: GameCalendar) -> None:
    around = calendar.games(date(2024, 12, 20), date(2024, 12, 23))
    assert around.unknown == days(date(2024, 12, 20), date(2024, 12, 22))
    assert set(around.days) == {date(2024, 12, 23)}
    later = calendar.games(date(2025, 5, 1), date(2025, 5, 3))
    assert not later.days
    assert later.unknown == days(date(2025, 5, 1), date(2025, 5, 3))


# Files


def test_the_files_of_a_date_are_read_again_only_when_they_have_changed(tmp_path: Path) -> None:
    read: list[list[date]] = []

    class Counted(PathSource):
        def collect(self, dataset: Any, days: Sequence[date]) -> Any:
            if dataset == "schedule" and len(days) > 1:  # the digests read date by date
                read.append(list(days))
            return super().collect(dataset, days)

    def asked() -> dict[date, GameDay]:
        source = Counted("path:test", tmp_path / "games.json")
        return dict(FilesCalendar(source, kept_in(tmp_path)).games(EVE, date(2024, 12, 31)).days)

    write_folder(tmp_path, GAMES)
    assert asked() == asked() == {day: KNOWN[day] for day in (CHRISTMAS, date(2024, 12, 28))}
    assert read == [[CHRISTMAS, BOXING_DAY, date(2024, 12, 28)]]
    moved = [Listed(CHRISTMAS, "final", NOON), Listed(BOXING_DAY, "scheduled", LATE)]
    write_folder(tmp_path, moved)
    assert asked() == {
        CHRISTMAS: GameDay(CHRISTMAS, 1, 1, NOON, NOON),
        BOXING_DAY: GameDay(BOXING_DAY, 1, 0, LATE, LATE),
    }


def test_a_damaged_file_of_kept_games_is_found_out_again(files: GameCalendar, tmp_path: Path) -> None:
    files.games(EVE, BOXING_DAY)
    (tmp_path / "calendar.json").write_text('{"format": 1')
    again = FilesCalendar(PathSource("path:test", tmp_path / "games.json"), kept_in(tmp_path))
    assert dict(again.games(EVE, BOXING_DAY).days) == {CHRISTMAS: KNOWN[CHRISTMAS]}


# The league's server


def test_the_server_is_asked_once_an_hour_and_the_answer_is_dated(
    server: GameCalendar, answers: Answers, clock: FakeClock, league: NbaApiSource, tmp_path: Path
) -> None:
    assert server.games(EVE, BOXING_DAY).as_of == NOW
    clock.advance(3599)
    again = ServerCalendar(league, kept_in(tmp_path), clock, 3600)  # another process
    assert again.games(EVE, BOXING_DAY).as_of == NOW
    assert answers.asked == 1
    clock.advance(2)
    answers.games = (*GAMES, Listed(EVE, "scheduled", None))
    assert EVE in again.games(EVE, BOXING_DAY).days
    assert again.games(EVE, BOXING_DAY).as_of == clock.now()
    assert answers.asked == 2


def test_games_of_the_all_star_weekend_do_not_count_and_an_odd_time_is_none(server: GameCalendar) -> None:
    found = server.games(date(2025, 2, 16), date(2025, 2, 20))
    assert dict(found.days) == {date(2025, 2, 20): GameDay(date(2025, 2, 20), 1)}
    assert not found.unknown


def test_while_the_server_is_down_the_schedule_grows_old(
    server: GameCalendar, answers: Answers, clock: FakeClock
) -> None:
    before = server.games(EVE, BOXING_DAY)
    answers.games = None
    clock.advance(86_400)
    assert server.games(EVE, BOXING_DAY) == before
    assert before.as_of == NOW


def test_a_server_that_never_answered_is_an_error(server: GameCalendar, answers: Answers) -> None:
    answers.games = None
    with pytest.raises(UnavailableError):
        server.games(EVE, BOXING_DAY)


def test_a_season_that_is_over_is_never_asked_for_again(
    server: GameCalendar, answers: Answers, clock: FakeClock
) -> None:
    clock.set(datetime(2025, 11, 1, tzinfo=UTC))
    assert server.games(EVE, BOXING_DAY).as_of is None
    clock.advance(86_400)
    server.games(EVE, BOXING_DAY)
    assert answers.asked == 1


# The deployed schedule


@pytest.mark.parametrize("table", ["duckdb_table", "bigquery_table"])
def test_one_query_answers_a_range_with_its_age(request: pytest.FixtureRequest, table: str, clock: FakeClock) -> None:
    """Both readers of the schedule count: production's, under any name, and ours."""
    warehouse: Warehouse = request.getfixturevalue(table)
    asked: list[tuple[str, Any]] = []
    read_by_us: list[datetime | None] = [None]

    class Watched:
        def query(self, sql: str, parameters: Any, **settings: Any) -> Any:
            asked.append((sql, settings))
            return warehouse.query(sql, parameters, **settings)

    rows = [
        run_row("NbacScheduleProcessor", day="2024-12-24", processed_at=NOW - timedelta(hours=5)),
        run_row("p2_schedule", day="2024-12-24", processed_at=NOW - timedelta(hours=2), status="failed"),
        run_row("player_game_summary", day="2024-12-24", processed_at=NOW),
    ]
    put_rows(warehouse, PROCESSOR_RUNS, RUN_HISTORY, rows)
    calendar = DeployedCalendar(lambda: cast("Warehouse", Watched()), clock, 30, lambda: read_by_us[0])
    assert calendar.games(date(2024, 10, 1), date(2025, 1, 1)).as_of == NOW - timedelta(hours=5)
    assert len(asked) == 1
    sql, settings = asked[0]
    assert settings == {"timeout": 30, "labels": {"task": "schedule"}}
    assert sql.count("WHERE game_date ") == sql.count("FROM nba_raw.games")
    read_by_us[0] = NOW - timedelta(hours=1)
    assert calendar.games(EVE, EVE).as_of == read_by_us[0]


def test_without_a_table_nothing_is_known(clock: FakeClock, tmp_path: Path) -> None:
    with closing(DuckDbWarehouse(tmp_path / "w.duckdb", clock=clock, lock_wait=5.0, holder="test")) as empty:
        found = DeployedCalendar(lambda: empty, clock, 30, never).games(EVE, BOXING_DAY)
    assert not found.days
    assert found.unknown == days(EVE, BOXING_DAY)
    assert found.as_of is None
