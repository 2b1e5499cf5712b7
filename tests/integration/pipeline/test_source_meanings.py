"""What sources mean, from a folder of files to the tables, through the command line."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import duckdb  # noqa: TID253 - the warehouse is looked into from outside
import pytest

from nbactl.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SHOTS = {"FGM": 5, "FGA": 10, "FG3M": 2, "FG3A": 4, "FTM": 3, "FTA": 4, "OREB": 1, "DREB": 4, "REB": 5}
_REST = {"AST": 4, "STL": 1, "BLK": 0, "TOV": 2, "PF": 2, "PTS": 15, "PLUS_MINUS": 3}


def logs(game_id: object, day: str, home: str, away: str, *, players: int = 8, **changes: Any) -> list[dict[str, Any]]:
    """Return the rows of a game; everybody plays 30 minutes."""
    return [
        {
            "GAME_ID": game_id,
            "GAME_DATE": day,
            "PLAYER_ID": 1000 + 10 * sum(map(ord, team)) + seat,
            "PLAYER_NAME": f"{team.title()} Sample{'abcdefgh'[seat]}",
            "MATCHUP": matchup,
            "WL": "W" if team == home else "L",
            "MIN": 30,
            **_SHOTS,
            **_REST,
            **changes,
        }
        for team, matchup in ((home, f"{home} vs. {away}"), (away, f"{away} @ {home}"))
        for seat in range(players)
    ]


def bdl(day: str, home: str, away: str, status: str, *, players: int = 8, **game: Any) -> dict[str, Any]:
    """Return a balldontlie game with the players of both sides."""

    def side(team: str) -> dict[str, Any]:
        rows = [
            {
                **{name.lower(): value for name, value in _SHOTS.items()},
                "min": "30",
                "ast": 4,
                "stl": 1,
                "blk": 0,
                "turnover": 2,
                "pf": 2,
                "pts": 15,
                "player": {
                    "id": 9000 + 10 * sum(map(ord, team)) + seat,
                    "first_name": team.title(),
                    "last_name": f"Sample{'abcdefgh'[seat]}",
                },
            }
            for seat in range(players)
        ]
        return {"abbreviation": team, "full_name": team, "players": rows}

    scores = {"home_team_score": 121, "visitor_team_score": 120, "period": 4, "postseason": False}
    sides = {"home_team": side(home), "visitor_team": side(away)}
    return {"date": day, "season": 2024, "status": status, **scores, **sides, **game}


class Folder:
    """A source folder and its state."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root / "input"
        self.root.mkdir()
        self.state = root / "state"
        self._capsys = capsys
        self.out = self.err = ""

    def table(self, name: str, rows: Iterable[dict[str, Any]]) -> None:
        rows = list(rows)
        with (self.root / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def boxes(self, *games: dict[str, Any], name: str = "box.json") -> None:
        (self.root / name).write_text(json.dumps({"data": games}), encoding="utf-8")

    def nbactl(self, *arguments: str) -> int:
        code = main([*arguments, "--state-dir", str(self.state)])
        self.out, self.err = self._capsys.readouterr()
        return code

    def run(self, name: str, *arguments: str, code: int = 0, only: str = "") -> dict[str, Any]:
        """Run with JSON and return the document; two dates are a range. `only` names the tasks to run, if not all."""
        dates = ("--date", arguments[0]) if len(arguments) == 1 else ("--from", arguments[0], "--to", arguments[1])
        chosen = ("--only", only) if only else ()
        assert self.nbactl("run", name, "--source", f"path:{self.root}", *dates, *chosen, "-o", "json") == code, (
            self.err
        )
        document: dict[str, Any] = json.loads(self.out)
        return document

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        (file,) = self.state.glob("data/*/warehouse.duckdb")
        with duckdb.connect(str(file), read_only=True) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Folder:
    return Folder(tmp_path, capsys)


def game_row(game_id: str, day: str, home: str, away: str, **changes: Any) -> dict[str, Any]:
    scores = {"homeScore": 120, "awayScore": 101}
    return {"GAME_ID": game_id, "GAME_DATE": day, "hometeamName": home, "awayteamName": away, **scores, **changes}


def test_inv_14_tip_offs_in_utc_and_logs_in_eastern_dates_are_one_night(folder: Folder) -> None:
    folder.table(
        "games.csv",
        [
            game_row("0022400001", "2025-01-14T18:00:00Z", "BOS", "NYK"),
            game_row("0022400002", "2025-01-15T00:00:00Z", "CHI", "ATL"),
            game_row("0022400003", "2025-01-15T03:30:00Z", "LAL", "MIA"),
            game_row("0022400004", "2025-01-16T03:00:00Z", "BOS", "NYK"),
        ],
    )
    pairs = [("0022400001", "14", "BOS", "NYK"), ("0022400002", "14", "CHI", "ATL"), ("0022400003", "14", "LAL", "MIA")]
    pairs.append(("0022400004", "15", "BOS", "NYK"))
    folder.table("logs.csv", [row for game_id, day, *teams in pairs for row in logs(game_id, f"2025-01-{day}", *teams)])
    folder.run("phase3", "2025-01-14", "2025-01-15", only="player_game_summary")
    found = folder.rows("SELECT game_id, CAST(game_date AS VARCHAR) FROM nba_raw.games ORDER BY 1")
    assert found == [(game_id, f"2025-01-{day}") for game_id, day, *_ in pairs]
    assert folder.rows("SELECT * FROM nba_raw.player_boxscores_quarantine") == []
    rest = folder.rows("SELECT DISTINCT rest_days FROM nba_analytics.player_game_summary WHERE game_id = '0022400004'")
    assert rest == [(0,)]


def test_a_game_that_is_over_has_scores_in_every_spelling(folder: Folder) -> None:
    folder.boxes(
        bdl("2025-01-15", "BOS", "NYK", "Final/OT", period=5),
        bdl("2025-01-15", "CHI", "DET", "Final/2OT", period=None),
        bdl("2025-01-15", "DEN", "UTA", "F/OT"),
        bdl("2025-01-15", "LAL", "HOU", "Fertig", status_state="final"),
        bdl("2025-01-15", "POR", "ATL", "3"),
    )
    document = folder.run("phase3", "2025-01-15", only="team_offense_game_summary")
    assert document["warnings"] == []
    found = folder.rows("SELECT home_team_abbr, game_status, home_points, periods FROM nba_raw.games ORDER BY 1")
    periods = {"BOS": 5, "CHI": 6, "DEN": 5, "LAL": 4, "POR": 4}
    assert found == [(team, "final", 121, number) for team, number in periods.items()]
    assert len(folder.rows("SELECT * FROM nba_analytics.team_offense_game_summary")) == 10


def test_a_game_that_is_not_played_has_no_contexts(folder: Folder) -> None:
    nothing = {"home_team_score": 0, "visitor_team_score": 0, "period": 0}
    states = {
        ("ATL", "HOU", "Postponed"): "postponed",
        ("BOS", "NYK", "PPD"): "postponed",
        ("CHI", "DET", "Canceled"): "cancelled",
        ("DEN", "UTA", "Forfeited"): "forfeited",
    }
    off = [bdl("2025-01-15", home, away, status, players=0, **nothing) for home, away, status in states]
    folder.boxes(bdl("2025-01-15", "LAL", "MIA", "Final"), *off)
    assert folder.run("phase4", "2025-01-15")["warnings"] == []
    found = folder.rows("SELECT home_team_abbr, game_status FROM nba_raw.games ORDER BY 1")
    assert found == [*((home, state) for (home, *_), state in states.items()), ("LAL", "final")]
    teams = folder.rows("SELECT team_abbr FROM nba_analytics.upcoming_team_game_context ORDER BY 1")
    assert teams == [("LAL",), ("MIA",)]


def test_a_date_with_nothing_but_a_postponed_game_is_green(folder: Folder) -> None:
    nothing = {"home_team_score": 0, "visitor_team_score": 0, "period": 0}
    folder.boxes(
        bdl("2025-01-13", "ATL", "HOU", "Final"),
        bdl("2025-01-15", "ATL", "HOU", "Postponed", players=0, **nothing),
        bdl("2025-01-17", "ATL", "HOU", "Final"),
    )
    document = folder.run("phase4", "2025-01-13", "2025-01-17")
    assert {run["status"] for run in document["data"]["runs"]} == {"succeeded"}


@pytest.mark.parametrize(("status", "whole"), [("Halftime", False), ("Halftime", True), ("No idea", True)])
def test_lines_of_a_game_that_is_not_over_are_no_history(folder: Folder, status: str, whole: bool) -> None:
    folder.boxes(
        bdl("2025-01-15", "BOS", "NYK", status, players=8 if whole else 5),
        bdl("2025-01-15", "LAL", "MIA", "Final"),
        bdl("2025-01-17", "BOS", "LAL", "Final"),
    )
    both = ("2025-01-15", "2025-01-17")
    warnings = [
        text
        for text in folder.run("phase3", *both, code=3, only="player_game_summary")["warnings"]
        if "box score" in text
    ]
    assert [status in text and "NYK at BOS" in text for text in warnings] == ([True] if whole else [])
    before = "SELECT DISTINCT team_abbr, games_played_before FROM nba_analytics.player_game_summary WHERE game_date = "
    assert sorted(folder.rows(f"{before}'2025-01-15'")) == [("LAL", 0), ("MIA", 0)]
    assert sorted(folder.rows(f"{before}'2025-01-17'")) == [("BOS", 0), ("LAL", 1)]


def test_a_log_without_winners_yet_is_a_game_that_is_on(folder: Folder) -> None:
    folder.table(
        "logs.csv",
        [
            *logs("0022400010", "2025-01-15", "BOS", "NYK", WL="", players=4),
            *logs("0022400011", "2025-01-15", "LAL", "MIA"),
        ],
    )
    folder.run("phase2", "2025-01-15", code=3)
    assert folder.rows("SELECT game_status FROM nba_raw.games ORDER BY game_id") == [("in_progress",), ("final",)]


def test_logs_without_that_column_are_of_games_that_are_over(folder: Folder) -> None:
    rows = logs("0022400010", "2025-01-15", "BOS", "NYK")
    folder.table("logs.csv", [{name: value for name, value in row.items() if name != "WL"} for row in rows])
    folder.run("phase3", "2025-01-15", only="player_game_summary")
    assert len(folder.rows("SELECT * FROM nba_analytics.player_game_summary")) == 16


def test_a_date_with_nothing_but_a_game_of_others_is_no_data(folder: Folder) -> None:
    folder.table(
        "logs.csv",
        [
            *logs("0022400795", "2025-02-13", "MIN", "OKC"),
            *logs("0032400001", "2025-02-16", "CHK", "SHQ"),
            *logs("0012400001", "2025-02-17", "PHX", "RMD"),
            *logs("0022400796", "2025-02-19", "LAL", "MIN"),
        ],
    )
    runs = folder.run("phase4", "2025-02-13", "2025-02-19")["data"]["runs"]
    assert {run["status"] for run in runs} == {"succeeded"}
    for day, kind in (("2025-02-16", "all_star"), ("2025-02-17", "foreign_club")):
        tasks = {task["name"]: task for run in runs if run["game_date"] == day for task in run["tasks"]}
        assert {tasks[name]["status"] for name in tasks if name.startswith("p2_")} == {"no_data"}
        assert tasks["p2_player_boxscores"]["detail"][kind] == 16
        assert kind.replace("_", " ") in tasks["p2_schedule"]["detail"]["reason"]


def test_the_cup_final_counts_for_rest_and_for_no_average(folder: Folder) -> None:
    folder.table(
        "logs.csv",
        [
            *logs("0022401229", "2024-12-14", "OKC", "HOU"),
            *logs("0062400001", "2024-12-17", "OKC", "MIL", FGM=9, FGA=20, PTS=23),
            *logs("0022400359", "2024-12-19", "OKC", "ORL"),
        ],
    )
    folder.run("phase3", "2024-12-14", "2024-12-19")
    folder.run("phase4", "2024-12-19", only="player_daily_cache")
    types = folder.rows("SELECT season_type, season FROM nba_raw.games ORDER BY game_date")
    assert types == [("regular", "2024-25"), ("cup", "2024-25"), ("regular", "2024-25")]
    own = "FROM nba_analytics.player_game_summary WHERE team_abbr = 'OKC' AND game_date ="
    columns = "SELECT DISTINCT games_played_before, rest_days, points_avg_season, points_avg_last_5"
    assert folder.rows(f"{columns} {own} '2024-12-17'") == [(1, 2, 15.0, 15.0)]
    assert folder.rows(f"{columns} {own} '2024-12-19'") == [(1, 1, 15.0, 15.0)]
    team = "SELECT games_played, rest_days, games_last_7_days FROM nba_analytics.upcoming_team_game_context"
    assert folder.rows(f"{team} WHERE team_abbr = 'OKC' AND game_date = '2024-12-19'") == [(1, 1, 2)]
    load = "SELECT DISTINCT games_last_14_days, minutes_last_14_days FROM nba_precompute.player_daily_cache"
    found = folder.rows(f"{load} WHERE team_abbr = 'OKC' AND game_date = '2024-12-19'")
    assert [(games, float(minutes)) for games, minutes in found] == [(2, 60.0)]


def test_the_season_goes_on_in_august_where_the_id_says_so(folder: Folder) -> None:
    folder.table(
        "logs.csv",
        [
            *logs("0021901281", "2020-07-30", "LAL", "LAC"),
            *logs("0021901291", "2020-08-01", "LAL", "TOR"),
            *logs("0041900406", "2020-10-11", "LAL", "MIA"),
        ],
    )
    folder.run("phase3", "2020-07-30", "2020-10-11", only="player_game_summary")
    assert folder.rows("SELECT DISTINCT season FROM nba_raw.games") == [("2019-20",)]
    before = "SELECT DISTINCT games_played_before FROM nba_analytics.player_game_summary WHERE team_abbr = 'LAL'"
    assert sorted(folder.rows(before)) == [(0,), (1,), (2,)]


def test_an_id_is_read_in_every_spelling(folder: Folder) -> None:
    teams = {"{}.0": ("BOS", "CHI"), "{}": ("DEN", "DET"), "00{}": ("LAL", "UTA"), "0{}.00": ("NYK", "SAS")}
    for number, (form, (home, away)) in enumerate(teams.items()):
        rows = [
            *logs(form.format(12500001 + number), "2025-10-05", home, away, FGM=9, FGA=20, PTS=23),
            *logs(form.format(22500001 + number), "2025-10-22", home, away),
            *logs(form.format(22500011 + number), "2025-10-24", home, away),
        ]
        folder.table(f"logs{number}.csv", rows)
    folder.run("phase3", "2025-10-05", "2025-10-24", only="player_game_summary")
    ids = folder.rows("SELECT game_id, season_type FROM nba_raw.games ORDER BY game_date, game_id")
    kinds = {"001250000": "preseason", "002250000": "regular", "002250001": "regular"}
    assert ids == [(f"{start}{number}", kind) for start, kind in kinds.items() for number in (1, 2, 3, 4)]
    played = "SELECT DISTINCT games_played_before, points_avg_season FROM nba_analytics.player_game_summary"
    assert folder.rows(f"{played} WHERE game_date = '2025-10-24'") == [(1, 15.0)]


def test_player_ids_in_two_spellings_are_one_person(folder: Folder) -> None:
    first, second = logs("0022400010", "2025-01-13", "BOS", "NYK"), logs("0022400020", "2025-01-15", "BOS", "NYK")
    for row in second:
        row["PLAYER_ID"] = f"{row['PLAYER_ID']}.0"
        row["PLAYER_NAME"] = row["PLAYER_NAME"].replace("Bos Samplea", "Boston Samplea")
    folder.table("one.csv", first)
    folder.table("two.csv", second)
    folder.run("phase2", "2025-01-13", "2025-01-15")
    assert folder.rows("SELECT COUNT(DISTINCT player_lookup) FROM nba_raw.player_boxscores") == [(16,)]


def named(rows: list[dict[str, Any]], **names: str) -> list[dict[str, Any]]:
    for row in rows:
        row["PLAYER_NAME"] = names.get(row["PLAYER_NAME"].rpartition(" ")[2], row["PLAYER_NAME"])
    return rows


def people(folder: Folder) -> list[tuple[Any, ...]]:
    return folder.rows(
        "SELECT player_lookup, COUNT(*) FROM nba_raw.player_boxscores WHERE team_abbr = 'BOS' AND "
        "player_name NOT LIKE 'Bos %' GROUP BY 1 ORDER BY 1"
    )


def with_other_names(*names: tuple[str, str]) -> dict[str, Any]:
    game = bdl("2025-01-15", "BOS", "NYK", "Final")
    for player, (first, last) in zip(game["home_team"]["players"], names, strict=False):
        player["player"] |= {"first_name": first, "last_name": last}
    return game


def test_a_person_of_two_spellings_is_one(folder: Folder) -> None:
    league = named(
        logs("0022400010", "2025-01-13", "BOS", "NYK"),
        Samplea="Robert Alpha III",
        Sampleb="Nicolas Beta",
        Samplec="Rób Gamma",
    )
    folder.table("logs.csv", league)
    folder.boxes(with_other_names(("Robert", "Alpha"), ("Nic", "Beta"), ("Rob", "Gamma")))
    folder.run("phase2", "2025-01-13", "2025-01-15")
    assert [games for _, games in people(folder)] == [2, 2, 2]


def test_a_nickname_is_reported_and_an_alias_joins_it(folder: Folder) -> None:
    folder.table("logs.csv", named(logs("0022400010", "2025-01-13", "BOS", "NYK"), Samplea="Nah'Shon Sample"))
    folder.boxes(with_other_names(("Bones", "Sample")))
    warnings = folder.run("phase2", "2025-01-13", "2025-01-15")["warnings"]
    assert any("'Bones Sample' is new and 'Nah'Shon Sample' is missing" in text for text in warnings)
    assert len(people(folder)) == 2
    (folder.root / "aliases.csv").write_text("alias,player\nBones Sample,Nah'Shon Sample\n", encoding="utf-8")
    arguments = ["run", "phase2", "--source", f"path:{folder.root}", "--from", "2025-01-13", "--to", "2025-01-15"]
    assert folder.nbactl(*arguments, "--force") == 0
    assert people(folder) == [("nahshonsample", 2)]


def spoilt(rows: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """Spoil this many rows, of both teams in turn: the first half of the rows is of one team."""
    half = len(rows) // 2
    bad = {place // 2 + half * (place % 2) for place in range(number)}
    return [{**row, "MIN": "ages"} if place in bad else row for place, row in enumerate(rows)]


@pytest.mark.parametrize(("bad", "code", "warns"), [(0, 0, False), (1, 0, False), (8, 0, True), (13, 1, False)])
def test_a_share_of_quarantined_records_is_a_warning_or_a_failure(
    folder: Folder, bad: int, code: int, warns: bool
) -> None:
    folder.table("logs.csv", spoilt(logs("0022400010", "2025-01-15", "BOS", "NYK"), bad))
    document = folder.run("phase2", "2025-01-15", code=code)
    said = f"p2_player_boxscores: {bad} of 16 records of 2025-01-15 are in quarantine"
    assert [text.startswith(said) and "bad_minutes" in text for text in document["warnings"]] == [True] * warns
    assert ("warning: " in folder.err) is warns
    if code:
        assert "nba_raw.player_boxscores_quarantine" in document["error"]["next"]
        assert said in document["error"]["cause"]
    assert len(folder.rows("SELECT * FROM nba_raw.player_boxscores")) == 16 - bad


def test_what_is_passed_over_is_named_once_and_in_the_run_s_details(folder: Folder) -> None:
    folder.table("logs.csv", logs("0022400010", "2025-01-15", "BOS", "NYK"))
    (folder.root / "odds.json").write_text('[{"id": "e1"}]')
    for output in ("table", "json"):
        arguments = ("--source", f"path:{folder.root}", "--date", "2025-01-15", "--force", "-o", output)
        assert folder.nbactl("run", "phase1", *arguments) == 0
        assert folder.err.count("odds.json: no known shape, passed over") == 1
    assert folder.nbactl("runs", "show", "last", "-v") == 0
    assert folder.out.count("odds.json: no known shape, passed over") == 1
    assert folder.nbactl("runs", "show", "last") == 0
    assert "odds.json" not in folder.out


def test_a_source_of_scores_alone_fills_the_table_of_games(folder: Folder) -> None:
    days = {"0022400001": "2025-01-14", "0022400002": "2025-01-15"}
    folder.table("games.csv", [game_row(game_id, day, "Boston Celtics", "NYK") for game_id, day in days.items()])
    error = folder.run("phase2", "2025-01-15", code=1)["error"]
    assert "scores only" in error["cause"]
    assert "--only p2_schedule" in error["next"]
    for name in ("p2_schedule", "phase2"):
        only = () if name == "p2_schedule" else ("--only", "p2_schedule")
        arguments = ("run", name, *only, "--source", f"path:{folder.root}", "--date", "2025-01-15", "--force")
        assert folder.nbactl(*arguments) == 0, folder.err
    assert len(folder.rows("SELECT * FROM nba_raw.games WHERE game_date = '2025-01-15'")) == 1
