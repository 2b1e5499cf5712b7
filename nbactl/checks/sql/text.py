"""SQL text from a file or a program: with its holes filled in, and where each part of it is."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOLE: Final = "nbactl_hole_"
"""How the names begin that are put in for what is not known of a text in a program."""
_HOLES: Final = re.compile(r"\$?\{[A-Za-z_][\w.\[\]]*(?:\([^(){}]*\))?(?:![rsa])?(?::[^{}]*)?\}|\{\}")
_NUMBERED: Final = re.compile(r"\{\d+\}")
_PERCENT: Final = re.compile(r"%\(\w+\)[sd]|%[sd]\b")
TEMPLATE: Final = re.compile(r"\{\{|\{%|\{#")
"""What Jinja begins with."""


class Piece(NamedTuple):
    """A piece of text at a line and column of its file, from 1; a hole has no text."""

    text: str
    line: int
    column: int
    is_hole: bool = False


class SqlText:
    """The text that is parsed, made of pieces. `open` says that there may be more of it than is known."""

    def __init__(self, pieces: Sequence[Piece], *, is_open: bool = False, without_holes: bool = False) -> None:
        self.pieces = pieces
        self.is_open = is_open or without_holes
        self.has_holes = any(piece.is_hole for piece in pieces)
        parts: list[str] = []
        self._starts: list[int] = []
        at = 0
        for number, piece in enumerate(pieces):
            text = piece.text
            if piece.is_hole:
                after = pieces[number + 1].text if number + 1 < len(pieces) else ""
                text = " " if without_holes else _filled(number, parts[-1] if parts else "", after)
            self._starts.append(at)
            parts.append(text)
            at += len(text)
        self.text = "".join(parts)

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset into the text."""
        number = max(bisect_right(self._starts, offset) - 1, 0)
        piece = self.pieces[number]
        before = "" if piece.is_hole else piece.text[: offset - self._starts[number]]
        breaks = before.count("\n")
        if not breaks:
            return piece.line, piece.column + len(before)
        return piece.line + breaks, len(before) - before.rfind("\n")


def _filled(number: int, before: str, after: str) -> str:
    """Return what parses in the place of a hole."""
    name = f"{HOLE}{number}"
    before = before.rstrip(" ")
    if before[-4:].upper().strip() == "SET":
        return f"{name} = {name}"
    if after[:9].upper().strip() == "PERCENT)":
        return "1"
    return f" {name}" if before.endswith(")") else name


def pieces_of(text: str, line: int, column: int, *, percent: bool = False, numbered: bool = False) -> Iterator[Piece]:
    """Yield the pieces of a text that a program fills in: `{name}`, `${name}`; `{0}` and `%s` if that is asked for."""
    patterns = [_HOLES, *([_NUMBERED] if numbered else []), *([_PERCENT] if percent else [])]
    found = sorted(match.span() for pattern in patterns for match in pattern.finditer(text))
    at = 0
    for start, end in found:
        if start < at:
            continue
        yield Piece(text[at:start], *_moved(text, at, line, column))
        yield Piece("", *_moved(text, start, line, column), is_hole=True)
        at = end
    yield Piece(text[at:], *_moved(text, at, line, column))


def _moved(text: str, offset: int, line: int, column: int) -> tuple[int, int]:
    breaks = text.count("\n", 0, offset)
    return (line, column + offset) if not breaks else (line + breaks, offset - text.rfind("\n", 0, offset))
