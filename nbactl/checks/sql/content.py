"""What one text of SQL has: the findings of the rules, and what of it could not be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from nbactl.checks.code.rule import Edit, Hit
from nbactl.checks.sql.rules import SQL_RULES
from nbactl.checks.sql.statement import NotParsedError, Statement, read_script
from nbactl.checks.sql.text import TEMPLATE, SqlText, pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.checks.sql.tables import Tables

TEMPLATE_REASON: Final = "a Jinja template; render it first"


class Unparsed(NamedTuple):
    """A line from which on something was not looked at, and why. `is_error`: it is meant to be SQL, and is not."""

    line: int
    reason: str
    is_error: bool


class SqlFound(NamedTuple):
    """The findings in one text."""

    hits: list[Hit]
    unparsed: list[Unparsed]
    statements: int
    """How many were looked at."""
    read: list[Statement]
    """Those of a text of SQL itself."""


def look_at_file(content: bytes, tables: Tables) -> SqlFound:
    """Look at a file of SQL."""
    text = content.decode("utf-8-sig", errors="replace")
    if (found := TEMPLATE.search(text)) is not None:
        line = text.count("\n", 0, found.start()) + 1
        return SqlFound([], [Unparsed(line, TEMPLATE_REASON, is_error=False)], 0, [])
    pieces = list(pieces_of(text, 1, 1))
    found_here = look_at(SqlText(pieces), tables)
    if len(pieces) == 1:
        return found_here
    return SqlFound([hit._replace(edit=None) for hit in found_here.hits], *found_here[1:])


def look_at(text: SqlText, tables: Tables) -> SqlFound:
    """Look at a text; one that does not parse with names in its holes is looked at once more without them."""
    found = _attempt(text, tables)
    if found.unparsed and text.has_holes:
        again = _attempt(SqlText(text.pieces, without_holes=True), tables)
        if len(again.unparsed) < len(found.unparsed):
            return again
    return found


def _attempt(text: SqlText, tables: Tables) -> SqlFound:
    try:
        statements, failures = read_script(text.text, tables, is_open=text.is_open)
    except NotParsedError as error:
        statements, failures = [], [error]
    hits = [hit for statement in statements for hit in _hits(statement, text)]
    unparsed = []
    for failure in failures:
        explained = [] if failure.statement is None else list(_hits(failure.statement, text))
        hits += explained  # the syntax of another database, which the parser refuses as well
        if not explained:
            line = text.place(failure.offset or 0)[0]
            unparsed.append(Unparsed(line, failure.reason, is_error=not text.has_holes))
    return SqlFound(hits, unparsed, len(statements), statements)


def _hits(statement: Statement, text: SqlText) -> Iterator[Hit]:
    span: tuple[int, int] | None = None
    for rule in SQL_RULES:
        assert rule.statements is not None  # noqa: S101 - that is what makes it one of these
        for spot in rule.statements(statement):
            if span is None:
                first, last = statement.tokens[0], statement.tokens[-1]
                span = (text.place(first.start)[0], text.place(last.end)[0])
            line, column = text.place(spot.offset)
            edit = None if spot.edit is None else _edit(text, *spot.edit)
            yield Hit(rule.name, line, column, line, spot.message, "", edit, span, spot.table)


def _edit(text: SqlText, start: int, end: int, new: str) -> Edit | None:
    """Return a rewrite inside of one line, in bytes; None across lines."""
    line, _ = text.place(start)
    if "\n" in text.text[start:end]:
        return None
    before = text.text[text.text.rfind("\n", 0, start) + 1 : start]
    offset = len(before.encode())
    return Edit(line, offset, offset + len(text.text[start:end].encode()), new)
