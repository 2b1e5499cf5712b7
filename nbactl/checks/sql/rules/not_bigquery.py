"""Syntax of other databases, which the parser takes and BigQuery refuses."""

from __future__ import annotations

import re
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from nbactl.checks.code.rule import Rule, Spot
from nbactl.checks.sql.text import HOLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbactl.checks.sql.statement import Statement

_NAME: Final = "not-bigquery"
_UNITS: Final = "YEAR|QUARTER|MONTH|WEEK|DAY|HOUR|MINUTE|SECOND|MILLISECOND|MICROSECOND"


class _Form(NamedTuple):
    """A form in the words of a statement; `new` is what its first word becomes where that is safe."""

    words: str
    message: str
    begins: str = ""
    """How a statement begins in which it is looked for, any if it is empty."""
    new: str | None = None


_FORMS: Final = (
    _Form("::", ":: is not a cast; write CAST(x AS TYPE)"),
    _Form(
        "(?:ILIKE|RLIKE|REGEXP|GLOB|SIMILAR TO)(?= ['@])", "it has LIKE alone; write LOWER(x) LIKE or REGEXP_CONTAINS"
    ),
    _Form("==", "= compares; == is not an operator", new="="),
    _Form("<=>", "write IS NOT DISTINCT FROM"),
    _Form("->>|->(?= ')", "write JSON_VALUE or JSON_QUERY"),
    _Form("%", "% is not an operator; write MOD(a, b)"),
    _Form("DISTINCT ON \\(", "write QUALIFY ROW_NUMBER() OVER (…) = 1"),
    _Form("UNION(?! (?:ALL|DISTINCT|BY|STRICT) )", "write UNION ALL or UNION DISTINCT"),
    _Form("LIMIT [\\d?]+ ,", "write LIMIT … OFFSET …"),
    _Form("FETCH (?:FIRST|NEXT)", "write LIMIT"),
    _Form("WITH ROLLUP", "write GROUP BY ROLLUP(…)"),
    _Form("LATERAL VIEW", "write CROSS JOIN UNNEST(…)"),
    _Form("(?:SEMI|ANTI) JOIN", "write WHERE [NOT] EXISTS or IN"),
    _Form("(?:CROSS|OUTER) APPLY", "write a JOIN, or UNNEST"),
    _Form("\\* (?:EXCLUDE|RENAME) \\(", "write * EXCEPT (…) or * REPLACE (…)"),
    _Form("TABLESAMPLE(?= \\()", "write TABLESAMPLE SYSTEM (…)", new="TABLESAMPLE SYSTEM"),
    _Form("\\) FILTER \\( WHERE", "write COUNTIF, or IF inside of the function"),
    _Form("WITHIN GROUP", "write STRING_AGG(x ORDER BY y)"),
    _Form("\\) (?:IGNORE|RESPECT) NULLS OVER", "write IGNORE NULLS inside of the parentheses"),
    _Form("[=<>] (?:ANY|SOME) \\(", "write IN UNNEST(…)"),
    _Form("AS (?:NOT )?MATERIALIZED \\(", "WITH has no MATERIALIZED"),
    _Form("AS '", "an alias is a name, in backticks if need be", "SELECT|WITH|\\("),
    _Form("(?:FROM|JOIN) ' \\. '", "a name is quoted with backticks"),
    _Form("WITH ORDINALITY", "write WITH OFFSET"),
    _Form("WITH \\( NOLOCK", "there are no hints"),
    _Form("ESCAPE '", "LIKE has no ESCAPE; write a backslash"),
    _Form("ORDER BY ALL(?! [.,(])", "name what to order by"),
    _Form("BETWEEN SYMMETRIC", "write LEAST and GREATEST"),
    _Form(f"INTERVAL '(?! (?:{_UNITS}))", "an interval has its unit behind it: INTERVAL 1 DAY"),
    _Form("ON CONFLICT", "write MERGE", "INSERT"),
    _Form("OVERWRITE", "DELETE first, or write the table with CREATE OR REPLACE TABLE", "INSERT"),
    _Form("^INSERT INTO TABLE", "write INSERT INTO", "INSERT"),
    _Form("DEFAULT VALUES", "name the values", "INSERT"),
    _Form("RETURNING", "DML returns no rows", "INSERT|UPDATE|DELETE|MERGE"),
    _Form("(?<= )USING", "DELETE has one table; write WHERE … IN or EXISTS", "DELETE"),
    _Form("^UPDATE (?:(?!SET |FROM )\\S+ )*JOIN", "write UPDATE … SET … FROM … WHERE", "UPDATE"),
    _Form("(?:UPDATE SET|INSERT) \\*", "write UPDATE SET a = s.a, or INSERT ROW", "MERGE"),
    _Form("(?:AUTO_INCREMENT|PARTITIONED BY|ENGINE =|COMMENT ')", "BigQuery has no such option of tables", "CREATE"),
    _Form("NOT NULL DEFAULT", "DEFAULT comes before NOT NULL", "CREATE"),
    _Form("WITH NO DATA", "write CREATE TABLE … LIKE, or WHERE FALSE", "CREATE"),
    _Form("(?<=TABLE )(?:IF EXISTS )?(?:\\S+ \\. )*\\S+ CASCADE", "tables are dropped without CASCADE", "DROP"),
    _Form("COLUMN \\S+ TYPE", "write SET DATA TYPE", "ALTER"),
    _Form("(?:MODIFY|CHANGE)(?: COLUMN)?", "write ALTER COLUMN … SET DATA TYPE", "ALTER"),
    _Form("^TRUNCATE(?! TABLE)", "write TRUNCATE TABLE", "TRUNCATE"),
)


