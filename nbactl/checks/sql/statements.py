"""The texts of single statements, to ask BigQuery for their price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.checks.code.files import PYTHON, parse, read
from nbactl.checks.sql.content import look_at
from nbactl.checks.sql.embedded import find_sql
from nbactl.checks.sql.tables import Tables
from nbactl.checks.sql.text import SqlText, pieces_of

if TYPE_CHECKING:
    from pathlib import Path


def statements_in(path: Path) -> dict[tuple[int, int], str]:
    """Return the statements of a file by their first and last line; those with holes cannot be run and are left out.

    Lines with several statements are left out as well, because a finding does not say which of them it is about.
    """
    content = read(path)
    found: dict[tuple[int, int], str] = {}
    if path.suffix in PYTHON:
        for each in find_sql(parse(content)):
            if not each.text.has_holes and not each.text.is_open:
                found[each.line, each.end_line] = each.text.text
        return found
    text = SqlText(list(pieces_of(content.decode("utf-8-sig", errors="replace"), 1, 1)))
    several = set()
    for statement in [] if text.has_holes else look_at(text, Tables()).read:
        start, end = statement.tokens[0].start, statement.tokens[-1].end
        span = (text.place(start)[0], text.place(end)[0])
        if span in found:
            several.add(span)
        found[span] = text.text[start : end + 1]
    return {span: statement for span, statement in found.items() if span not in several}
