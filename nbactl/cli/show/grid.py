"""Rows of the warehouse as a table: numbers to the right, what has no room is cut or left out, and said to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.cells import cell, is_number
from nbactl.cli.show.text import Styled, cell_width, text_of
from nbactl.core._support.controls import visible
from nbactl.core.observe.masking import mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment

_GAP: Final = 2
_NAMED: Final = 3
"""How many hidden columns are named."""
_LEAST: Final = 12
"""No text is cut to fewer columns of the terminal than this."""
_CUT: Final = ("STRING", "BYTES", "JSON", "ARRAY", "STRUCT", "RECORD")
"""What may be cut: half a number, or half a date, would be another one."""


@dataclass(slots=True)
class _Layout:
    shown: int
    widths: list[int]
    cut: int = field(default=0)


def show_rows(console: Console, columns: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write rows as a table, a single row that is too wide for one as a list of its values.

    On a terminal texts are cut with a sign, and columns that have no room left out; a note says so. `-o wide` shows
    everything.
    """
    cells = [[_shown(value) for value in row] for row in rows]
    natural = [
        max([cell_width(name), *(cell_width(text_of(row[number])) for row in cells)])
        for number, name in enumerate(columns)
    ]
    width = sum(natural) + _GAP * len(columns) if console.out.wide else console.out.width
    if len(cells) == 1 and sum(natural) + _GAP * (len(columns) - 1) > width:
        _show_record(console, columns, cells[0])
        return
    kinds = types or [""] * len(columns)
    layout = _fit(columns, natural, kinds, width)
    right = [is_number(kind) for kind in kinds]
    heading = [Styled(name.upper(), "bold") for name in map(_plain, columns)]
    lines: list[Sequence[Segment]] = [heading, *cells]
    for row in lines:
        console.print(*_line(console, row, layout, right))
    hidden = columns[layout.shown :]
    notes = [f"{layout.cut} value{'s' if layout.cut > 1 else ''} cut"] if layout.cut else []
    if hidden:
        named = ", ".join([*hidden[:_NAMED], *(["…"] if len(hidden) > _NAMED else [])])
        notes.append(f"{len(hidden)} column{'s' if len(hidden) > 1 else ''} hidden ({named})")
    if notes:
        console.note(Styled(f"{', '.join(notes)}: use -o wide.", "dim"))


def _show_record(console: Console, columns: Sequence[str], cells: Sequence[Segment]) -> None:
    width = max(map(cell_width, columns))
    for name, value in zip(columns, cells, strict=True):
        console.print(Styled(_plain(name), "bold"), " " * (width - cell_width(name) + _GAP), value)


def _shown(value: Any) -> Segment:  # noqa: ANN401 - a cell of any type
    shown = cell(value)
    return shown if isinstance(shown, Styled) else _plain(shown)


def _plain(text: str) -> str:
    return visible(mask(text))


def _fit(columns: Sequence[str], natural: Sequence[int], kinds: Sequence[str], width: int) -> _Layout:
    """Return how many columns are shown, and how wide: each as wide as it is, or at least as wide as it may be cut."""
    least = [
        min(full, max(cell_width(name), _LEAST)) if kind.startswith(_CUT) or not kind else full
        for name, full, kind in zip(columns, natural, kinds, strict=True)
    ]
    shown = len(columns)
    while shown > 1 and sum(least[:shown]) + _GAP * (shown - 1) > width:
        shown -= 1
    widths = least[:shown]
    room = max(0, width - sum(widths) - _GAP * (shown - 1))
    wanting = sorted((number for number in range(shown) if natural[number] > widths[number]), key=natural.__getitem__)
    for position, number in enumerate(wanting):
        more = min(natural[number] - widths[number], room // (len(wanting) - position))
        widths[number] += more
        room -= more
    return _Layout(shown, widths)


def _line(console: Console, row: Sequence[Segment], layout: _Layout, right: Sequence[bool]) -> list[Segment]:
    line: list[Segment] = []
    for number, width in enumerate(layout.widths):
        value = row[number]
        if cell_width(text_of(value)) > width:
            value = _cut(text_of(value), width, console.out.glyph("…", "~"))
            layout.cut += 1
        space = " " * (width - cell_width(text_of(value)))
        line += [space, value] if right[number] else [value, space]
        line.append(" " * _GAP)
    while line and not text_of(line[-1]).strip():
        line.pop()
    return line


def _cut(text: str, width: int, sign: str) -> str:
    kept = text[:width]
    while cell_width(kept) > width - 1:
        kept = kept[:-1]
    return kept + sign
