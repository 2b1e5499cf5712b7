"""What a person's SQL is: one query that only reads, and the parameters that it names.

It is decided from the text, before an engine sees it, so that every target refuses the same SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError, UsageError
from nbactl.ports.sql import parse_one

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

_QUERY_STARTS: Final = frozenset({"SELECT", "WITH", "FROM"})
"""How a query begins in BigQuery, behind any parentheses ("Query syntax", "Pipe query syntax")."""
_NEXT: Final = "Give one query: SELECT …, WITH … SELECT, or FROM … |> …"


@dataclass(frozen=True, slots=True)
class ReadStatement:
    """One query. `parameters` are the named parameters that it has, lower-case, in order of appearance."""

    sql: str
    parameters: tuple[str, ...]


def read_statement(sql: str) -> ReadStatement:
    """Return the one query that the text is, without a semicolon at its end.

    Raises UsageError for anything but a query: DML, DDL, scripts, several statements. A query with a syntax error is
    left to the engine, which says more about it; DataError is raised only where not even its words can be told apart.
    """
    tokens = _tokens(sql)
    statements = _split(tokens)
    if not statements:
        raise UsageError("there is no SQL to run", next_step=_NEXT)
    first = statements[0]
    _check_start(sql, first)
    if len(statements) > 1:
        raise UsageError(
            f"{len(statements)} statements were given; a query is one statement",
            cause=f"The second begins in line {statements[1][0].line}: {_excerpt(sql, statements[1])}",
            next_step="Run them one by one.",
        )
    text = sql[: first[-1].end + 1]
    _check_tree(text)
    return ReadStatement(text, _parameters(first))


def _tokens(sql: str) -> list[Token]:
    from sqlglot.dialects.bigquery import BigQuery
    from sqlglot.errors import TokenError

    try:
        return BigQuery().tokenize(sql)
    except TokenError:
        parse_one(sql)  # raises with the place
        raise DataError("SQL syntax error", details={"sql": sql}) from None


def _split(tokens: list[Token]) -> list[list[Token]]:
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type.name == "SEMICOLON":
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


def _check_start(sql: str, statement: list[Token]) -> None:
    start = next((token for token in statement if token.token_type.name != "L_PAREN"), statement[0])
    if start.text.upper() not in _QUERY_STARTS or start.token_type.name == "IDENTIFIER":
        raise _not_a_query(start.text, _excerpt(sql, statement))


def _check_tree(sql: str) -> None:
    """Refuse what begins like a query and is none, such as WITH … INSERT."""
    from sqlglot import exp

    try:
        tree = parse_one(sql)
    except DataError:
        return
    writes = tree.find(exp.DML, exp.Create, exp.Drop, exp.Merge, exp.Into)
    if not isinstance(tree, exp.Query) or writes is not None:
        raise _not_a_query(tree.key if writes is None else writes.key, sql.strip().partition("\n")[0][:80])


def _not_a_query(word: str, excerpt: str) -> UsageError:
    return UsageError(
        f"{word.upper()} is not a query, and only queries are allowed",
        cause=f"nbactl query never changes data: {excerpt}",
        next_step=_NEXT,
    )


def _parameters(statement: list[Token]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for index, token in enumerate(statement):
        kind = token.token_type.name
        if kind == "PLACEHOLDER":
            raise UsageError(
                f"the parameter ? in line {token.line} has no name",
                next_step="Write @name, and --param name=VALUE.",
            )
        after = statement[index + 1] if index + 1 < len(statement) else None
        before = statement[index - 1] if index else None
        if kind != "PARAMETER" or after is None or after.token_type.name == "PARAMETER":
            continue
        if before is None or before.token_type.name != "PARAMETER":  # @@name is a system variable
            found[after.text.lower()] = None
    return tuple(found)


def _excerpt(sql: str, statement: list[Token]) -> str:
    return " ".join(sql[statement[0].start : statement[-1].end + 1].split())[:80]


def marked(sql: str, line: int, column: int, *, width: int = 76) -> str:
    """Return a line of SQL with a caret under a column, both counted from 1; a long line is cut around it."""
    lines = sql.splitlines()
    text = lines[line - 1].replace("\t", " ") if 0 < line <= len(lines) else ""
    begin = max(0, min(column - 1 - width // 2, len(text) - width))
    shown = text[begin : begin + width].rstrip()
    return f"{shown}\n{' ' * (column - 1 - begin)}^"