@cache
def _compiled() -> tuple[re.Pattern[str], list[tuple[_Form, re.Pattern[str], re.Pattern[str]]]]:
    """Return a pattern for any of the forms, and for each how statements begin and what it looks like."""
    forms = [(form, re.compile(form.begins), re.compile(rf"(?:(?<= )|^)(?:{form.words})(?= |$)")) for form in _FORMS]
    return re.compile("|".join(f"(?:{form.words})" for form in _FORMS)), forms


def _statements(statement: Statement) -> Iterator[Spot]:
    from nbactl.checks.sql.statement import place_of  # noqa: PLC0415 - brings the parser

    yield from _forms(statement)
    for column in statement.facts.aliases_in_where:
        yield Spot(place_of(column), f"WHERE does not know {column.name}, an alias of the SELECT list")
    first = statement.words[0]
    filled_in = statement.is_open or HOLE in statement.words[-1].lower()
    if (
        first in ("DELETE", "UPDATE")
        and statement.tree is not None
        and not filled_in
        and not statement.tree.args.get("where")
    ):
        yield Spot(statement.tokens[0].start, f"{first} needs a WHERE; write WHERE TRUE for all rows")


def _forms(statement: Statement) -> Iterator[Spot]:
    text = " ".join(statement.words)
    any_form, forms = _compiled()
    if not any_form.search(text):
        return
    for form, begins, words in forms:
        if form.begins and not begins.match(text):
            continue
        for found in words.finditer(text):
            token = statement.tokens[_token_at(statement.words, found.start())]
            edit = None if form.new is None else (token.start, token.end + 1, form.new)
            yield Spot(token.start, f"BigQuery refuses this: {form.message}", "", edit)


def _token_at(words: Sequence[str], offset: int) -> int:
    """Return the number of the word at an offset of the words joined by spaces."""
    ends = accumulate(len(word) + 1 for word in words)
    return next(number for number, end in enumerate(ends) if end > offset)


