"""The state of a game date: each phase, what is running, the last failures."""

from __future__ import annotations

from dataclasses import field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol

from nbactl.errors import DataError, NbactlError
from nbactl.frozen import frozen
from nbactl.workflows.freshness import worst
from nbactl.workflows.model import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from nbactl.config.workflows import Phase, WorkflowsFile
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.lease.leases import Lease
    from nbactl.core.season.idle import Idle
    from nbactl.workflows.board_runs import BoardRuns
    from nbactl.workflows.freshness import Freshness, Judgement
    from nbactl.workflows.model import RunRecord
    from nbactl.workflows.production import PhaseReport, Production, ProductionBoard, Whose
    from nbactl.workflows.reading import Past

PhaseState = Literal[
    "succeeded",
    "partial",
    "stale",
    "incomplete",
    "failed",
    "interrupted",
    "cancelled",
    "running",
    "missing",
    "unrecorded",
    "unreadable",
    "unavailable",
]
"""`unrecorded`: production records nothing of the phase, and did one that needs it."""
_FAILURES_SHOWN: Final = 5
_RECENT: Final = 300
"""How many of the newest runs are searched for failures of other dates."""


class Runs(Protocol):
    """What the board asks the ledger."""

    def board_runs(self, date: GameDate, source: str, limit: int) -> BoardRuns:
        """Read the newest `limit` runs, as many of the date, and those recorded as running."""
        ...

    def interrupted(self, run: RunRecord) -> bool:
        """Say whether the run's process died."""
        ...


@frozen
class PhaseLine:
    """A phase of the date. `tasks` are those that run on the target, in declared order."""

    name: str
    state: PhaseState
    run: RunRecord | None
    tasks: tuple[str, ...]
    done: tuple[str, ...]
    failed: tuple[str, ...]
    missing: tuple[str, ...]
    waits_for: tuple[str, ...]
    deadline: datetime | None
    late: bool
    reason: str | None = None
    """Why it is stale or incomplete."""
    gone: bool = False
    """Whether something that it wrote is gone."""
    production: PhaseReport | None = None
    """What production did, if it did anything."""
    by: Whose | None = None
    """Whose work the state rests on, None where there is none."""
    judged: Mapping[str, Judgement] = field(default_factory=dict)
    """What is said of the tasks of the run that are done, where it ended well."""

    @property
    def leads_on(self) -> bool:
        """Whether the phases that need it may begin: it ended well, if also with old data."""
        by_ledger = self.by in (None, "nbactl")
        return self.state in (*_ENDED_WELL, "stale", "unrecorded") or (self.state == "incomplete" and by_ledger)

    @property
    def wrong(self) -> bool:
        """Whether it needs attention: it is late, failed or lost, and that was not dismissed."""
        if self.production is not None and self.production.late is not None:
            return True
        dismissed = self.run is not None and self.run.dismissed is not None
        return self.gone or (not dismissed and (self.late or self.state in _WRONG))


@frozen
class Holder:
    """Who holds a lease."""

    lease: str
    owner: str


@frozen
class Board:
    """The board of one game date.

    `failures` are runs that failed or died and were not run again or dismissed since: those of the date and source,
    then the last ones of others, both newest first. `running` and `holders` are of all dates.
    """

    game_date: GameDate
    source: str
    target: str
    now: datetime
    phases: tuple[PhaseLine, ...]
    running: tuple[RunRecord, ...]
    failures: tuple[RunRecord, ...]
    holders: tuple[Holder, ...]
    source_origin: str = "flag"
    """Why it is this source: the origin of a setting, or `last run`."""
    unchecked: str | None = None
    """Why nobody can say whether its phases are fresh."""
    production: ProductionBoard | None = None
    """What production did for the date; without it nobody asked."""
    idle: Idle | None = None
    """Why nothing is expected of the date, where nothing was done for it; on gcp nobody asked."""

    @property
    def failed(self) -> tuple[RunRecord, ...]:
        """The failures of the date and source."""
        return tuple(run for run in self.failures if (run.game_date, run.source) == (self.game_date, self.source))

    @property
    def wrong(self) -> bool:
        """Whether something of the date failed, is late or is gone."""
        return bool(self.failed) or any(phase.wrong for phase in self.phases)

    @property
    def outdated(self) -> bool:
        """Whether something of the date is to be done again."""
        return any(phase.state in ("stale", "incomplete") for phase in self.phases)


