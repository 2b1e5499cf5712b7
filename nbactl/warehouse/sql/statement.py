"""What a person's SQL is: one query that only reads, and the parameters that it names.

It is decided from the words of the text, before an engine sees it, so that every target refuses the same SQL. No parser
is needed for that, and none is loaded: it takes longer than a query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from nbactl.errors import DataError, UsageError

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*|\#[^\n]*|/\*.*?\*/)
    |(?P<text>(?:[rb]{0,2})(?:'{3}(?:\\.|(?!'{3}).)*'{3}|"{3}(?:\\.|(?!"{3}).)*"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
    |(?P<name>`(?:\\.|[^`\\\n])*`)
    |(?P<system>@@[A-Za-z_][\w.]*)
    |(?P<parameter>@(?:[A-Za-z_]\w*|`[^`\n]+`))
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign>\|>|.)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
"""The lexical elements that matter here ("Lexical structure and syntax" of GoogleSQL)."""
_QUERY_STARTS: Final = frozenset({"SELECT", "WITH", "FROM"})
"""How a query begins, behind any parentheses ("Query syntax", "Pipe query syntax")."""
_WRITES: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "EXPORT"})
"""What would write behind the queries of a WITH, or at the end of a pipe."""
_NEXT: Final = "Give one query: SELECT …, WITH … SELECT, or FROM … |> …"
_OPENERS: Final = ("/*", "'", '"', "`")


class _Token(NamedTuple):
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class ReadStatement:
    """One query. `parameters` are the named parameters that it has, lower-case, in order of appearance."""

    sql: str
    parameters: tuple[str, ...]


def read_statement(sql: str) -> ReadStatement:
    """Return the one query that the text is, without a semicolon at its end.

    Raises UsageError for anything but a query: DML, DDL, scripts, several statements. A query with a syntax error is
    left to the engine, which says more about it; DataError is raised for a text or comment that is not closed.
    """
    statements = _split(_tokens(sql))
    if not statements:
        raise UsageError("there is no SQL to run", next_step=_NEXT)
    first = statements[0]
    if (word := _written(first)) is not None:
        raise UsageError(
            f"{word} is not a query, and only queries are allowed",
            cause=f"nbactl query never changes data: {_excerpt(sql, first)}",
            next_step=_NEXT,
        )
    if len(statements) > 1:
        raise UsageError(
            f"{len(statements)} statements were given; a query is one statement",
            cause=f"The second begins in line {_line(sql, statements[1][0].start)}: {_excerpt(sql, statements[1])}",
            next_step="Run them one by one.",
        )
    return ReadStatement(sql[: first[-1].end], _parameters(sql, first))


def _tokens(sql: str) -> list[_Token]:
    found = []
    for match in _TOKEN.finditer(sql):
        if match.lastgroup == "space":
            continue
        token = _Token(str(match.lastgroup), match[0], match.start())
        if token.text in _OPENERS or sql.startswith("/*", token.start):
            raise _not_closed(sql, token)
        found.append(token)
    return found


def _not_closed(sql: str, token: _Token) -> DataError:
    line, column = _line(sql, token.start), token.start - sql.rfind("\n", 0, token.start)
    what = "comment" if sql.startswith("/*", token.start) else "name" if token.text == "`" else "text"
    return DataError(
        f"SQL syntax error in line {line}, column {column}",
        cause=f"a {what} is not closed",
        details={"line": line, "column": column, "sql": sql},
    )


def _split(tokens: list[_Token]) -> list[list[_Token]]:
    statements: list[list[_Token]] = [[]]
    for token in tokens:
        if token.text == ";":
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


def _written(statement: list[_Token]) -> str | None:
    """Return the word that makes a statement something else than a query, None for a query."""
    start = next((token for token in statement if token.text != "("), statement[0])
    if start.kind != "word" or start.text.upper() not in _QUERY_STARTS:
        return start.text.strip("`").upper()
    for before, token in pairwise(statement):
        if before.text in (")", "|>") and token.kind == "word" and token.text.upper() in _WRITES:
            return token.text.upper()
    return None


def _parameters(sql: str, statement: list[_Token]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for token in statement:
        if token.text == "?":
            raise UsageError(
                f"the parameter ? in line {_line(sql, token.start)} has no name",
                next_step="Write @name, and --param name=VALUE.",
            )
        if token.kind == "parameter":
            found[token.text[1:].strip("`").lower()] = None
    return tuple(found)


def _line(sql: str, position: int) -> int:
    return sql.count("\n", 0, position) + 1


def _excerpt(sql: str, statement: list[_Token]) -> str:
    return " ".join(sql[statement[0].start : statement[-1].end].split())[:80]


def marked(sql: str, line: int, column: int, *, width: int = 76) -> str:
    """Return a line of SQL with a caret under a column, both counted from 1; a long line is cut around it."""
    lines = sql.splitlines()
    text = lines[line - 1].replace("\t", " ") if 0 < line <= len(lines) else ""
    begin = max(0, min(column - 1 - width // 2, len(text) - width))
    shown = text[begin : begin + width].rstrip()
    return f"{shown}\n{' ' * (column - 1 - begin)}^"
