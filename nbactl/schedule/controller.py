"""The controller: decides on every workflow, runs what is due, and takes up what a tick that was killed left behind.

Ticks may overlap and be killed anywhere. A run begins right after its decision was recorded, one after the other in the
order of priority; what this tick has not begun, another one may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

from nbactl.core._support.faults import reach
from nbactl.errors import LeaseHeldError, NbactlError
from nbactl.frozen import frozen
from nbactl.schedule.decide import Action, Facts, Known, Runs, decide, due_slots, game_dates_at, next_slot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime

    from nbactl.config.workflows import Workflow
    from nbactl.core._support.clock import Clock
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.season.idle import Idle
    from nbactl.ports.calendar import KnownGames
    from nbactl.schedule.alerts import ScheduleAlerts
    from nbactl.schedule.decide import Decision
    from nbactl.schedule.log import DecisionLog, Recorded

_PRIORITIES: Final = ("critical", "high", "normal", "low")


@frozen
class Outlook:
    """The games of a range of dates, and which of the dates are idle; `error` says why games could not be read."""

    games: KnownGames
    idle: Mapping[GameDate, Idle]
    error: str | None = None


@frozen
class Execution:
    """The newest run of a decision. `status` is that of the ledger; `stopped` is the signal that ended it here."""

    run_id: str
    status: str
    stopped: Literal["SIGINT", "SIGTERM"] | None = None
    error: NbactlError | None = None


class Executor(Runs, Protocol):
    """What runs workflows, and knows the runs."""

    def of_decisions(self, ids: Sequence[str]) -> Mapping[str, Execution]:
        """Return the newest run of each decision that has one."""
        ...

    def execute(self, decision: Recorded, *, resume: bool) -> Execution:
        """Run the workflow; with `resume` go on with the run that it has. Raises LeaseHeldError if it is running."""
        ...


@frozen
class Limits:
    """Seconds: how late a workflow runs by default, how old games may be, and how long a run may take to begin."""

    tolerance: float
    max_age: float
    orphan: float


@frozen
class Decided:
    """A decision, whether this tick recorded it, and what became of its run. `error`: the run could not be started."""

    workflow: str
    action: Action
    reason: str
    id: str | None = None
    game_date: GameDate | None = None
    due_at: datetime | None = None
    recorded: bool = False
    execution: Execution | None = None
    taken_up: bool = False
    """Whether an earlier tick made the decision and was killed."""
    error: NbactlError | None = None


@frozen
class Controller:
    """Decides on workflows. `owner` names this tick; `stopping` says whether this process was asked to stop."""

    workflows: Mapping[str, Workflow]
    alerts: ScheduleAlerts
    log: DecisionLog
    outlook: Callable[[date, date], Outlook]
    executor: Executor
    clock: Clock
    limits: Limits
    owner: str
    is_dead: Callable[[str], bool]
    is_running: Callable[[str], bool]
    stopping: Callable[[], bool] = lambda: False

    def look(self, now: datetime) -> list[Decided]:
        """Return what a tick would decide now. Nothing is changed."""
        decisions, _ = self._decide(now)
        return [_shown(decision) for decision in decisions]

    def tick(self) -> list[Decided]:
        """Take up what was left behind, decide on every workflow, and run what is due.

        Returns what was done, and for every other workflow why nothing was. Raises what the document store raises.
        """
        begun_at = self.clock.now()
        news = self._take_up(begun_at)
        tried: set[str | None] = set()
        while True:
            now = self.clock.now()
            decisions, known = self._decide(now)
            news += self._record(decisions, known, now)
            due = [
                decision
                for decision in decisions
                if decision.action is Action.RUN and decision.slot is not None and decision.id not in tried
                if decision.slot.occurrence.due_at <= begun_at
            ]
            if not tried:
                self.log.decided_until(now)
            if not due or self.stopping():
                break
            first = min(due, key=self._urgency)
            tried.add(first.id)
            news += self._run(first)
        told = {one.workflow for one in news}
        return [*news, *(_shown(decision) for decision in decisions if decision.workflow not in told)]

    def is_orphan(self, decision: Recorded, execution: Execution | None, now: datetime) -> bool:
        """Say whether a decision to run has no run though its process is gone or long at it."""
        if decision.action is not Action.RUN or execution is not None or decision.outcome not in (None, "not_run"):
            return False
        return not decision.open or self._is_lost(decision, now)

    def _decide(self, now: datetime) -> tuple[list[Decision], frozenset[str]]:
        since = self.log.since() or now
        outlook = self.outlook(*game_dates_at(now, since))
        known = Known(outlook.games, since, self.limits.tolerance)
        decided = self.log.known(self._ids(now, known))
        facts = Facts(known, outlook.idle, decided, self.executor, self.limits.max_age, outlook.error)
        return [one for name, flow in self.workflows.items() for one in decide(name, flow, now, facts)], decided

    def _ids(self, now: datetime, known: Known) -> list[str]:
        """Return the ids of all that may have been decided about what is due now, and about what comes next."""
        ids: list[str] = []
        for name, flow in self.workflows.items():
            for slot in due_slots(name, flow, now, known):
                ids += [slot.id, *(f"{slot.id}.{why}" for why in ("stale", "running", "needs"))]
            if (slot_to_come := next_slot(name, flow, now, known)) is not None:
                ids.append(f"{slot_to_come.id}.due")
        return ids

    def _record(self, decisions: Sequence[Decision], known: frozenset[str], now: datetime) -> list[Decided]:
        """Record what is new and no run, and send the alerts of what did not run."""
        news = []
        for decision in decisions:
            if decision.action is Action.RUN or decision.id is None or decision.id in known:
                continue
            if self.log.record(decision, now, self.owner) is not None and decision.why != "due":
                news.append(decision)
        self.alerts.not_run(news)
        return [_shown(decision, recorded=True) for decision in news]

    def _run(self, decision: Decision) -> list[Decided]:
        reach("schedule.before_decision")
        recorded = self.log.record(decision, self.clock.now(), self.owner)
        if recorded is None:
            return []
        reach("schedule.decided")
        return [self._execute(recorded, resume=False)]

    def _execute(self, decision: Recorded, *, resume: bool, taken_up: bool = False) -> Decided:
        execution, failure = None, None
        try:
            execution = self.executor.execute(decision, resume=resume)
        except LeaseHeldError:
            self.log.release(decision)  # somebody runs it by hand; the next tick looks again
        except NbactlError as error:
            failure = error
            self.log.release(decision)
        reach("schedule.executed")
        if execution is not None and execution.status != "detached" and not execution.stopped:
            self.log.close(decision, execution.status)
        return _of_recorded(decision, execution, failure, taken_up=taken_up)

    def _take_up(self, now: datetime) -> list[Decided]:
        """Close the decisions whose runs have ended, follow services, and go on with what has no process."""
        left = self.log.open()
        executions = self.executor.of_decisions([one.id for one in left]) if left else {}
        done = []
        for decision in sorted(left, key=lambda one: (self._priority(one.workflow), one.due_at)):
            if self.stopping():
                break
            taken = self._taken(decision, executions.get(decision.id), now)
            if taken is not None:
                done.append(self._execute(taken, resume=decision.id in executions, taken_up=True))
        return done

    def _taken(self, decision: Recorded, execution: Execution | None, now: datetime) -> Recorded | None:
        """Return the decision if this tick is to execute it now."""
        if execution is None:
            if not self._is_lost(decision, now):
                return None
            orphan = bool(decision.owner)
            if now > decision.latest:
                if self.log.close(decision, "not_run", alerted=True) and not decision.alerted:
                    self.alerts.orphan(decision, "and it is too late for it now")
                return None
            alerted = decision.alerted or orphan
            taken = self.log.take_over(decision, now, self.owner, alerted=alerted)
            if taken is not None and orphan and not decision.alerted:
                self.alerts.orphan(decision, "it is run now")
            # A slow process may have begun it after all, before it was taken over.
            return None if taken is None or self.executor.of_decisions([taken.id]) else taken
        resumable = execution.status in {"interrupted", "cancelled"} and now <= decision.latest
        if execution.status == "detached" or resumable:
            return self.log.take_over(decision, now, self.owner, alerted=decision.alerted)
        if execution.status != "running":
            self.log.close(decision, execution.status)
        return None

    def _is_lost(self, decision: Recorded, now: datetime) -> bool:
        """Say whether no process is about to run it."""
        if not decision.owner or self.is_dead(decision.owner):
            return True
        taken_at = decision.taken_at or decision.decided_at
        return (now - taken_at).total_seconds() > self.limits.orphan and not self.is_running(decision.owner)

    def _urgency(self, decision: Decision) -> tuple[int, datetime, str]:
        assert decision.slot is not None  # noqa: S101 - only what is due has an urgency
        return self._priority(decision.workflow), decision.slot.occurrence.due_at, decision.workflow

    def _priority(self, workflow: str) -> int:
        flow = self.workflows.get(workflow)
        return _PRIORITIES.index("normal" if flow is None else flow.priority)


def _shown(decision: Decision, *, recorded: bool = False) -> Decided:
    slot = decision.slot
    due_at = None if slot is None or slot.whole_day else slot.occurrence.due_at
    return Decided(
        decision.workflow, decision.action, decision.reason, decision.id, decision.game_date, due_at, recorded=recorded
    )


def _of_recorded(
    decision: Recorded, execution: Execution | None, error: NbactlError | None, *, taken_up: bool
) -> Decided:
    return Decided(
        decision.workflow,
        decision.action,
        decision.reason,
        decision.id,
        decision.game_date,
        decision.due_at,
        recorded=not taken_up,
        execution=execution,
        taken_up=taken_up,
        error=error,
    )