@frozen
class Boards:
    """Draws up boards. `deadlines` are seconds by name (timeouts.yaml)."""

    workflows: WorkflowsFile
    deadlines: Mapping[str, float]
    runs: Runs
    target: Literal["local", "gcp"]
    held_leases: Callable[[], Iterable[Lease]]
    freshness: Freshness
    production: Production | None = None

    def draw(self, game_date: GameDate, source: str, now: datetime) -> Board:
        """Return the board of a game date as it is now."""
        runs = self.runs.board_runs(game_date, source, _RECENT)
        dead = [run for run in runs.unfinished if self.runs.interrupted(run)]
        running = [run for run in runs.unfinished if run not in dead]
        failed = [*(run for run in runs.of_date if run.status is RunStatus.FAILED), *dead]
        others = {run.name for run in failed if run.game_date == game_date} - set(self.workflows.phases)
        past = runs.past({*self.workflows.phases, *others}, source)
        found = self._production(game_date, now, runs.of_date)
        productions = {} if found is None else {game_date: found}
        by_date, unchecked = self.judge([game_date], past, productions, now)
        lines = by_date[game_date]
        phases = tuple(_with_upstream(line, self.workflows.phases[line.name], lines) for line in lines.values())
        repaired = {line.run.run_id for line in phases if line.run is not None and line.by not in (None, "nbactl")}
        of_date = _newest_first(
            run for run in past.values() if self._is_open_failure(run) and run.run_id not in repaired
        )
        elsewhere = self._failures_elsewhere(game_date, source, runs.recent, dead)
        detailed = {run.run_id: run for run in runs.with_tasks([*running, *elsewhere])}
        return Board(
            game_date,
            source,
            self.target,
            now,
            phases,
            running=_those_of(running, detailed),
            failures=(*of_date, *_those_of(elsewhere, detailed)),
            holders=tuple(Holder(lease.name, lease.owner) for lease in self.held_leases() if lease.expires_at > now),
            unchecked=unchecked,
            production=found,
        )

    def judge(
        self,
        days: Sequence[GameDate],
        past: Past,
        productions: Mapping[GameDate, ProductionBoard],
        now: datetime,
        *,
        names_inputs: bool = True,
    ) -> tuple[dict[GameDate, dict[str, PhaseLine]], str | None]:
        """Return the phases of dates as they are now, and why nobody can say whether they are fresh.

        `past` has the last run of each phase and date, `productions` what production did. Without `names_inputs` a
        changed input is named without its partitions, which would take a query for each task.
        """
        lines = {day: self._of_ledger(day, past, now) for day in days}
        unchecked = None
        try:
            lines = self._with_freshness(lines, names_inputs=names_inputs)
        except NbactlError as error:
            unchecked = error.message
        for day, found in productions.items():
            lines[day] = {name: merged(line, found.reports.get(name)) for name, line in lines[day].items()}
        judged = {
            day: {name: self._implied(line, of_day) for name, line in of_day.items()} for day, of_day in lines.items()
        }
        return judged, unchecked

    def _of_ledger(self, day: GameDate, past: Past, now: datetime) -> dict[str, PhaseLine]:
        lines = {}
        for name, phase in self.workflows.phases.items():
            try:
                run = past.get((name, day))
            except DataError:
                lines[name] = replace(self._phase(name, phase, None, now), state="unreadable")
            else:
                lines[name] = self._phase(name, phase, run, now)
        return lines

    def _implied(self, line: PhaseLine, lines: Mapping[str, PhaseLine]) -> PhaseLine:
        """Return the line of a phase that leaves no phase document, as later phases show that it took place."""
        if self.production is None or self.production.expected[line.name].declared:
            return line
        if line.state != "missing" or line.production is not None:
            return line
        for name, later in lines.items():
            if later.by in ("orchestrator", "unknown") and later.done and line.name in self._needs_of(name):
                reason = f"production keeps no record of it; {name} is by {later.by}"
                return replace(line, state="unrecorded", reason=reason)
        return line

    def _needs_of(self, name: str) -> set[str]:
        """Return the phases that a phase needs, and those that these need."""
        needs = set(self.workflows.phases[name].needs)
        return needs.union(*map(self._needs_of, needs))

    def _production(self, game_date: GameDate, now: datetime, runs: Iterable[RunRecord]) -> ProductionBoard | None:
        if self.production is None:
            return None
        ours = {one for run in runs for one in (run.run_id, run.correlation_id)}
        return self.production.read(game_date, now, ours)

    def _with_freshness(
        self, lines: Mapping[GameDate, Mapping[str, PhaseLine]], *, names_inputs: bool
    ) -> dict[GameDate, dict[str, PhaseLine]]:
        """Return the lines with what is not fresh of the phases that are done."""
        every = [line for of_day in lines.values() for line in of_day.values()]
        runs = [line.run for line in every if line.run is not None and line.state in _ENDED_WELL]
        by_run = self.freshness.judge(runs, names_inputs=names_inputs)
        return {
            day: {
                name: _as_judged(line, by_run.get(line.run.run_id, {}) if line.run is not None else {})
                for name, line in of_day.items()
            }
            for day, of_day in lines.items()
        }

    def _phase(self, name: str, phase: Phase, run: RunRecord | None, now: datetime) -> PhaseLine:
        names = tuple(use.task for use in phase.tasks if self._runs_here(use.task))
        records = {task.name: task for task in run.tasks} if run else {}
        done = tuple(task for task in names if task in records and records[task].status.done)
        failed = tuple(task for task in names if task in records and records[task].status.value in _FAILED)
        missing = tuple(task for task in names if task not in {*done, *failed})
        state = self._state(run, all_done=set(names) <= set(done)) if names else "unavailable"
        limit = self.deadlines.get(phase.deadline) if phase.deadline else None
        deadline = run.started_at + timedelta(seconds=limit) if run and limit else None
        late = deadline is not None and now > deadline and state in ("running", "interrupted")
        return PhaseLine(name, state, run, names, done, failed, missing, (), deadline, late)

    def _state(self, run: RunRecord | None, *, all_done: bool) -> PhaseState:
        """Judge by which tasks are done, not by what the run says of itself: it may have run only some of them."""
        if run is None:
            return "missing"
        if run.status is RunStatus.RUNNING:
            return "interrupted" if self.runs.interrupted(run) else "running"
        if all_done:
            return "succeeded"
        if run.status is RunStatus.DETACHED:
            return "running"
        if run.status in (RunStatus.FAILED, RunStatus.CANCELLED):
            return "failed" if run.status is RunStatus.FAILED else "cancelled"
        return "partial"

    def _runs_here(self, task: str) -> bool:
        declared = self.workflows.tasks[task]
        if self.target == "gcp":
            return declared.service is not None
        return any(work is not None for work in (declared.processor, declared.call, declared.command))

    @staticmethod
    def _failures_elsewhere(
        game_date: GameDate, source: str, recent: Iterable[RunRecord], dead: Iterable[RunRecord]
    ) -> list[RunRecord]:
        """Return the last runs of other dates or sources that failed or died and were not run again since.

        Newest first every run that makes up for a failure comes before it, so one pass is enough.
        """
        died = {run.run_id for run in dead}
        seen: set[tuple[str, GameDate, str]] = set()
        found: list[RunRecord] = []
        for run in recent:
            key = (run.name, run.game_date, run.source)
            failed = run.run_id in died or run.status is RunStatus.FAILED
            if key not in seen and failed and run.dismissed is None and key[1:] != (game_date, source):
                found.append(run)
            seen.add(key)
        return found[:_FAILURES_SHOWN]

    def _is_open_failure(self, run: RunRecord) -> bool:
        return run.dismissed is None and (run.status is RunStatus.FAILED or self.runs.interrupted(run))


