"""Definitions that sqlglot gives up on: several changes of a column, options of a column, snapshots and clones.

Such a statement is taken apart by its tokens, and each part is parsed in its own place, so that errors keep theirs.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nbactl.ports.sql import parse_one

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlglot import exp
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.tokenizer_core import Token

SNAPSHOT: Final = "SNAPSHOT TABLE"
"""The kind of CREATE SNAPSHOT TABLE and DROP SNAPSHOT TABLE."""
_OURS: Final = re.compile(r"\b(?:ALTER\s+COLUMN|SNAPSHOT\s+TABLE|CLONE|COPY)\b", re.IGNORECASE)
_ACTIONS: Final = ("ADD", "ALTER", "DROP", "RENAME", "SET")


def parse_definition(sql: str, dialect: Dialect) -> exp.Expr | None:
    """Parse a statement of this module, None for any other. Raises DataError with line and column."""
    from sqlglot.errors import TokenError

    if not _OURS.search(sql):
        return None
    try:
        tokens = _Tokens(sql, dialect.tokenize(sql))
    except TokenError:
        return None  # the parser says what is wrong
    match tokens.words[:2]:
        case ["ALTER", "TABLE"]:
            return _alter(tokens, dialect)
        case ["DROP", "SNAPSHOT"]:
            return _of_kind(SNAPSHOT, parse_one(tokens.text([*tokens.all[:1], *tokens.all[2:]]), dialect))
        case ["CREATE", *_]:
            return _clone(tokens, dialect)
    return None


class _Tokens:
    """The tokens of a statement, without its end."""

    def __init__(self, sql: str, tokens: Iterable[Token]) -> None:
        self.sql = sql
        self.all = [token for token in tokens if token.text != ";"]
        self.words = ["" if _is_quoted(token) else token.text.upper() for token in self.all]
        """In upper case; nothing for what is quoted."""

    def text(self, kept: Sequence[Token]) -> str:
        """Return the statement with blanks in place of all tokens but these."""
        places = [(token.start, token.end + 1) for token in kept]
        blank = re.sub(r"[^\n]", " ", self.sql)
        for start, end in places:
            blank = blank[:start] + self.sql[start:end] + blank[end:]
        return blank

    def outside(self, words: Sequence[str], start: int) -> list[int]:
        """Return where these words are outside of parentheses and of the angle brackets of types."""
        depth, found = 0, []
        for at, word in enumerate(self.words):
            depth += sum((sign in "(<") - (sign in ")>") for sign in word if sign in "()<>")
            if at >= start and depth == 0 and word in words and self.words[at - 1] != ".":
                found.append(at)
        return found


def _is_quoted(token: Token) -> bool:
    from sqlglot.tokenizer_core import TokenType

    return token.token_type in (TokenType.IDENTIFIER, TokenType.STRING)


def _of_kind(kind: str, tree: exp.Expr) -> exp.Expr:
    tree.set("kind", kind)
    return tree


def _alter(tokens: _Tokens, dialect: Dialect) -> exp.Expr | None:
    starts = tokens.outside(_ACTIONS, 2)
    if not starts:
        return None
    head, commas = tokens.all[: starts[0]], tokens.outside((",",), starts[0])
    whole: exp.Expr | None = None
    for start, end in zip([starts[0], *(comma + 1 for comma in commas)], [*commas, len(tokens.all)], strict=True):
        part = _action(tokens, head, start, end, dialect)
        if whole is None:
            whole = part
        elif "actions" in whole.args and "actions" in part.args:
            whole.append("actions", part.args["actions"][0])
    return whole


def _action(tokens: _Tokens, head: list[Token], start: int, end: int, dialect: Dialect) -> exp.Expr:
    """Parse one action as a statement of its own. The options of a column are the argument `options` of its change."""
    from sqlglot import exp

    words = tokens.words[start:end]
    if words[:2] != ["ALTER", "COLUMN"] or words[-1:] != [")"] or "OPTIONS" not in words:
        return parse_one(tokens.text([*head, *tokens.all[start:end]]), dialect)
    options = words.index("OPTIONS") - 1
    tree = parse_one(tokens.text([*head, *tokens.all[start + options : end]]), dialect)
    column = exp.AlterColumn(
        this=exp.to_identifier(tokens.all[start + options - 1].text),
        exists=words[2:4] == ["IF", "EXISTS"] or None,
        options=[*tree.find_all(exp.Property)],
    )
    tree.set("actions", [column])
    return tree


def _clone(tokens: _Tokens, dialect: Dialect) -> exp.Expr | None:
    from sqlglot import exp

    clones = tokens.outside(("CLONE", "COPY"), 3)
    if not clones or tokens.outside(("AS", "LIKE"), 3):
        return None
    end = next(iter(tokens.outside(("OPTIONS",), clones[0])), len(tokens.all))
    snapshot = "SNAPSHOT" in tokens.words[:2]
    kept = [token for at, token in enumerate(tokens.all[:end]) if not (snapshot and at == 1)]
    tree = parse_one(tokens.text(kept), dialect)
    if end < len(tokens.all):
        options = tokens.sql[tokens.all[end].start : tokens.all[-1].end + 1]
        given = parse_one(f"ALTER TABLE t SET {options}", dialect)
        tree.set("properties", exp.Properties(expressions=[*given.find_all(exp.Property)]))
    return _of_kind(SNAPSHOT, tree) if snapshot else tree
