"""A text of SQL as statements: a script of BigQuery is taken apart here, because the parser does not know its blocks.

The parser takes the first statement of a block for text, and a statement-level ELSE drops the rest of the script.
https://cloud.google.com/bigquery/docs/reference/standard-sql/procedural-language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from sqlglot.tokenizer_core import TokenType  # noqa: TID253 - loaded when SQL is looked at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot.tokenizer_core import Token

_OPEN: Final = frozenset({"(", "[", "CASE"})
_CLOSE: Final = frozenset({")", "]"})
_PARSED: Final = frozenset({"SELECT", "WITH", "(", "FROM", "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE"})
_EXPRESSIONS: Final = frozenset({"SET", "ASSERT", "RETURN"})
_WITHOUT_QUERY: Final = frozenset({
    "CALL", "EXECUTE", "DROP", "ALTER", "TRUNCATE", "GRANT", "REVOKE", "LOAD", "RAISE", "BREAK", "LEAVE", "CONTINUE",
    "ITERATE", "COMMIT", "ROLLBACK", "UNDROP",
})  # fmt: skip
_BLOCKS: Final = frozenset({"BEGIN", "LOOP", "WHILE", "REPEAT", "FOR"})
_TEXTS: Final = frozenset({TokenType.STRING, TokenType.RAW_STRING, TokenType.BYTE_STRING, TokenType.HEREDOC_STRING})
MAX_DEPTH: Final = 100
"""Parentheses inside parentheses; the parser's time grows with the square of the depth of subqueries."""


class Chunk(NamedTuple):
    """The tokens of one statement, or of one expression of the procedural language.

    `kind` is `other` for a statement that has no query, and `unknown` for what does not begin as a statement.
    """

    tokens: Sequence[Token]
    words: Sequence[str]
    kind: Literal["statement", "expression", "other", "unknown"] = "statement"


class Script(NamedTuple):
    """The statements of a text, and the variables and parameters that it declares, lower-case."""

    chunks: list[Chunk]
    variables: frozenset[str]


class TooDeepError(ValueError):
    """A statement that is nested too deeply to be parsed."""


def words_of(tokens: Sequence[Token]) -> list[str]:
    """Return the tokens as upper-case words; of texts and quoted names what they are in place of what they say."""
    return [_word(token) for token in tokens]


def _word(token: Token) -> str:
    kind = token.token_type
    if kind is TokenType.IDENTIFIER:
        return "`"
    if kind in _TEXTS:
        return "'"
    word = token.text.upper()
    return word if word.isalnum() else " ".join(word.split()) or word


def split_script(tokens: Sequence[Token]) -> Script:
    """Return the statements of a script. Raises TooDeepError."""
    return _Splitter(tokens).split()


class _Splitter:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._words = words_of(tokens)
        self._at = 0
        self._chunks: list[Chunk] = []
        self._variables: set[str] = set()

    def split(self) -> Script:
        self._check_depth()
        while self._at < len(self._words):
            self._statement()
        return Script(self._chunks, frozenset(self._variables))

    def _check_depth(self) -> None:
        depth = 0
        for word in self._words:
            if word in _OPEN:
                depth += 1
                if depth > MAX_DEPTH:
                    raise TooDeepError("nested too deeply")
            elif word in _CLOSE or (word == "END" and depth):
                depth -= 1
            elif word == ";":
                depth = 0

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._words[at] if at < len(self._words) else ""

    def _find(self, *wanted: str) -> int:
        """Return where the next of these words is that is not inside of something else, or the end of the statement."""
        depth, at = 0, self._at
        while at < len(self._words):
            word = self._words[at]
            if word == ";" or (depth == 0 and word in wanted):
                return at
            if word in _OPEN:
                depth += 1
            elif word in _CLOSE or (word == "END" and depth):
                depth -= 1
            at += 1
        return at

    def _take(self, end: int, kind: Literal["statement", "expression", "other", "unknown"] = "statement") -> None:
        """Make the tokens up to `end` a chunk."""
        if end > self._at:
            self._chunks.append(Chunk(self._tokens[self._at : end], self._words[self._at : end], kind))
        self._at = end

    def _statement(self) -> None:  # noqa: C901, PLR0912 - one branch a word
        word = self._peek()
        if word in (";", "ELSE", "LOOP", "REPEAT"):
            self._at += 1
        elif word == "BEGIN":
            self._at = self._find(";") if self._peek(1) in ("TRANSACTION", ";", "") else self._at + 1
        elif word in ("IF", "ELSEIF", "WHILE", "UNTIL", "WHEN"):
            self._at += 1
            self._take(self._find("THEN", "DO", "END"), "expression")
            self._at += self._peek() in ("THEN", "DO")
        elif word == "CASE":
            self._at += 1
            self._take(self._find("WHEN"), "expression")
        elif word == "FOR":
            self._at = self._find("IN") + 1
            self._take(self._find("DO"))
            self._at += 1
        elif word == "END":
            self._at = self._find(";")
        elif word == "EXCEPTION" and self._peek(1) == "WHEN":
            self._at = self._find("THEN") + 1
        elif self._peek(1) == ":" and self._peek(2) in _BLOCKS:
            self._at += 2
        elif word == "DECLARE":
            self._declare()
        elif word in _EXPRESSIONS:
            self._at = self._find("=") + 1 if word == "SET" else self._at + 1
            self._take(self._find(), "expression")
        elif word == "CREATE" and "PROCEDURE" in self._words[self._at : self._at + 4]:
            self._procedure()
        elif word == "EXPORT":
            self._at = self._find("AS") + 1
            self._take(self._find())
        elif word in _PARSED:
            self._take(self._find())
        else:
            self._take(self._find(), "other" if word in _WITHOUT_QUERY else "unknown")

    def _declare(self) -> None:
        self._at += 1
        while self._peek() and self._peek() != ";":
            self._variables.add(self._tokens[self._at].text.lower())
            if self._peek(1) != ",":
                break
            self._at += 2
        self._at = self._find("DEFAULT") + 1
        if self._at <= len(self._words) and self._words[self._at - 1] == "DEFAULT":
            self._take(self._find(), "expression")

    def _procedure(self) -> None:
        start = self._at
        self._at = begin = self._find("BEGIN")
        depth = 0
        for at in range(start, begin):
            word, before = self._words[at], self._words[at - 1]
            if depth == 1 and before in ("(", ",", "IN", "OUT", "INOUT"):
                self._variables.add(self._tokens[at].text.lower())
            depth += (word == "(") - (word == ")")