RULE: Final = Rule(
    name=_NAME,
    severity="error",
    summary="A statement has the syntax of another database.",
    why=(
        "The parser of other tools takes it, and BigQuery refuses the whole statement when it runs, at night "
        "(https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax)."
    ),
    fix="Write what the message says; --fix does where the meaning stays.",
    bad=(
        "SELECT season::INT64 FROM d.t\n",
        "SELECT season FROM d.t WHERE season ILIKE 'x'\n",
        "SELECT game_id AS id FROM nba_raw.games WHERE game_date = @day AND id = 'x'\n",
        "DELETE FROM d.t\n",
        "UPDATE d.t SET a = 1\n",
        "SELECT a FROM d.t UNION SELECT a FROM d.u\n",
        "SELECT a FROM d.t WHERE a == 1\n",
        "SELECT a FROM d.t WHERE a <=> 1\n",
        "SELECT a ->> 'x' FROM d.t\n",
        "SELECT a % b FROM d.t\n",
        "SELECT DISTINCT ON (a) a, b FROM d.t\n",
        "SELECT a FROM d.t LIMIT 5, 10\n",
        "SELECT a FROM d.t FETCH FIRST 5 ROWS ONLY\n",
        "SELECT a FROM d.t GROUP BY a WITH ROLLUP\n",
        "SELECT a FROM d.t LATERAL VIEW EXPLODE(b) x AS y\n",
        "SELECT a FROM d.t LEFT SEMI JOIN d.u ON x = y\n",
        "SELECT a FROM d.t CROSS APPLY d.u\n",
        "SELECT * EXCLUDE (a) FROM d.t\n",
        "SELECT a FROM d.t TABLESAMPLE (10 PERCENT)\n",
        "SELECT COUNT(*) FILTER (WHERE a > 1) FROM d.t\n",
        "SELECT LISTAGG(a, ',') WITHIN GROUP (ORDER BY a) FROM d.t\n",
        "SELECT FIRST_VALUE(a) IGNORE NULLS OVER (ORDER BY b) FROM d.t\n",
        "SELECT a FROM d.t WHERE a = ANY (SELECT 1)\n",
        "WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x\n",
        "SELECT a AS 'x' FROM d.t\n",
        'SELECT a FROM "d"."t"\n',
        "SELECT a FROM d.t, UNNEST(b) WITH ORDINALITY\n",
        "SELECT a FROM d.t WITH (NOLOCK)\n",
        "SELECT a FROM d.t WHERE a LIKE 'x' ESCAPE '!'\n",
        "SELECT a FROM d.t ORDER BY ALL\n",
        "SELECT INTERVAL '1 day'\n",
        "INSERT INTO d.t SELECT 1 ON CONFLICT DO NOTHING\n",
        "INSERT OVERWRITE d.t SELECT 1\n",
        "INSERT INTO TABLE d.t SELECT 1\n",
        "INSERT INTO d.t VALUES (1) RETURNING a\n",
        "DELETE FROM d.t USING d.u WHERE t.x = u.x\n",
        "UPDATE d.t JOIN d.u ON x = y SET a = 1 WHERE TRUE\n",
        "MERGE d.t USING d.u ON x = y WHEN MATCHED THEN UPDATE SET *\n",
        "CREATE TABLE d.t (a INT64 AUTO_INCREMENT)\n",
        "CREATE TABLE d.t (a INT64 NOT NULL DEFAULT 1)\n",
        "CREATE TABLE d.t (a DATE) PARTITIONED BY (a)\n",
        "DROP TABLE d.t CASCADE\n",
        "ALTER TABLE d.t ALTER COLUMN a TYPE INT64\n",
        "TRUNCATE d.t\n",
    ),
    good=(
        "SELECT CAST(season AS INT64) FROM d.t WHERE LOWER(season) LIKE 'x'\n",
        "SELECT game_id AS id FROM nba_raw.games WHERE game_date = @day QUALIFY ROW_NUMBER() OVER (PARTITION BY id) = 1\n",
        "SELECT season AS id FROM d.t WHERE id = 'x'\n",
        "DELETE FROM d.t WHERE TRUE\n",
        "SELECT a FROM d.t UNION ALL SELECT a FROM d.u UNION DISTINCT SELECT a FROM d.v\n",
        "SELECT a FROM d.t WHERE a = 1 AND b LIKE '%x::y == z%' -- a == b\n",
        "SELECT MOD(a, b), '%', FORMAT('%d', a) FROM d.t LIMIT 10 OFFSET 5\n",
        "SELECT * EXCEPT (a) FROM d.t TABLESAMPLE SYSTEM (10 PERCENT)\n",
        "SELECT EXTRACT(DAY FROM 'x'), INTERVAL 1 DAY, INTERVAL '1-2' YEAR TO MONTH\n",
        "SELECT FIRST_VALUE(a IGNORE NULLS) OVER (ORDER BY b), ARRAY_AGG(IF(a, b, c) IGNORE NULLS) FROM d.t ORDER BY a\n",
        "SELECT EXTRACT(DATE FROM seen_at AT TIME ZONE 'America/New_York') FROM d.t\n",
        "MERGE d.t USING d.u ON x = y WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT ROW\n",
        "CREATE TABLE d.t (a INT64 DEFAULT 1 NOT NULL OPTIONS (description = 'x'))\n",
        "CREATE TEMP FUNCTION f(x INT64) RETURNS INT64 LANGUAGE js AS 'return x % 2'\n",
        "DROP SCHEMA d CASCADE\n",
        "SELECT ARRAY_FILTER(a, e -> e > 1) FROM d.t\n",
    ),
    statements=_statements,
    in_tests=False,
)
