"""The controller of workflows and the steps of a tick, built from the container."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import InterruptedRunError, NbactlError, RunFailedError
from nbactl.frozen import frozen
from nbactl.schedule.decide import LastRun
from nbactl.workflows.model import RunStatus, exit_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from nbactl.bootstrap.container import Container
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.outbox.outbox import Swept
    from nbactl.ports.alerts import Alert
    from nbactl.ports.calendar import GameCalendar, GameDay, KnownGames
    from nbactl.rollouts.tick import RolloutStep
    from nbactl.schedule.controller import Controller, Decided, Execution, Outlook
    from nbactl.schedule.log import DecisionLog, Recorded
    from nbactl.schedule.tick import QuotaCheck, Step
    from nbactl.warehouse.buffer import Flushed
    from nbactl.workflows.model import RunReport, RunRequest

_SAMPLE: Final = "sample"
_CHANNELS: Final = ("console", "slack")
_DONE: Final = (RunStatus.SUCCEEDED, RunStatus.PARTIAL)
_AT_WORK: Final = (RunStatus.RUNNING, RunStatus.DETACHED)


def make_steps(
    app: Container,
    send: Callable[[Alert, Iterable[str]], None],
    controller: Controller,
    check_quotas: Callable[[], QuotaCheck | None],
    now: datetime,
) -> list[Step]:
    """Return the steps of a tick in their order: the quick ones first, and last the workflows, whose runs take time."""
    from nbactl.bootstrap.phases import make_phase_recorder
    from nbactl.bootstrap.reporting import make_alert_rules
    from nbactl.bootstrap.retention import make_retention
    from nbactl.schedule.tick import Step

    def alert(found: Alert) -> None:
        send(found, _CHANNELS)

    def rollouts(*, dry_run: bool) -> Sequence[RolloutStep]:
        return app.ticker(alert).tick(now, dry_run=dry_run)

    def outbox() -> Swept:
        return app.outbox.sweep()

    def rows() -> Flushed:
        return app.row_buffer.flush_due()

    return [
        Step("rollouts", partial(rollouts, dry_run=False), _errors_in, partial(rollouts, dry_run=True)),
        Step("quotas", check_quotas),
        Step("phases", lambda: make_phase_recorder(app, alert).sweep(), lambda swept: swept.failed.values()),
        Step("outbox", outbox, lambda swept: swept.failed.values()),
        Step("rows", rows, lambda flushed: [flushed.error] if flushed.error else []),
        Step("expiry", app.sweep_expired),
        Step("retention", lambda: make_retention(app).prune_due(now), _errors_in),
        Step("alerts", lambda: make_alert_rules(app, send).evaluate(now)),
        Step("workflows", controller.tick, _errors_of_runs, lambda: controller.look(now)),
    ]


def make_controller(
    app: Container,
    send: Callable[[Alert, Iterable[str]], None],
    run: Callable[[RunRequest], RunReport],
    stopping: Callable[[], bool] = lambda: False,
) -> Controller:
    """Return what decides on workflows and runs them by `run`."""
    from nbactl.core.lease.holder import is_dead, is_running, process_identity
    from nbactl.schedule.alerts import ScheduleAlerts
    from nbactl.schedule.controller import Controller, Limits

    timeouts, workflows = app.config.timeouts, app.config.workflows
    return Controller(
        workflows=workflows.workflows,
        alerts=ScheduleAlerts(workflows.workflows, workflows.alerts, send),
        log=make_decision_log(app),
        outlook=partial(_outlook, app),
        executor=_Executor(app, run),
        clock=app.clock,
        limits=Limits(timeouts["schedule.tolerance"], timeouts["games.max_age"], timeouts["schedule.orphan"]),
        owner=process_identity(app.ids.new("tick")),
        is_dead=is_dead,
        is_running=is_running,
        stopping=stopping,
    )


def known_games(app: Container, first: date, last: date) -> Mapping[date, GameDay]:
    """Return the dates with games, as far as the schedule of games can be read."""
    from nbactl.bootstrap.season import make_game_calendar

    asked = _Asked(make_game_calendar(app), first, last)
    found = asked.games(first, last).days
    if asked.error is not None:
        app.notice(f"the schedule of games cannot be read: {asked.error}")
    return found


def make_decision_log(app: Container) -> DecisionLog:
    """Return the decisions that were made."""
    from nbactl.schedule.log import DecisionLog

    return DecisionLog(app.documents, app.row_buffer.write)


def _outlook(app: Container, first: date, last: date) -> Outlook:
    """Return the games of these dates by one question of the schedule, and which of the dates are idle."""
    from nbactl.bootstrap.season import make_game_calendar, make_halts, make_seasons
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.season.dates import SeasonIdleDates
    from nbactl.core.season.idle import Idle
    from nbactl.schedule.controller import Outlook

    asked = _Asked(make_game_calendar(app), first, last)
    days = list(GameDate(first).until(GameDate(last)))
    idle = SeasonIdleDates(make_seasons(app), lambda: make_halts(app).all(), asked).idle(days)
    games = asked.games(first, last)
    if app.settings.target == "local" and app.source.key == _SAMPLE:
        # It is no schedule that is out of date: its season is over for good.
        over = Idle("off_season", "the source sample has no games then")
        idle = {**{day: over for day in days if day.day in games.unknown}, **idle}
    return Outlook(games, idle, asked.error)


class _Asked:
    """A calendar that is asked once for a range of dates. If it does not answer, all of them are unknown."""

    def __init__(self, calendar: GameCalendar, first: date, last: date) -> None:
        self._calendar = calendar
        self._range = (first, last)
        self._known: KnownGames | None = None
        self.error: str | None = None

    def games(self, first: date, last: date) -> KnownGames:  # noqa: ARG002 - it is within the range
        """Return what the schedule says of the whole range."""
        from nbactl.core._support.gamedate import GameDate
        from nbactl.ports.calendar import KnownGames

        if self._known is None:
            try:
                self._known = self._calendar.games(*self._range)
            except NbactlError as error:
                self.error = error.message
                days = GameDate(self._range[0]).until(GameDate(self._range[1]))
                self._known = KnownGames({}, frozenset(day.day for day in days))
        return self._known


@frozen
class _Executor:
    """Runs workflows as `nbactl run` does, and finds their runs in the ledger."""

    app: Container
    run: Callable[[RunRequest], RunReport]

    def last(self, workflow: str, game_date: GameDate) -> LastRun | None:
        """Return the newest run of a workflow and game date."""
        run = self.app.ledger.latest(workflow, game_date, self.app.source.key)
        if run is None:
            return None
        found = frozenset(task.name for task in run.tasks if task.status.done and task.rows)
        if run.status in _AT_WORK and not self.app.ledger.interrupted(run):
            return LastRun(run.run_id, "running", found)
        return LastRun(run.run_id, "done" if run.status in _DONE else "not_done", found)

    def of_decisions(self, ids: Sequence[str]) -> Mapping[str, Execution]:
        """Return the newest run of each decision that has one."""
        from nbactl.ports.documents import Filter, Query
        from nbactl.schedule.controller import Execution
        from nbactl.schedule.log import in_groups
        from nbactl.workflows.model import RunRecord
        from nbactl.workflows.reading import read_run
        from nbactl.workflows.writing import RUNS

        newest: dict[str, RunRecord] = {}
        for group in in_groups(ids):
            query = Query(RUNS, (Filter("decision_id", "in", list(group)),))
            for entry in map(read_run, self.app.documents.query(query)):
                if isinstance(entry, RunRecord) and entry.decision_id is not None:
                    known = newest.get(entry.decision_id)
                    if known is None or entry.run_id > known.run_id:
                        newest[entry.decision_id] = entry
        return {key: Execution(run.run_id, str(self.app.ledger.state(run))) for key, run in newest.items()}

    def execute(self, decision: Recorded, *, resume: bool) -> Execution:
        """Run the workflow of a decision; on gcp its services are not waited for, later ticks follow them.

        What was run for the date before is done again, unless `resume` goes on with it.
        """
        from nbactl.schedule.controller import Execution
        from nbactl.workflows.model import RunRequest

        request = RunRequest(
            names=(decision.workflow,),
            dates=(decision.game_date,),
            force=not resume,
            wait=self.app.settings.target == "local" or self.app.in_process,
            decision_id=decision.id,
        )
        report = self.run(request)
        run = next((run for run in report.runs if run.name == decision.workflow), None)
        status = RunStatus.CANCELLED if run is None else run.status
        run_id = "" if run is None else run.run_id
        return Execution(run_id, status.value, report.interrupted_by, _error_of(report, decision, run_id))


def _error_of(report: RunReport, decision: Recorded, run_id: str) -> NbactlError | None:
    what = f"{decision.workflow} for {decision.game_date}"
    if report.interrupted_by is not None:
        return InterruptedRunError(f"{what} was stopped", next_step="The next tick resumes it: nbactl schedule tick")
    if exit_code(report) != 1:
        return None
    return RunFailedError(f"{what} failed", next_step=f"See why: nbactl runs show {run_id} -v")


def _errors_in(steps: Iterable[Any]) -> list[NbactlError]:
    return [step.error for step in steps if step.error is not None]


def _errors_of_runs(decided: Iterable[Decided]) -> list[NbactlError]:
    runs = [one.execution.error for one in decided if one.execution is not None]
    return [error for error in [*_errors_in(decided), *runs] if error is not None]
