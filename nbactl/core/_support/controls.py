"""Characters that a terminal obeys, or does not show: they are made visible wherever text is for a person."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final
from unicodedata import category

if TYPE_CHECKING:
    from collections.abc import Callable

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control, format and surrogate characters, line and paragraph separators (Unicode, UAX #44)."""
_IN_LINES: Final = frozenset("\n\t")


def visible(text: str) -> str:
    r"""Return the text with control characters made visible, such as \x1b (invariant 28)."""
    return text if text.isprintable() else _replaced(text, _escape)


def visible_lines(text: str) -> str:
    """Return the text as `visible` does, but leave its lines and tabs as they are."""
    return text if text.isprintable() else _replaced(text, lambda char: char if char in _IN_LINES else _escape(char))


def json_safe(text: str) -> str:
    r"""Return JSON with what its own escapes leave, such as U+202E, written as \u202e."""
    return text if text.isprintable() else _replaced(text, _json_escape)


def has_controls(text: str) -> bool:
    """Say whether something in the text is not shown as it is."""
    return not text.isprintable() and any(_is_unseen(char) for char in text)


def _replaced(text: str, escape: Callable[[str], str]) -> str:
    return "".join(escape(char) if _is_unseen(char) else char for char in text)


@cache
def _is_unseen(char: str) -> bool:
    return category(char) in _UNSEEN


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _json_escape(char: str) -> str:
    if char in _IN_LINES:
        return char  # between the values of indented JSON; within a string JSON has escaped it
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[index : index + 2].hex()}" for index in range(0, len(units), 2))
