from __future__ import annotations

import re
from pathlib import Path

import pytest

import nbactl.pipeline
from nbactl.errors import DataError
from nbactl.pipeline import statements
from nbactl.pipeline.statements import Window, normalised, windows
from tests.kit.warehouse import TABLES

FOLDER = Path(nbactl.pipeline.__file__).parent / "sql"
FILES = sorted(FOLDER.rglob("*.sql"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_table_that_a_file_names_is_declared_in_it_and_no_other(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    declared = [line for line in text.splitlines() if line.startswith("-- reads:")]
    assert all(statements._READS.fullmatch(line) for line in declared)
    named = set(re.findall(r"\bnba_\w+\.\w+", re.sub(r"--.*", "", text)))
    assert {line.split()[2] for line in declared} == named
    assert len(declared) == len(named)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_only_a_statement_narrows_what_its_expressions_declare(path: Path) -> None:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "reads only" in line]
    assert not (lines and path.parent.name == "common")
    assert all(statements._READS.fullmatch(line) and line.split()[3] in windows(path.stem) for line in lines)


def test_what_several_expressions_read_of_a_table_is_one_window() -> None:
    assert windows("nba_analytics.player_game_summary") == {
        "nba_raw.games": Window(-365, 0),
        "nba_raw.player_boxscores": Window(-365, 0),
    }
    assert windows("nba_analytics.team_offense_game_summary")["nba_raw.games"] == Window(0, 0)
    assert windows("nba_precompute.ml_feature_store")["nba_raw.player_boxscores"] == Window(-730, -1)
    assert all(windows(table) for table in TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_a_statement_reads_no_earlier_date_of_what_is_computed_for_many_dates_at_once(table: str) -> None:
    looked_back_at = {read for read, window in windows(table).items() if window.first < 0}
    assert looked_back_at <= {"nba_raw.games", "nba_raw.player_boxscores"}


@pytest.mark.parametrize(
    "same",
    [
        "SELECT a,  b\n\tFROM t -- all of it\nWHERE c = 'x'",
        "/* first */ SELECT a, b FROM t WHERE c='x'",
        "SELECT a,b FROM/* a comment\nof two lines */t WHERE c = 'x' # the end",
        "-- 'not text'\nSELECT a, b FROM t WHERE c = 'x'",
    ],
)
def test_comments_and_spaces_are_no_part_of_a_statement(same: str) -> None:
    assert normalised(same) == normalised("SELECT a, b FROM t WHERE c = 'x'")


@pytest.mark.parametrize(
    "other",
    [
        "SELECT a, b FROM t WHERE c = 'X'",
        "SELECT a, b FROM t WHERE c = 'x '",
        "SELECT a, b FROM t WHERE c = '--x'",
        "SELECT a b FROM t WHERE c = 'x'",
        "SELECT ab FROM t WHERE c = 'x'",
        "SELECT a, b FROM t WHERE c = 'x' --\nAND d",
    ],
)
def test_everything_else_is(other: str) -> None:
    assert normalised(other) != normalised("SELECT a, b FROM t WHERE c = 'x'")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("'it''s -- a'", "'it''s'"),
        (r"'a\' -- b'", r"'a\' -- c'"),
        ('"""a " -- b"""', '"""a " -- c"""'),
        ("'''a ' # b'''", "'''a ' # c'''"),
        ("`a -- b`", "`a`"),
        ('"a # b"', '"a"'),
        ("1-- 2", "1- 2"),
        ("1 - -2", "1 --2"),
        ("a  'b  c'", "a 'b c'"),
    ],
)
def test_what_stands_in_quotes_is_no_comment(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


def test_a_statement_that_reads_what_it_does_not_declare_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sql = "-- reads: nba_raw.games 0..0\nSELECT * FROM nba_raw.games, `nba_raw.odds`, nba_raw . injuries"
    monkeypatch.setattr(statements, "table_sql", lambda _: sql)
    with pytest.raises(DataError, match=r"reads nba_raw.injuries, nba_raw.odds and does not declare it"):
        windows("nba_analytics.made_up")
