"""`nbactl query` on target local."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.main import main
from nbactl.cli.query.command import QueryRequest, query
from nbactl.errors import DataError, NotFoundError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.bootstrap import Container

ALL = "SELECT game_id, home_points, away_points FROM nba_raw.games ORDER BY game_id"


def test_a_query_gives_its_first_rows_and_says_that_there_are_more(app: Container) -> None:
    found = query(app, QueryRequest(ALL, limit=2))
    assert found.columns == ("game_id", "home_points", "away_points")
    assert found.types == ("STRING", "INT64", "INT64")
    assert found.rows == [("g22-00", 100, None), ("g22-01", 101, None)]
    assert found.truncated
    assert not query(app, QueryRequest(ALL, limit=16)).truncated


def test_parameters_have_their_types(app: Container) -> None:
    sql = (
        "SELECT COUNT(*) FROM nba_raw.games WHERE game_date = @day AND home_points > @least AND game_id IN UNNEST(@ids)"
    )
    given = ("day:DATE=2024-10-22", "least:INT64=100", "ids:ARRAY<STRING>=g22-00,g22-01,g22-02")
    assert query(app, QueryRequest(sql, given)).rows == [(2,)]


def test_the_document(call: Any) -> None:
    done = call("query", f"{ALL};", "--limit", "1", "-o", "json")
    assert done.code == 0
    assert done.data == {
        "columns": [
            {"name": "game_id", "type": "STRING"},
            {"name": "home_points", "type": "INT64"},
            {"name": "away_points", "type": "INT64"},
        ],
        "rows": [{"game_id": "g22-00", "home_points": 100, "away_points": None}],
        "bytes_processed": None,
        "cache_hit": False,
        "truncated": True,
        "dry_run": False,
        "usd": None,
    }


def test_the_other_forms(call: Any) -> None:
    table = call("query", ALL, "--limit", "2")
    assert (
        table.out
        == "GAME_ID  HOME_POINTS  AWAY_POINTS\ng22-00           100         NULL\ng22-01           101         NULL\n"
    )
    assert table.err == "The first 2 rows; there are more. --limit N shows more.\n"
    lines = call("query", ALL, "--limit", "2", "-o", "jsonl")
    assert [json.loads(line)["game_id"] for line in lines.out.splitlines()] == ["g22-00", "g22-01"]
    assert lines.err == table.err
    comma = call("query", ALL, "--limit", "2", "-o", "csv")
    assert comma.out == "game_id,home_points,away_points\ng22-00,100,\ng22-01,101,\n"
    assert comma.err == table.err
    assert call("query", ALL, "--limit", "1", "-o", "json", "--fields", "game_id").data["rows"] == [
        {"game_id": "g22-00"}
    ]


def test_every_type_is_exact_in_json_and_csv(call: Any) -> None:
    sql = """SELECT NUMERIC '0.1' AS n, DATE '2024-01-15' AS d, TIMESTAMP '2024-01-15 19:30:00-05' AS t, b'hi' AS b,
    PARSE_JSON('{"a": [1.5, null]}') AS j, [1, 2] AS a, STRUCT(TRUE AS x) AS s, 9007199254740993 AS i, NULL AS z,
    DATETIME '2024-01-15 19:30:00' AS dt, TIME '19:30:00' AS ti"""
    done = call("query", sql, "-o", "json")
    assert {one["name"]: one["type"] for one in done.data["columns"]} == {
        "n": "NUMERIC", "d": "DATE", "t": "TIMESTAMP", "b": "BYTES", "j": "JSON", "a": "ARRAY<INT64>",
        "s": "STRUCT<x BOOL>", "i": "INT64", "z": "INT64", "dt": "DATETIME", "ti": "TIME",
    }  # fmt: skip
    values = {
        "n": "0.1", "d": "2024-01-15", "t": "2024-01-16T00:30:00+00:00", "b": "aGk=", "j": {"a": [1.5, None]},
        "a": [1, 2], "s": {"x": True}, "i": "9007199254740993", "z": None,
        "dt": "2024-01-15T19:30:00", "ti": "19:30:00",
    }  # fmt: skip
    assert done.data["rows"] == [values]
    header, row = csv.reader(io.StringIO(call("query", sql, "-o", "csv").out))
    assert dict(zip(header, row, strict=True)) == {
        name: "" if value is None else value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for name, value in values.items()
    }


def test_data_cannot_move_the_cursor(call: Any) -> None:
    for form in ("table", "wide", "json", "jsonl", "csv"):
        done = call("query", r"SELECT '\x1b[2J\u202e' AS a, 1 AS b", "-o", form)
        assert done.code == 0
        assert "\x1b" not in done.out
        assert "\u202e" not in done.out


@pytest.mark.parametrize(
    "sql", ["DELETE FROM nba_raw.games WHERE TRUE", "CREATE TABLE a.b (x INT64)", "SELECT 1; SELECT 2"]
)
def test_anything_but_a_query_is_refused_and_changes_nothing(sql: str, call: Any) -> None:
    done = call("query", sql, "-o", "json")
    assert done.code == 2
    assert done.document["error"]["code"] == "usage"
    assert call("query", "SELECT COUNT(*) FROM nba_raw.games", "-o", "csv").out == "f0_\n16\n"


def test_errors_point_at_the_place(app: Container) -> None:
    with pytest.raises(NotFoundError) as unknown:
        query(app, QueryRequest("SELECT game_id,\n  gamedate FROM nba_raw.games"))
    assert unknown.value.cause == "  gamedate FROM nba_raw.games\n  ^"
    assert unknown.value.next_step == "Did you mean 'game_date'?"
    with pytest.raises(DataError, match="line 1, column 15") as syntax:
        query(app, QueryRequest("SELECT * FORM nba_raw.games"))
    assert syntax.value.cause == "'nba_raw' is not expected here\nSELECT * FORM nba_raw.games\n              ^"
    with pytest.raises(NotFoundError) as table:
        query(app, QueryRequest("SELECT * FROM nba_raw.gams"))
    assert table.value.next_step == "Did you mean 'nba_raw.games'?"


def test_a_parameter_without_type_is_explained(app: Container) -> None:
    with pytest.raises(DataError) as refused:
        query(app, QueryRequest("SELECT 1 FROM nba_raw.games WHERE home_points > @least", ("least=100",)))
    assert "--param least:INT64=VALUE" in (refused.value.next_step or "")


def test_a_dry_run_runs_nothing_and_says_what_it_would_cost(call: Any) -> None:
    done = call("query", ALL, "--dry-run")
    assert done.out == "game_id  STRING\nhome_points  INT64\naway_points  INT64\n"
    assert done.err == "The query is valid; nothing was run. Target local bills nothing.\n"
    data = call("query", ALL, "--dry-run", "-o", "json").data
    assert (data["dry_run"], data["rows"], data["usd"]) == (True, [], None)
    assert [one["type"] for one in data["columns"]] == ["STRING", "INT64", "INT64"]


def test_the_query_comes_from_a_file_or_from_stdin(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "top.sql"
    file.write_text("\ufeffSELECT 7 AS n -- a note\n;\n", encoding="utf-8")
    assert call("query", "-f", str(file), "-o", "csv").out == "n\n7\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 8 AS n"))
    assert call("query", "-", "-o", "csv").out == "n\n8\n"


@pytest.mark.parametrize(
    "words",
    [
        (), ("SELECT 1", "-f", "x.sql"), ("-f", "absent.sql"), ("-f", "."), ("SELECT 1", "--max-bytes", "much"),
        ("SELECT 1", "--timeout", "soon"), ("SELECT 1", "--limit", "0"), ("SELECT @a", "--param", "a:INT64=x"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_refused(words: tuple[str, ...], call: Any) -> None:
    assert call("query", *words).code == 2


def test_a_time_limit_ends_a_query(call: Any) -> None:
    many = ", ".join(f"UNNEST(GENERATE_ARRAY(1, 1000)) AS a{number}" for number in range(4))
    sql = f"SELECT SUM(a0 * a1 * a2 * a3) FROM {many}"  # noqa: S608 - a text of this test
    done = call("query", sql, "--timeout", "100ms", "-o", "json")
    assert done.code == 7
    assert done.document["error"]["code"] == "timed_out"


def test_without_data_a_reader_leaves_no_file_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("query", "SELECT 1"), ("tables", "list"), ("tables", "counts"), ("quarantine", "list")):
        assert main([*words, "--state-dir", str(tmp_path / "none")]) == 4
        assert "nbactl run phase2" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_other_commands_refuse_csv_before_they_start(call: Any, state: Path) -> None:
    done = call("run", "phase1", "-o", "csv")
    assert done.code == 2
    assert "nbactl run has no CSV" in done.err
    assert "Use -o table, wide, json, jsonl or yaml." in done.err
    assert not (state / "documents.db").exists()


def test_the_function_refuses_what_is_not_a_query(app: Container) -> None:
    with pytest.raises(UsageError):
        query(app, QueryRequest("DROP TABLE nba_raw.games"))