def _as_judged(line: PhaseLine, judged: Mapping[str, Judgement]) -> PhaseLine:
    line, found = replace(line, judged=judged), worst(judged.values())
    if found.state == "fresh":
        return line
    return replace(line, state=found.state, reason=found.text, gone=found.why == "gone")


def merged(line: PhaseLine, report: PhaseReport | None) -> PhaseLine:
    """Return a line of the ledger with what production did.

    Production decides where the ledger knows of no run, and where it finished what a run since failed at or left open.
    So it does where it did again what a run had done.
    """
    own: Whose | None = None if line.run is None else "nbactl"
    if report is None or (report.state == "missing" and not report.document.exists):
        return replace(line, by=own)
    line = replace(line, by=own, production=report)
    if report.state == "missing" or (line.run is not None and not _finished_since(line, line.run, report)):
        return line
    return replace(
        line,
        state=report.state,
        tasks=report.expected.names,
        done=report.done,
        failed=tuple(name for name in report.failed if name in report.expected.names),
        missing=tuple(name for name in report.missing if name not in report.failed),
        late=False,
        reason=f"critical missing: {', '.join(report.critical_missing)}" if report.state == "incomplete" else None,
        by=report.whose,
    )


def _finished_since(line: PhaseLine, run: RunRecord, report: PhaseReport) -> bool:
    at = report.last_completion
    if report.state not in ("succeeded", "partial") or at is None or at <= run.started_at:
        return False
    return line.state in _LEFT_OPEN or (line.state == "stale" and not line.gone and did_again(run, report))


def did_again(run: RunRecord, report: PhaseReport) -> bool:
    """Say whether others did the phase of a run since, so that its output is theirs and rightly not what it wrote."""
    at = report.last_completion
    return report.state == "succeeded" and report.whose == "orchestrator" and at is not None and at > run.started_at


def _newest_first(runs: Iterable[RunRecord]) -> list[RunRecord]:
    return sorted(runs, key=lambda run: run.started_at, reverse=True)


def _those_of(heads: Iterable[RunRecord], detailed: Mapping[str, RunRecord]) -> tuple[RunRecord, ...]:
    return tuple(detailed[run.run_id] for run in heads if run.run_id in detailed)


_WRONG: Final = ("failed", "interrupted", "unreadable")
_FAILED: Final = ("failed", "timed_out")
_ENDED_WELL: Final = ("succeeded", "partial")
_LEFT_OPEN: Final = ("failed", "interrupted", "cancelled", "incomplete")


def _with_upstream(line: PhaseLine, phase: Phase, lines: Mapping[str, PhaseLine]) -> PhaseLine:
    waits = tuple(need for need in phase.needs if not lines[need].leads_on)
    return replace(line, waits_for=waits)
