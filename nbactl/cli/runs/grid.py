"""The runs of a range as a grid: a row for each date, a column for each phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.cli.run.summary import by_phase
from nbactl.cli.run.text import state_glyph
from nbactl.cli.show.states import look
from nbactl.cli.show.text import Styled
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Row, Segment
    from nbactl.workflows.model import RunRecord


def show_grid(console: Console, runs: Sequence[tuple[RunRecord, str]]) -> None:
    """Show runs, each with its state: how each ended and how long it took; of a date that ran twice, the last."""
    phases = by_phase(runs)
    cells = {(run.game_date, run.name): (run, state) for run, state in runs}
    days = sorted({run.game_date for run, _ in runs})
    rows: list[Row] = [[str(day), *(_cell(console, cells.get((day, phase.name))) for phase in phases)] for day in days]
    rows.append([Styled("together", "dim"), *(Styled(format_duration(phase.seconds), "dim") for phase in phases)])
    console.table(["date", *(phase.name for phase in phases)], rows)
    shown = dict.fromkeys(state for _, state in runs)
    console.note(Styled(", ".join(f"{state_glyph(console, state)} {look(state).word}" for state in shown), "dim"))


def _cell(console: Console, of_cell: tuple[RunRecord, str] | None) -> Segment:
    if of_cell is None:
        return ""
    run, state = of_cell
    glyph = state_glyph(console, state)
    took = format_duration((run.finished_at - run.started_at).total_seconds()) if run.finished_at else ""
    return Styled(f"{glyph} {took}".rstrip(), look(state).style)
