"""A fault in SQL is found whatever surrounds it, and what is right stays unreported."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbactl.checks.code.content import analyse
from nbactl.checks.sql.rules import SQL_RULES
from nbactl.checks.sql.tables import Tables, known_table
from nbactl.warehouse.tables import load_tables
from tests.kit.budget import budget

TABLES = Tables(known_table(schema) for schema in load_tables().values())
MISSING, USELESS = "partition-filter-missing", "filter-does-not-prune"
PRUNING = (
    "{c} = @day",
    "{c} = '2026-01-01'",
    "@day <= {c}",
    "{c} BETWEEN @first AND @last",
    "{c} IN ('2026-01-01', '2026-01-02')",
    "{c} IN UNNEST(@days)",
    "({c} = @day OR {c} = @other)",
    "({c} >= @first AND ({c} < @last))",
    "DATE_TRUNC({c}, MONTH) = @month",
    "CAST({c} AS DATE) > DATE_SUB(@day, INTERVAL 7 DAY)",
    "{c} = DATE '2026-01-01'",
    "{c} IS NULL",
)
BLUNT = (
    "({c} = @day OR {a}season = 'x')",
    "DATE_ADD({c}, INTERVAL 1 DAY) = @day",
    "{c} + INTERVAL 1 DAY > @day",
    "FORMAT_DATE('%Y', {c}) = '2026'",
    "EXTRACT(MONTH FROM {c}) = 1",
    "{c} = (SELECT MAX(day) FROM staging.days)",
    "{c} IN (SELECT day FROM staging.days WHERE day > @day)",
    "{c} <> @day",
    "{c} NOT IN (@first, @last)",
    "{c} IS NOT NULL",
    "IF({a}season = 'x', {c}, NULL) = @day",
    "COALESCE({c}, @day) = @day",
)
OTHER = (
    "{a}season = 'x'",
    "{a}home_points > 5 AND NOT {a}away_points IS NULL",
    "{a}game_status IN ('final', 'scheduled')",
    "({a}season = 'x' OR {a}periods > 4)",
    "LOWER({a}season) LIKE '%game_date = 1%'",
    "EXISTS (SELECT 1 FROM staging.other AS o WHERE o.id = {a}game_id)",
)
WHOLE = (
    "{q}",
    "WITH x AS ({q}) SELECT * FROM x",
    "WITH w AS (SELECT 1 AS one), x AS ({q}), y AS (SELECT x.* FROM x) SELECT y.game_id FROM y CROSS JOIN w",
    "SELECT game_id FROM ({q}) AS s WHERE game_id != 'a'",
    "SELECT 1 FROM staging.a WHERE id IN (SELECT game_id FROM ({q}))",
    "SELECT (SELECT MAX(game_id) FROM ({q}) AS m) AS most",
    "SELECT a.id FROM staging.a AS a LEFT JOIN ({q}) AS b ON a.id = b.game_id",
    "SELECT game_id FROM staging.games UNION ALL ({q})",
    "INSERT INTO staging.copy (game_id) {q}",
    "CREATE OR REPLACE TABLE staging.copy PARTITION BY day AS {q}",
    "DELETE FROM staging.a WHERE id IN (SELECT game_id FROM ({q}))",
    "UPDATE staging.a SET b = 1 FROM ({q}) AS s WHERE s.game_id = a.id",
    "MERGE staging.a AS t USING ({q}) AS s ON t.id = s.game_id WHEN NOT MATCHED THEN INSERT ROW",
    "DECLARE n INT64; BEGIN IF TRUE THEN SELECT 1; ELSE {q}; END IF; END",
    "SELECT 1; {q}; SELECT 'game_date = 1';",
)
COLUMNS = ("game_id", "game_id, season AS s", "game_id, COUNT(*) OVER () AS n", "game_id, UPPER(season) AS u")
NOISE = ("", " -- game_date = @day\n", " /* WHERE game_date = @day */ ", "\n\t", "\r\n")


@st.composite
def queries(draw: st.DrawFn, conditions: tuple[str, ...]) -> str:
    """Return a script that reads nba_raw.games, filtered by one of the conditions among others."""
    alias = draw(st.sampled_from(["", "g", "games"]))
    parts = draw(st.lists(st.sampled_from(OTHER), max_size=2)) + (
        [draw(st.sampled_from(conditions))] if conditions else []
    )
    prefix = f"{alias}." if alias else ""
    column = f"{prefix}{draw(st.sampled_from(['game_date', 'GAME_DATE', '`game_date`']))}"
    where = " AND ".join(part.format(a=prefix, c=column) for part in draw(st.permutations(parts)))
    name = draw(
        st.sampled_from(["nba_raw.games", "`nba_raw.games`", "`my-project.nba_raw.games`", "prod.nba_raw.games"])
    )
    source = f"{name} AS {alias}" if alias else name
    noise = st.sampled_from(NOISE)
    query = f"SELECT {draw(noise)}{draw(st.sampled_from(COLUMNS))}{draw(noise)} FROM {source}"
    query += f" WHERE {draw(noise)}{where}" if where else ""
    return draw(st.sampled_from(WHOLE)).format(q=query + draw(st.sampled_from([" ", "\n"])))


def rules_in(text: str) -> list[str]:
    analysis = analyse(text.encode(), "sql", TABLES)
    assert analysis.unparsed == [], text
    return [each.hit.rule for each in analysis.hits if each.hit.table == "nba_raw.games"]


@given(queries(()))
@settings(budget(200))
def test_a_missing_filter_is_found_whatever_surrounds_it(text: str) -> None:
    assert rules_in(text).count(MISSING) == 1, text


@given(queries(BLUNT))
@settings(budget(200))
def test_a_filter_that_does_not_prune_is_found_whatever_surrounds_it(text: str) -> None:
    assert rules_in(text).count(USELESS) == 1, text
    assert MISSING not in rules_in(text)


@given(queries(PRUNING))
@settings(budget(200))
def test_a_filter_that_prunes_is_never_reported(text: str) -> None:
    assert not {MISSING, USELESS}.intersection(rules_in(text)), text


BEGINNINGS = ("SELECT", "WITH", "MERGE", "DELETE", "UPDATE", "INSERT", "CREATE", "DECLARE")
"""A text in Python is SQL if it begins so; a sentence that begins with another word of SQL is a sentence."""
OWN_STATEMENTS = [
    (rule.name, expected, case)
    for rule in SQL_RULES
    for expected, cases in ((True, rule.bad), (False, rule.good))
    for case in cases
    if case.split()[0] in BEGINNINGS and (case.split()[0] not in ("SELECT", "WITH") or " FROM " in case)
]
FUNCTIONS = (
    "def work(client):\n    {}",
    "class Work:\n    def do(self, client):\n        if client:\n            {}",
    "{}",
)


@given(
    st.sampled_from(OWN_STATEMENTS),
    st.sampled_from(FUNCTIONS),
    st.sampled_from(["client.query({})", "SQL = {}", "return_({}, 1)"]),
)
@settings(budget(150))
def test_a_case_of_a_rule_is_found_in_python_as_well(case: tuple[str, bool, str], around: str, call: str) -> None:
    name, expected, text = case
    program = "from google.cloud import bigquery\n" + around.format(call.format(repr(text))) + "\n"
    ast.parse(program)
    found = {each.hit.rule for each in analyse(program.encode(), "embedded", TABLES).hits}
    assert (name in found) is expected, program


PIECES = st.sampled_from(
    ["SELECT", "FROM", "(", ")", "nba_raw.games", "WHERE", "CASE", "END", "BEGIN", "IF", "THEN", ";", "'", '"', "`",
     "--", "/*", "{x}", "{{", "\\", "\r", "\0", "é", "DECLARE", "FOR", "IN", "DO", "=", "@x", "::", "MERGE", "CREATE",
     "AS", "*", ","]
)  # fmt: skip


@pytest.mark.parametrize("kind", ["sql", "embedded"])
@given(content=st.binary(max_size=60) | st.lists(PIECES, max_size=14).map(lambda pieces: " ".join(pieces).encode()))
@settings(budget(200))
def test_no_content_makes_it_crash(kind: str, content: bytes) -> None:
    if kind == "embedded":
        content = f"import bigquery\nx = {content.decode(errors='replace')!r}".encode()
    assert analyse(content, kind, TABLES).hits is not None  # type: ignore[arg-type]
