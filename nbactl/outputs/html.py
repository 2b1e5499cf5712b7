"""The grid as a fragment of HTML, for a page that embeds it: a table with headers for screen readers, no scripts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from nbactl.core._support.controls import visible
from nbactl.core.observe.masking import mask
from nbactl.outputs.model import OutputState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.core._support.gamedate import GameDate
    from nbactl.outputs.model import Grid, Output

WORDS: Final[Mapping[OutputState, str]] = {
    OutputState.COMPLETE: "ok",
    OutputState.EMPTY_OK: "none",
    OutputState.EXPECTED: "due",
    OutputState.PARTIAL: "part",
    OutputState.STALE: "stale",
    OutputState.MISSING: "miss",
    OutputState.FAILED: "fail",
    OutputState.LATE: "late",
}
"""The word of each state in a cell."""
MEANINGS: Final[Mapping[OutputState, str]] = {
    OutputState.COMPLETE: "complete",
    OutputState.EMPTY_OK: "the source proves that there is nothing",
    OutputState.EXPECTED: "not due yet",
    OutputState.PARTIAL: "fewer than the date has",
    OutputState.STALE: "its data changed since",
    OutputState.MISSING: "missing",
    OutputState.FAILED: "failed",
    OutputState.LATE: "overdue, and still on its way",
}
_STYLE: Final = (
    ".grid{border-collapse:collapse;font-size:.8rem}.grid th,.grid td{padding:.1rem .35rem;text-align:left}"
    ".grid thead th{font-weight:600}.grid .phase{padding-top:.5rem}"
    ".grid .ok,.grid .none{color:light-dark(#176b2c,#6fd08c)}.grid .due,.grid .idle{opacity:.6}"
    ".grid .part,.grid .stale{color:light-dark(#7a5200,#e5b95c)}"
    ".grid .miss,.grid .fail,.grid .late{color:light-dark(#a4161a,#ff8a8a);font-weight:700}"
    ".grid-scroll{overflow-x:auto}"
)


def grid_html(grid: Grid, dates: int = 14) -> str:
    """Return the newest dates of a grid as `<style>` and a table that scrolls where the page is narrow.

    The colours follow the page's `color-scheme`. Every cell says its state in a word, and why in its title.
    """
    days = sorted({*grid.idle, *(output.game_date for output in grid.outputs)})
    shown = days[-dates:]
    by_cell = {(output.phase, output.name, output.game_date): output for output in grid.outputs}
    names: dict[str, dict[str, bool]] = {}
    for output in grid.outputs:
        names.setdefault(output.phase, {})[output.name] = output.required
    heads = "".join(f'<th scope="col">{day.day:%m-%d}</th>' for day in shown)
    body = "".join(
        f'<tr><th class="phase" scope="rowgroup" colspan="{len(shown) + 1}">{_text(phase)}</th></tr>'
        + "".join(
            _row(name, required, [by_cell.get((phase, name, day)) for day in shown], shown, grid)
            for name, required in of_phase.items()
        )
        for phase, of_phase in names.items()
    )
    left_out = f" The newest {len(shown)} of {len(days)} dates." if len(shown) < len(days) else ""
    legend = ", ".join(f"{WORDS[state]} = {MEANINGS[state]}" for state in OutputState if grid.summary[state.value])
    caption = f"Expected outputs by date: {legend or 'nothing is expected'}.{left_out}"
    return (
        f'<style>{_STYLE}</style><div class="grid-scroll" tabindex="0"><table class="grid"><caption>{_text(caption)}'
        f'</caption><thead><tr><th scope="col">output</th>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _row(
    name: str,
    required: bool,
    cells: Sequence[Output | None],
    days: Sequence[GameDate],
    grid: Grid,
) -> str:
    label = _text(name if required else f"{name} (optional)")
    return (
        f'<tr><th scope="row">{label}</th>{"".join(_cell(*pair, grid) for pair in zip(cells, days, strict=True))}</tr>'
    )


def _cell(output: Output | None, day: GameDate, grid: Grid) -> str:
    if output is None:
        idle = grid.idle.get(day)
        return "<td></td>" if idle is None else f'<td class="idle" title="{_text(idle.reason)}">-</td>'
    word = WORDS[output.state]
    title = f' title="{_text(output.reason)}"' if output.reason else ""
    return f'<td class="{word}"{title}>{word}</td>'


def _text(text: str) -> str:
    return escape(visible(mask(text)))
