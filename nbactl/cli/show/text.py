"""Text with styles: how it is coloured, how wide it is, how it is laid out in columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final, NamedTuple
from unicodedata import combining, east_asian_width

from nbactl.core._support.controls import visible, visible_lines
from nbactl.core.observe.masking import mask

_SGR: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_GAP: Final = 2
_LEAST_WRAPPED: Final = 16
"""A last column narrower than this is not wrapped any further: the terminal does that as well."""


KEEP_WORDS: Final[Any] = {"break_long_words": False, "break_on_hyphens": False}
"""How text is wrapped everywhere: never inside of a word."""


class Styled(NamedTuple):
    """A piece of text and how it looks where colours are shown: words of `bold dim red green yellow cyan`.

    In a table, text that is `whole` is never wrapped.
    """

    text: str
    style: str
    whole: bool = False


Segment = str | Styled
Row = Sequence[Segment | None]


def copyable(command: str) -> Styled:
    """Return a command line for a table: it stays in one line, so that it can be copied."""
    return Styled(command, "", whole=True)


def coloured(segment: Segment) -> str:
    """Return the segment as it is shown, with its style as escape sequences; secrets are masked."""
    text = visible_lines(mask(text_of(segment)))
    if isinstance(segment, str) or not segment.style:
        return text
    codes = ";".join(_SGR[word] for word in segment.style.split())
    return f"\x1b[{codes}m{text}\x1b[0m"


def plain_text(segment: Segment) -> str:
    """Return the segment as it is shown where there are no colours; secrets are masked."""
    return visible_lines(mask(text_of(segment)))


def text_of(segment: Segment | None) -> str:
    """Return the segment without its style."""
    return segment.text if isinstance(segment, Styled) else segment or ""


def cell_width(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


class Table(NamedTuple):
    """A table as it is shown, and the columns that had no room."""

    lines: list[list[Segment]]
    hidden: list[str]


def lay_out(columns: Sequence[str], rows: Sequence[Row], width: int, optional: Sequence[str]) -> Table:
    """Lay a table out: numbers to the right, the last column wrapped where it does not fit.

    Where even that is too wide, columns in `optional` are left out, the first named first; then the widest ones go over
    several lines, words broken, except for cells that are `whole`.
    """
    rows = [[_visible_cell(cell) for cell in row] for row in rows]
    shown = list(range(len(columns)))
    for name in [*optional, None]:
        widths = {index: max(cell_width(text_of(row[index])) for row in ([*columns], *rows)) for index in shown}
        fixed = sum(widths[index] + _GAP for index in shown[:-1])
        room = width - fixed
        if widths[shown[-1]] <= room or room >= _LEAST_WRAPPED + _GAP or name is None:
            break
        shown.remove(list(columns).index(name))
    if widths[shown[-1]] > room >= _LEAST_WRAPPED:
        widths[shown[-1]] = room
    else:
        _narrow(widths, width - _GAP * (len(shown) - 1), [index for index in shown if not _has_whole(rows, index)])
    numeric = {index for index in shown if _is_numeric(rows, index)}
    heading = [Styled(column.upper(), "bold") for column in columns]
    lines = [
        line
        for row in (heading, *rows)
        for line in _lines(
            [row[index] for index in shown], [widths[i] for i in shown], [index in numeric for index in shown]
        )
    ]
    return Table(lines, [column for index, column in enumerate(columns) if index not in shown])


def _narrow(widths: dict[int, int], room: int, indexes: Sequence[int]) -> None:
    """Take what is too much for `room` from the widest columns, down to a least width."""
    while sum(widths.values()) > room and indexes:
        widest = max(indexes, key=widths.__getitem__)
        if widths[widest] <= _LEAST_WRAPPED:
            return
        widths[widest] -= 1


def _has_whole(rows: Sequence[Row], index: int) -> bool:
    return any(isinstance(row[index], Styled) and row[index].whole for row in rows)  # type: ignore[union-attr]


def _visible_cell(cell: Segment | None) -> Segment | None:
    if isinstance(cell, Styled):
        return cell._replace(text=_shown(cell.text))
    return None if cell is None else _shown(cell)


def _shown(text: str) -> str:
    return visible(mask(text))


def _lines(cells: Row, widths: Sequence[int], numeric: Sequence[bool]) -> list[list[Segment]]:
    wrapped = [_broken(cell, width) for cell, width in zip(cells[:-1], widths[:-1], strict=True)]
    wrapped.append(_wrap(cells[-1], widths[-1]))
    lines: list[list[Segment]] = []
    for pieces in zip_longest(*wrapped):
        line: list[Segment] = []
        for index, (piece, width) in enumerate(zip(pieces, widths, strict=True)):
            space = " " * (width - cell_width(text_of(piece)))
            line += [space, piece or ""] if numeric[index] else [piece or "", space]
            line.append(" " * _GAP)
        while line and not text_of(line[-1]).strip():
            line.pop()
        lines.append(line)
    return lines


def _wrap(cell: Segment | None, width: int) -> list[Segment]:
    text = text_of(cell)
    if cell_width(text) <= width or (isinstance(cell, Styled) and cell.whole):
        return [cell or ""]
    style = cell.style if isinstance(cell, Styled) else ""
    return [Styled(line, style) for line in textwrap.wrap(text, width, **KEEP_WORDS)]


def _broken(cell: Segment | None, width: int) -> list[Segment]:
    """Return the lines of a cell that is too wide, each broken between words where one ends late enough."""
    text = text_of(cell)
    if cell_width(text) <= width:
        return [cell or ""]
    style = cell.style if isinstance(cell, Styled) else ""
    lines = []
    while cell_width(text) > width:
        end = width
        while cell_width(text[:end]) > width:
            end -= 1
        end = next((at for at in range(end, width // 2, -1) if _may_break(text[at - 1], text[at])), end)
        lines.append(text[:end].rstrip(" "))
        text = text[end:]
    return [Styled(line, style) for line in [*lines, text]]


def _may_break(before: str, after: str) -> bool:
    """Say whether a name may be broken here: after a separator, and where a word begins with a capital."""
    return before in " _-./" or (before.islower() and after.isupper())


def _is_numeric(rows: Sequence[Row], index: int) -> bool:
    texts = [text for row in rows if (text := text_of(row[index]))]
    return bool(texts) and all(text.replace(",", "").replace(".", "", 1).lstrip("-").isdigit() for text in texts)
