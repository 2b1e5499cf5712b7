"""The schedule: when workflows are due, what was decided about them, and what a tick does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nbactl.cli.bq.quotas.command import check_quotas
from nbactl.core._support.gamedate import EASTERN
from nbactl.core._support.names import did_you_mean
from nbactl.core.alerts import TextChannel, said_in_log, said_once
from nbactl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import time

    from nbactl.bootstrap import Container
    from nbactl.core._support.aio import Cancellation
    from nbactl.core._support.gamedate import GameDate
    from nbactl.ports.alerts import Alert
    from nbactl.ports.calendar import GameDay
    from nbactl.schedule.controller import Controller, Decided, Execution
    from nbactl.schedule.decide import Action
    from nbactl.schedule.log import Recorded
    from nbactl.schedule.occurrences import TimetableRow
    from nbactl.schedule.tick import Step, TickResult
    from nbactl.workflows.model import RunReport, RunRequest


@dataclass(frozen=True, slots=True)
class Timetable:
    """When each workflow is due on a day. `first_game` is the first tip-off, if it is known."""

    date: GameDate
    first_game: datetime | None
    rows: tuple[TimetableRow, ...]


@dataclass(frozen=True, slots=True)
class TickRequest:
    """What a tick may do. With `at` it decides as of that time, and like `dry_run` it changes nothing.

    `only` and `skip` name steps.
    """

    at: datetime | None = None
    dry_run: bool = False
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        """Whether it only looks."""
        return self.dry_run or self.at is not None


@dataclass(frozen=True, slots=True)
class DueWorkflows:
    """What is decided about each workflow at a time."""

    at: datetime
    decided: tuple[Decided, ...]


@dataclass(frozen=True, slots=True)
class DecisionsRequest:
    """Which decisions to list, newest first. What is only waiting for its time is left out unless WAIT is asked for."""

    name: str | None = None
    date: GameDate | None = None
    since: datetime | None = None
    action: Action | None = None
    orphans: bool = False
    limit: int = 20


@dataclass(frozen=True, slots=True)
class ListedDecision:
    """A decision, the newest run that carries it out, and whether it should have one and has none."""

    decision: Recorded
    execution: Execution | None
    orphan: bool


def show_timetable(app: Container, date: GameDate, first_game: time | None = None) -> Timetable:
    """Return when workflows are due on a calendar day in Eastern time; `first_game` is the first tip-off of the day.

    By default it is that of the schedule of games, as far as this can be read.
    """
    from nbactl.bootstrap.schedule import known_games  # noqa: PLC0415 - help needs none of it
    from nbactl.ports.calendar import GameDay  # noqa: PLC0415 - as above
    from nbactl.schedule.occurrences import timetable  # noqa: PLC0415 - as above

    games = known_games(app, date.plus(-1).day, date.plus(1).day)
    if first_game is not None:
        tip_off = datetime.combine(date.day, first_game, EASTERN)
        known = games.get(date.day)
        last = tip_off if known is None or known.last_tip_off is None else max(tip_off, known.last_tip_off)
        games = {**games, date.day: GameDay(date.day, 1, first_tip_off=tip_off, last_tip_off=last)}
    today: GameDay | None = games.get(date.day)
    rows = timetable(app.config.workflows.workflows, date.day, games.get)
    return Timetable(date, None if today is None else today.first_tip_off, tuple(rows))


def show_due(app: Container, at: datetime | None = None) -> DueWorkflows:
    """Return what a tick would decide about each workflow, now or at another time. Nothing is changed."""
    now = app.clock.now() if at is None else at
    return DueWorkflows(now, tuple(_only_looking(app).look(now)))


def list_decisions(app: Container, request: DecisionsRequest) -> list[ListedDecision]:
    """Return decisions with their runs, newest first. Raises NotFoundError for a workflow that nobody knows."""
    from nbactl.bootstrap.schedule import make_decision_log  # noqa: PLC0415 - help needs none of it

    controller, now = _only_looking(app), app.clock.now()
    found: list[ListedDecision] = []
    group: list[Recorded] = []

    def add() -> None:
        runs = controller.executor.of_decisions([one.id for one in group if one.action == "RUN"])
        listed = [
            ListedDecision(one, runs.get(one.id), controller.is_orphan(one, runs.get(one.id), now)) for one in group
        ]
        found.extend(one for one in listed if one.orphan or not request.orphans)
        group.clear()

    for decision in _matching(make_decision_log(app).stream, request):
        group.append(decision)
        if len(found) + len(group) >= request.limit:
            add()
            if len(found) >= request.limit:
                return found[: request.limit]
    add()
    known = app.config.workflows.workflows
    if request.name is not None and not found and request.name not in known:
        raise NotFoundError(
            f"there is no workflow '{request.name}', and no decision on one of that name",
            next_step=did_you_mean(request.name, known),
        )
    return found


def _matching(stream: Callable[..., Iterable[Recorded]], request: DecisionsRequest) -> Iterable[Recorded]:
    """Yield the decisions of all filters. The store is asked with the one that leaves least."""
    first: dict[str, Any] = {}
    if request.name is not None:
        first = {"workflow": request.name}
    elif request.date is not None:
        first = {"game_date": request.date}
    elif request.action is not None:
        first = {"action": request.action}
    for decision in stream(**first, since=request.since):
        if request.date is not None and decision.game_date != request.date:
            continue
        if request.action is None and decision.why == "due" and decision.action == "WAIT":
            continue
        if request.action is None or decision.action is request.action:
            yield decision


def _only_looking(app: Container) -> Controller:
    from nbactl.bootstrap.schedule import make_controller  # noqa: PLC0415 - help needs none of it

    def run(_: RunRequest) -> RunReport:
        raise AssertionError("a look runs nothing")

    return make_controller(app, lambda *_: None, run)


def tick(
    app: Container,
    request: TickRequest,
    *,
    announce: Callable[[str], None] | None = None,
    cancellation: Cancellation | None = None,
) -> TickResult:
    """Take the steps of a tick: sweeps of what is due, then the workflows that are due.

    `announce` gets the alerts, else the log if it has a handler. `cancellation` stops the run that is under way in an
    orderly way, and starts no other.
    """
    from nbactl.bootstrap.schedule import make_controller, make_steps  # noqa: PLC0415 - help needs none of it
    from nbactl.cli.run.command import run  # noqa: PLC0415 - as above
    from nbactl.core._support.aio import Cancellation  # noqa: PLC0415 - as above
    from nbactl.schedule.tick import tick as take  # noqa: PLC0415 - as above
    from nbactl.schedule.ticks import record_tick  # noqa: PLC0415 - as above

    stop = cancellation or Cancellation()
    alerts = app.alerts(None if announce is None else TextChannel(announce))
    now = app.clock.now() if request.at is None else request.at

    def send(alert: Alert, channels: Sequence[str] | Iterable[str] = ("console", "slack")) -> None:
        alerts.send(alert, said_in_log(channels) if announce is None else said_once(channels))

    def execute(asked: RunRequest) -> RunReport:
        # `nbactl runs cancel` stops this run and not the tick.
        own = Cancellation()
        unsubscribe = stop.subscribe(own.request)
        try:
            return run(app, asked, announce=announce, cancellation=own)
        finally:
            unsubscribe()

    controller = make_controller(app, send, execute, lambda: stop.requested)
    steps = make_steps(app, send, controller, lambda: check_quotas(app, send), now)
    done = take(_chosen(steps, request), now, dry_run=request.changes_nothing)
    if not request.changes_nothing:
        record_tick(app.documents, app.clock.now())
    return done


def _chosen(steps: Sequence[Step], request: TickRequest) -> list[Step]:
    names = [step.name for step in steps]
    for option, given in (("--only", request.only), ("--skip", request.skip)):
        for name in given:
            if name not in names:
                raise UsageError(f"{option}: a tick has no step '{name}'", next_step=did_you_mean(name, names))
    chosen = [step for step in steps if not request.only or step.name in request.only]
    left = [step for step in chosen if step.name not in request.skip]
    if not left:
        raise UsageError("--only and --skip leave no step to take", next_step="Leave one of them out.")
    return left
