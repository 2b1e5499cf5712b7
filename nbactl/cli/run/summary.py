"""The runs of a date range by phase."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from nbactl.cli.run.text import FINE, state, why_not_done
from nbactl.cli.show.states import look
from nbactl.cli.show.text import cell_width, text_of
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Row
    from nbactl.workflows.model import RunRecord

_NAMED: Final = 20
"""How many runs that did not succeed are named."""
_WHY_LEAST: Final = 20
"""Cells in which a terminal shows why."""
_SUMMED: Final = {"succeeded": "done", "partial": "partial", "failed": "failed", "skipped": "skipped"}
"""The states that each summary has a column for."""


class PhaseSummary:
    """The runs of one name: how many by state, the rows they wrote, the seconds they took together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.states: Counter[str] = Counter()
        self.rows = 0
        self.seconds = 0.0


def by_phase(runs: Iterable[tuple[RunRecord, str]]) -> list[PhaseSummary]:
    """Sum runs up by their names; each comes with the state that is shown for it."""
    found: dict[str, PhaseSummary] = {}
    for run, shown in runs:
        phase = found.setdefault(run.name, PhaseSummary(run.name))
        phase.states[shown] += 1
        phase.rows += sum(task.rows or 0 for task in run.tasks if not task.carried_from)
        if run.finished_at is not None:
            phase.seconds += (run.finished_at - run.started_at).total_seconds()
    return list(found.values())


def show_range(console: Console, runs: Sequence[tuple[RunRecord, str]]) -> None:
    """Show runs of many dates, each with its state: a line for each phase, then those that did not succeed."""
    phases = by_phase(runs)
    others = sorted({shown for phase in phases for shown in phase.states} - _SUMMED.keys())
    columns = {**_SUMMED, **{shown: look(shown).word for shown in others}}
    rows: list[Row] = [
        [
            phase.name,
            f"{phase.states.total():,}",
            *(f"{phase.states[shown]:,}" for shown in columns),
            f"{phase.rows:,}",
            format_duration(phase.seconds),
        ]
        for phase in phases
    ]
    console.table(["phase", "dates", *columns.values(), "rows", "took"], rows)
    unsuccessful = [(run, shown) for run, shown in runs if shown not in FINE]
    if unsuccessful:
        console.print()
        _show_unsuccessful(console, unsuccessful[:_NAMED])
        console.showing(min(len(unsuccessful), _NAMED), len(unsuccessful), "runs that did not succeed.")


def _show_unsuccessful(console: Console, runs: Sequence[tuple[RunRecord, str]]) -> None:
    heads: list[Row] = [[str(run.game_date), run.name, state(console, shown)] for run, shown in runs]
    room = console.out.width - sum(
        max(cell_width(text_of(head[column])) for head in heads) + len(_GAP) for column in range(len(heads[0]))
    )
    rows = [[*head, _cut(why_not_done(run), max(room, _WHY_LEAST))] for head, (run, _) in zip(heads, runs, strict=True)]
    console.table(["date", "phase", "state", "why"], rows)


_GAP: Final = "  "


def _cut(text: str, width: int) -> str:
    return text if cell_width(text) <= width else f"{text[: width - 1]}…"
