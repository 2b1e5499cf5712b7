"""The text of a query without what differs from call to call: literals, parameters, comments, white space."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_PARTS: Final = re.compile(
    r"""
    (?P<space>(?:\s|--[^\n]*|\#[^\n]*|/\*.*?\*/)+)
    |(?P<literal>[rb]{0,2}(?:'{3}(?:\\.|(?!'{3}).)*'{3}|"{3}(?:\\.|(?!"{3}).)*"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")
        |(?<![\w`.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w`])|@(?!@)\w+)
    |(?P<name>`[^`]*`)
    |(?P<word>@@\w+|[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_LIST: Final = re.compile(r"\?(?: ?, ?\?)+")


@lru_cache(maxsize=512)
def normalized(sql: str) -> str:
    """Return a query in one line, with `?` for its literals and parameters, and for a list of them.

    It is for people, and for grouping where BigQuery's own hash is missing; the text need not be valid SQL.
    """

    def part(found: re.Match[str]) -> str:
        return " " if found.lastgroup == "space" else "?" if found.lastgroup == "literal" else found[0]

    return _LIST.sub("?", _PARTS.sub(part, sql)).strip()
