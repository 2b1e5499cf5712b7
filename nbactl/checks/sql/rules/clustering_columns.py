"""Clustering that BigQuery refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.checks.code.rule import Rule, Spot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.checks.sql.statement import Statement

_MOST: Final = 4
"""https://cloud.google.com/bigquery/docs/clustered-tables#limitations."""
_ENDS: Final = frozenset({"AS", "OPTIONS", "PARTITION BY", ";"})


def _statements(statement: Statement) -> Iterator[Spot]:
    words = statement.words
    if not words or words[0] != "CREATE":
        return
    for at, word in enumerate(words):
        if word in ("AS", "BEGIN"):
            return
        if word != "CLUSTER BY":
            continue
        columns = 1
        for place in range(at + 1, len(words)):
            if words[place] in _ENDS:
                return
            if words[place] == ",":
                columns += 1
                if columns == _MOST + 1:
                    message = f"a table is clustered by at most {_MOST} columns"
                    yield Spot(statement.tokens[place + 1 if place + 1 < len(words) else place].start, message)
            elif words[place] in ("DESC", "ASC"):
                token = statement.tokens[place]
                edit = (statement.tokens[place - 1].end + 1, token.end + 1, "")
                yield Spot(token.start, f"clustering has no direction: {words[place]} is refused", "", edit)


RULE: Final = Rule(
    name="clustering-columns",
    severity="error",
    summary="A table is declared with clustering that BigQuery refuses.",
    why=(
        "CLUSTER BY takes at most four columns, and no direction: the statement fails when it is deployed "
        "(https://cloud.google.com/bigquery/docs/clustered-tables#limitations)."
    ),
    fix="Keep the four columns that queries filter by most, the most frequent first. --fix takes a direction out.",
    bad=(
        "CREATE TABLE d.t (a STRING, b STRING, c STRING, e STRING, f STRING) CLUSTER BY a, b, c, e, f\n",
        "CREATE TABLE d.t (a STRING, b STRING) CLUSTER BY a, b DESC\n",
        "CREATE OR REPLACE TABLE d.t PARTITION BY day CLUSTER BY a DESC, b OPTIONS (description = 'x') AS SELECT 1 AS a\n",
    ),
    good=(
        "CREATE TABLE d.t (a STRING, b STRING, c STRING, e STRING) CLUSTER BY a, b, c, e OPTIONS (description = 'x, y, z')\n",
        "CREATE TABLE d.t AS SELECT a, b, c, e, f, g FROM d.u ORDER BY a DESC\n",
    ),
    statements=_statements,
    in_tests=False,
)
