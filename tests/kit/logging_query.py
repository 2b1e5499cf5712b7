"""The part of the Logging query language that nbactl writes, read as Google documents it.

https://cloud.google.com/logging/docs/view/logging-query-language: comparisons joined by AND (a new line) and OR, values
in double quotes with escapes, `:` for "contains", text compared whatever its case.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Matches = Callable[[dict[str, Any]], bool]

SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
_TOKENS = re.compile(
    r"""\s*(?: (?P<string>"(?:[^"\\\n]|\\.)*") | (?P<op>>=|<=|!=|=|<|>|:|\(|\)) | (?P<word>[A-Za-z_][\w.]*) )""",
    re.VERBOSE,
)
_ESCAPES = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")


class SyntaxRefusedError(ValueError):
    """The query is not one."""


def compile_query(text: str) -> Matches:
    """Return what says whether an entry, as a mapping of paths to values, matches. Raises SyntaxRefusedError."""
    parts = [_Parser(line).whole() for line in text.split("\n") if line.strip()]
    return lambda entry: all(part(entry) for part in parts)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            found = _TOKENS.match(text, position)
            if found is None:
                raise SyntaxRefusedError(f"unparseable at {position}: {text}")
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            position = found.end()

    def whole(self) -> Matches:
        found = self._either()
        if self._tokens:
            raise SyntaxRefusedError(f"unexpected {self._tokens[0][1]}")
        return found

    def _either(self) -> Matches:
        options = [self._comparison()]
        while self._tokens and self._tokens[0] == ("word", "OR"):
            self._tokens.pop(0)
            options.append(self._comparison())
        return lambda entry: any(option(entry) for option in options)

    def _comparison(self) -> Matches:
        kind, path = self._next()
        if (kind, path) == ("op", "("):
            inner = self._either()
            self._expect(")")
            return inner
        if kind != "word":
            raise SyntaxRefusedError(f"a field was expected, not {path}")
        _, operator = self._next()
        values = self._values()
        return lambda entry: any(_compare(entry.get(path), operator, value, path) for value in values)

    def _values(self) -> list[str]:
        kind, text = self._next()
        if (kind, text) != ("op", "("):
            return [_unquoted(kind, text)]
        values = [_unquoted(*self._next())]
        while self._tokens and self._tokens[0] == ("word", "OR"):
            self._tokens.pop(0)
            values.append(_unquoted(*self._next()))
        self._expect(")")
        return values

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise SyntaxRefusedError("unexpected end")
        return self._tokens.pop(0)

    def _expect(self, text: str) -> None:
        if self._next()[1] != text:
            raise SyntaxRefusedError(f"{text} was expected")


def _unquoted(kind: str, text: str) -> str:
    if kind == "word":
        return text
    if kind != "string":
        raise SyntaxRefusedError(f"a value was expected, not {text}")

    def plain(found: re.Match[str]) -> str:
        code = found[1]
        return chr(int(code[1:], 16)) if len(code) > 1 else code

    return _ESCAPES.sub(plain, text[1:-1])


def _compare(found: Any, operator: str, value: str, path: str) -> bool:
    if found is None:
        return False
    if path == "severity":
        left, right = SEVERITIES.index(found), SEVERITIES.index(value)
        return left >= right if operator == ">=" else left == right
    if path == "timestamp":
        instant = datetime.fromisoformat(value)
        return bool(found >= instant if operator == ">=" else found < instant)
    left_text, right_text = str(found).casefold(), value.casefold()
    return right_text in left_text if operator == ":" else left_text == right_text
