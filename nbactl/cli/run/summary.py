"""The runs of a date range by phase."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Final

from nbactl.cli.run.text import FINE, names_in_order, state, why_not_done
from nbactl.cli.show.states import look
from nbactl.cli.show.text import cell_width, text_of
from nbactl.core._support.durations import format_duration
from nbactl.workflows.model import URGENCY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Row
    from nbactl.workflows.model import RunRecord

_NAMED: Final = 20
"""How many lines name runs that did not succeed."""
_WHY_LEAST: Final = 20
"""Cells in which a terminal shows why."""
_SUMMED: Final = {"succeeded": "done", "partial": "partial", "failed": "failed", "skipped": "skipped"}
"""The states that each summary has a column for."""


class PhaseSummary:
    """The runs of one name: how many by state, the rows they wrote, the seconds in which any of them ran.

    Runs of a set, and of parallel dates, have the same seconds: these count once.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.states: Counter[str] = Counter()
        self.rows = 0
        self.times: list[tuple[datetime, datetime]] = []

    @property
    def seconds(self) -> float:
        """In how many seconds any of the runs ran."""
        seconds, over = 0.0, None
        for begin, end in sorted(self.times):
            seconds += max((end - (begin if over is None else max(begin, over))).total_seconds(), 0.0)
            over = end if over is None else max(end, over)
        return seconds


def by_phase(runs: Sequence[tuple[RunRecord, str]]) -> list[PhaseSummary]:
    """Sum runs up by their names, in the order of the phases; each comes with the state that is shown for it."""
    found = {name: PhaseSummary(name) for name in names_in_order([run for run, _ in runs])}
    for run, shown in runs:
        phase = found[run.name]
        phase.states[shown] += 1
        phase.rows += sum(task.rows or 0 for task in run.tasks if not task.carried_from)
        if run.finished_at is not None:
            phase.times.append((run.started_at, run.finished_at))
    return list(found.values())


def show_range(console: Console, runs: Sequence[tuple[RunRecord, str]]) -> None:
    """Show runs of many dates, each with its state: a line for each phase, then those that did not succeed.

    Those come worst first, and those of one phase with one reason are one line.
    """
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
        alike: dict[tuple[str, str, str], list[RunRecord]] = {}
        for run, shown in sorted(unsuccessful, key=lambda one: URGENCY.index(one[1])):
            why = why_not_done(run).replace(str(run.game_date), _DATE)
            alike.setdefault((run.name, shown, why), []).append(run)
        named = dict(islice(alike.items(), _NAMED))
        _show_unsuccessful(console, named)
        console.showing(sum(map(len, named.values())), len(unsuccessful), "runs that did not succeed")


def _show_unsuccessful(console: Console, alike: Mapping[tuple[str, str, str], Sequence[RunRecord]]) -> None:
    heads: list[Row] = [[_dates(runs), name, state(console, shown)] for (name, shown, _), runs in alike.items()]
    room = console.out.width - sum(
        max(cell_width(text_of(head[column])) for head in heads) + len(_GAP) for column in range(len(heads[0]))
    )
    whys = [why.replace(_DATE, str(runs[0].game_date)) for (_, _, why), runs in alike.items()]
    rows = [[*head, _cut(why, max(room, _WHY_LEAST))] for head, why in zip(heads, whys, strict=True)]
    console.table(["date", "phase", "state", "why"], rows)


_GAP: Final = "  "
_DATE: Final = "{date}"
"""Stands for the date of a run in why it did not succeed."""


def _dates(runs: Sequence[RunRecord]) -> str:
    return f"{runs[0].game_date}{f' and {len(runs) - 1:,} more' if len(runs) > 1 else ''}"


def _cut(text: str, width: int) -> str:
    return text if cell_width(text) <= width else f"{text[: width - 1]}…"
