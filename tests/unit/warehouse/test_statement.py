"""What is one query, and what is refused before an engine sees it."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from nbactl.errors import DataError, UsageError
from nbactl.warehouse.sql.statement import marked, read_statement

ODD = r"""SELECT r'\\', 'it\'s;', '''x;'y''', b'\x00;', "a;'b" # ; DROP"""
ODDER = r'''SELECT """a;"b""", RB"c;d", '--', "/*" /* ; ' */ -- ; "'''


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select 1;",
        "  -- a note\n  SELECT 1 ; ; ",
        "WITH a AS (SELECT 1 AS x) SELECT * FROM a",
        "WITH RECURSIVE a AS (SELECT 1 AS x) SELECT * FROM a",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "FROM t.games |> LIMIT 1",
        ODD,
        ODDER,
        "SELECT IF(TRUE, REPLACE(a, 'b', 'c'), d) AS update FROM UNNEST([1]) AS a",
        "SELECT 'DROP TABLE x; DELETE' AS `insert` /* ; CREATE */ FROM t.games",
    ],
)
def test_a_query_is_taken(sql: str) -> None:
    assert read_statement(sql).sql.rstrip("; \n") in sql


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("INSERT INTO t.a VALUES (1)", "INSERT"),
        ("UPDATE t.a SET x = 1 WHERE TRUE", "UPDATE"),
        ("DELETE FROM t.a WHERE TRUE", "DELETE"),
        ("MERGE t.a USING t.b ON TRUE WHEN MATCHED THEN DELETE", "MERGE"),
        ("TRUNCATE TABLE t.a", "TRUNCATE"),
        ("CREATE TABLE t.a AS SELECT 1", "CREATE"),
        ("DROP TABLE t.a", "DROP"),
        ("ALTER TABLE t.a ADD COLUMN x INT64", "ALTER"),
        ("EXPORT DATA OPTIONS (uri = 'gs://b/*') AS SELECT 1", "EXPORT"),
        ("LOAD DATA INTO t.a FROM FILES (uris = ['gs://b/a'])", "LOAD"),
        ("CALL t.procedure()", "CALL"),
        ("EXECUTE IMMEDIATE 'DROP TABLE t.a'", "EXECUTE"),
        ("BEGIN SELECT 1; END", "BEGIN"),
        ("DECLARE x INT64 DEFAULT 1; SELECT x", "DECLARE"),
        ("GRANT `roles/viewer` ON TABLE t.a TO 'user:a@b.c'", "GRANT"),
        ("ASSERT TRUE", "ASSERT"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        ("WITH a AS (SELECT 1) INSERT INTO t.a SELECT * FROM a", "INSERT"),
        ("(DROP TABLE t.a)", "DROP"),
        ("FROM t.a |> WHERE x > 1 |> INSERT INTO t.b", "INSERT"),
        ("FROM t.a |> EXPORT DATA OPTIONS (uri = 'gs://b/*')", "EXPORT"),
        ("`SELECT` 1", "SELECT"),
    ],
)
def test_anything_but_a_query_is_refused(sql: str, word: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(UsageError) as refused:
        read_statement(sql)
    assert refused.value.message == f"{word} is not a query, and only queries are allowed"
    assert not caplog.records


def test_several_statements_are_refused() -> None:
    with pytest.raises(DataError, match="line 1, column 10"):
        read_statement("SELECT 1 /* open")
    with pytest.raises(UsageError) as refused:
        read_statement("SELECT 1;\nDROP TABLE t.a")
    assert refused.value.message == "2 statements were given; a query is one statement"
    assert refused.value.cause == "The second begins in line 2: DROP TABLE t.a"


@pytest.mark.parametrize("sql", ["", " ; ", "-- only a note"])
def test_nothing_is_refused(sql: str) -> None:
    with pytest.raises(UsageError, match="there is no SQL to run"):
        read_statement(sql)


def test_a_syntax_error_is_left_to_the_engine_unless_the_words_cannot_be_told_apart() -> None:
    assert read_statement("SELECT * FORM t.games").parameters == ()
    with pytest.raises(DataError, match="line 1, column 8"):
        read_statement("SELECT 'open")
    with pytest.raises(DataError, match="line 2, column 3"):
        read_statement("SELECT 1,\n  'open\nFROM t.games")


def test_no_parser_is_loaded() -> None:
    code = (
        "import sys; from nbactl.warehouse.sql.statement import read_statement; read_statement('SELECT @a'); "
        "sys.exit('sqlglot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_parameters_are_found_where_they_are() -> None:
    sql = "SELECT @Day, @day, @@time_zone, '@text', `@name` /* @note */ FROM t.a WHERE x IN UNNEST(@teams) -- @end"
    assert read_statement(sql).parameters == ("day", "teams")
    with pytest.raises(UsageError, match=r"\? in line 1 has no name"):
        read_statement("SELECT ?")


def test_a_place_is_marked() -> None:
    assert marked("SELECT 1,\n\tfoo(2)", 2, 2) == " foo(2)\n ^"
    assert marked("SELECT 1", 1, 9) == "SELECT 1\n        ^"
    long = marked("SELECT " + "a, " * 100 + "bad", 1, 308, width=40)
    text, caret = long.split("\n")
    assert len(text) <= 40
    assert text[len(caret) - 1 :].startswith("bad")
