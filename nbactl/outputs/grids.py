"""Draws the grid: what is expected of a range of dates, and what there is of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, Protocol

from nbactl.config.due import due_at
from nbactl.core.phases.modes import mode_of
from nbactl.errors import NbactlError
from nbactl.frozen import frozen
from nbactl.outputs.counts import read_counts
from nbactl.outputs.judging import Evidence, find, state_of
from nbactl.outputs.made import by_record, made_of
from nbactl.outputs.measures import facts_of
from nbactl.outputs.model import Grid, Output, OutputState
from nbactl.workflows.model import not_covered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from nbactl.config.workflows import Phase, WorkflowsFile
    from nbactl.core._support.clock import Clock
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.phases.modes import Mode, PhaseExpectation
    from nbactl.core.season.idle import IdleDates
    from nbactl.outputs.counts import Counts
    from nbactl.outputs.made import Made
    from nbactl.pipeline.rawlist import Held
    from nbactl.pipeline.recipes import Recipe
    from nbactl.pipeline.sources.base import Dataset
    from nbactl.ports.calendar import GameCalendar, KnownGames
    from nbactl.ports.warehouse import Warehouse
    from nbactl.workflows.board import Boards, PhaseLine
    from nbactl.workflows.model import RunRecord
    from nbactl.workflows.production import PhaseReport, ProductionBoard
    from nbactl.workflows.reading import Past

_OTHERS: Final = ("orchestrator", "unknown")
_WHOLE: Final = ("succeeded", "unavailable", "unrecorded")


class Runs(Protocol):
    """What the grid asks the ledger."""

    def latest_between(self, names: Sequence[str], first: GameDate, last: GameDate, source: str) -> Past:
        """Return the last started run of each name and date."""
        ...

    def heads_between(self, first: GameDate, last: GameDate) -> Iterator[RunRecord]:
        """Yield the runs of a range of dates without their tasks."""
        ...

    def state(self, run: RunRecord) -> str:
        """Return the status of a run; `interrupted` for one that is recorded as running and has no worker."""
        ...


@frozen
class Grids:
    """Draws grids. The cost is a handful of queries, however many dates there are.

    `open_calendar` is called for each grid; its two halves share what they read. `recipes` say what tasks read and
    write in process; `raw` gives the raw files of a dataset, None where they are on
    another machine; `timeout` is seconds for the query of the warehouse.
    """

    workflows: WorkflowsFile
    target: Literal["local", "gcp"]
    source: str
    boards: Boards
    runs: Runs
    expectations: Mapping[str, PhaseExpectation]
    open_calendar: Callable[[], tuple[GameCalendar, IdleDates]]
    recipes: Mapping[str, Recipe]
    raw: Callable[[Dataset], Mapping[date, Held]] | None
    warehouse: Callable[[], Warehouse]
    timeout: float
    clock: Clock

    def draw(self, first: GameDate, last: GameDate) -> Grid:
        """Return the grid of the dates from `first` to `last`, as it is now.

        A date of which neither the schedule nor any record knows is left out, with a warning. Raises what the ledger
        and the calendar raise.
        """
        now, every = self.clock.now(), list(first.until(last))
        calendar, idle_dates = self.open_calendar()
        idle = idle_dates.idle(every)
        days = [day for day in every if day not in idle]
        if not days:
            return Grid((), idle, now)
        first, last = days[0], days[-1]
        past = self.runs.latest_between(tuple(self.workflows.phases), first, last, self.source)
        productions = self._productions(days, now)
        by_date, unjudged = self.boards.judge(days, past, productions, now, names_inputs=False)
        alone = self._made_alone(by_date)
        warnings = [f"freshness was not checked: {unjudged}"] if unjudged else []
        warnings += {warning: None for board in productions.values() for warning in board.warnings}
        known_games, counts = calendar.games(first.day, last.day), None
        try:
            counts = self._counts(first, last)
        except NbactlError as error:
            warnings.append(f"rows were not counted: {error.message}")
        raw = self._raw_files()
        known = [day for day in days if self._is_known(day, by_date[day], known_games, counts)]
        outputs: list[Output] = []
        for day in known:
            evidence = Evidence(facts_of(day.day, counts, known_games), counts, raw)
            outputs += self._outputs(day, by_date[day], alone, evidence, now)
        unknown = tuple(day for day in days if day not in known)
        warnings += not_covered({str(day): "neither the schedule nor any run covers them" for day in unknown})
        unchecked = counts is None or unjudged is not None
        return Grid(tuple(outputs), idle, now, tuple(warnings), unknown, unchecked)

    def _productions(self, days: Sequence[GameDate], now: datetime) -> Mapping[GameDate, ProductionBoard]:
        production = self.boards.production
        if production is None:
            return {}
        return production.read_dates(days, now, _Ours(lambda: self.runs.heads_between(days[0], days[-1])))

    def _counts(self, first: GameDate, last: GameDate) -> Counts:
        tables = {recipe.writes[0] for recipe in self.recipes.values() if recipe.writes}
        return read_counts(self.warehouse(), tables, first.day, last.day, timeout=self.timeout)

    def _raw_files(self) -> Mapping[Dataset, Mapping[date, Held]]:
        if self.raw is None:
            return {}
        datasets: dict[Dataset, None] = {}
        for recipe in self.recipes.values():
            datasets |= dict.fromkeys(recipe.raw if recipe.collects is None else (recipe.collects,))
        return {dataset: self.raw(dataset) for dataset in datasets}

    def _is_known(
        self, day: GameDate, lines: Mapping[str, PhaseLine], games: KnownGames, counts: Counts | None
    ) -> bool:
        """Say whether anything is known of a date: games, records or rows."""
        if day.day not in games.unknown:
            return True
        recorded = any(line.run is not None or line.production is not None for line in lines.values())
        return recorded or (counts is not None and day.day in counts.found)

    def _made_alone(self, by_date: Mapping[GameDate, Mapping[str, PhaseLine]]) -> dict[tuple[str, GameDate], Made]:
        """Return what runs of single tasks and of workflows left, by task, later than the last run of the phase.

        The ledger is asked only for dates whose phases are not all whole.
        """
        days = [day for day, lines in by_date.items() if any(line.state not in _WHOLE for line in lines.values())]
        if not days:
            return {}
        home = {use.task: name for name, phase in self.workflows.phases.items() for use in phase.tasks}
        names = [
            name
            for name, workflow in self.workflows.workflows.items()
            if any(use.task in home for use in workflow.tasks)
        ]
        runs = self.runs.latest_between((*names, *home), min(days), max(days), self.source)
        judged = self.boards.freshness.judge(runs.values(), names_inputs=False)
        found: dict[tuple[str, GameDate], Made] = {}
        for run in sorted(runs.values(), key=lambda run: run.started_at):
            state = self.runs.state(run)
            for task in run.tasks:
                line = by_date.get(run.game_date, {}).get(home.get(task.name, ""))
                if line is None or task.carried_from is not None:
                    continue
                if line.run is None or line.run.started_at < run.started_at:
                    found[task.name, run.game_date] = by_record(task, run, state, judged.get(run.run_id, {}))
        return found

    def _outputs(
        self,
        day: GameDate,
        lines: Mapping[str, PhaseLine],
        alone: Mapping[tuple[str, GameDate], Made],
        evidence: Evidence,
        now: datetime,
    ) -> Iterator[Output]:
        mode = mode_of(day, now)
        for name, phase in self.workflows.phases.items():
            line = lines[name]
            if line.state == "unavailable":
                continue
            due = due_at(phase.due, day, mode)
            overdue = now >= due if due is not None else mode == "overnight"
            pending = self._is_pending(name, lines)
            for output, required in self._expected(name, phase, line, mode):
                made = made_of(output, line, alone.get((output, day)))
                expected = Output(day, name, output, OutputState.EXPECTED, required, due)
                yield self._output(expected, made, evidence, overdue=overdue, pending=pending)

    def _expected(
        self, name: str, phase: Phase, line: PhaseLine, mode: Mode
    ) -> list[tuple[str, bool]]:  # fmt: skip
        """Return the names of what is expected of a phase in a mode, and whether they are required."""
        expectation, report = self.expectations[name], line.production
        if line.by in _OTHERS and report is not None:
            return [(output, output in report.expected.critical) for output in report.expected.names]
        here = {use.task: use.required for use in phase.tasks if use.task in line.tasks}
        if self.target == "local" or not expectation.declared or (line.by == "nbactl" and report is None):
            in_mode = expectation.of(mode).names if expectation.declared and self.target == "local" else tuple(here)
            return [(task, required) for task, required in here.items() if task in in_mode]
        expected = expectation.of(mode)
        return [(output, output in expected.critical) for output in expected.names]

    def _is_pending(self, name: str, lines: Mapping[str, PhaseLine]) -> bool:
        """Say whether something works on a phase, or on one that it needs, or waits to."""
        needed, waiting = {name}, [name]
        while waiting:
            new = [need for need in self.workflows.phases[waiting.pop()].needs if need not in needed]
            needed.update(new)
            waiting += new
        return any(
            lines[phase].state == "running" or _is_handing_on(lines[phase].production, last=phase == name)
            for phase in needed
        )

    def _output(self, output: Output, made: Made, evidence: Evidence, *, overdue: bool, pending: bool) -> Output:
        found = find(self.recipes.get(output.name), made, output.game_date.day, evidence)
        state, reason = state_of(found, made, overdue=overdue, pending=pending)
        there = state not in (OutputState.EXPECTED, OutputState.MISSING, OutputState.LATE)
        return replace(
            output,
            state=state,
            made_at=made.at,
            by=made.by or ("unknown" if there else None),
            run_id=made.run_id,
            rows=found.rows,
            expected=found.expected,
            unit=found.unit,
            reason=reason,
        )


def _is_handing_on(report: PhaseReport | None, *, last: bool) -> bool:
    """Say whether a phase of production waits for more of its processors or, if others need it, for its hand-off."""
    if report is None:
        return False
    return report.next_tier is not None or (not last and report.hand_off in ("pending", "due"))


class _Ours:
    """The ids of runs and their correlation ids. The ledger is asked for them when a document names one."""

    def __init__(self, heads: Callable[[], Iterator[RunRecord]]) -> None:
        self._heads = heads
        self._ids: set[str] | None = None

    def __contains__(self, one: object) -> bool:
        if self._ids is None:
            self._ids = {found for run in self._heads() for found in (run.run_id, run.correlation_id)}
        return one in self._ids
