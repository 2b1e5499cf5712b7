"""What to do about each workflow now: pure functions from the schedule and what is known to decisions.

An occurrence runs at most once. If it does not run it is skipped for a stated reason. Until its tolerance is over a
workflow may wait, or be aborted because the schedule of games is out of date; either may still become a run.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal, Protocol

from nbactl.core._support.durations import format_duration
from nbactl.core._support.gamedate import EASTERN, GameDate
from nbactl.frozen import frozen
from nbactl.schedule.occurrences import Occurrence, end_of, game_date_of, instant, occurrences_with

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from nbactl.config.schedules import Schedule
    from nbactl.config.workflows import Workflow
    from nbactl.core.season.idle import Idle
    from nbactl.ports.calendar import KnownGames

MOST_DAYS: Final = 14
"""How many days back missed occurrences are recorded."""
_DAYS_BEFORE: Final = 2
"""How many days back what may still run was due: a window past midnight, and its tolerance."""
Why = Literal[
    "due", "by_hand", "disabled", "idle", "games", "stale", "missed", "waited", "superseded", "found", "early",
    "running", "needs",
]  # fmt: skip
"""What kind of reason a decision has."""
NOT_RUN: Final[tuple[Why, ...]] = ("stale", "missed", "waited")
"""The kinds that are worth an alert."""


class Action(StrEnum):
    """What is done about an occurrence. After RUN and SKIP nothing more is decided about it."""

    RUN = "RUN"
    SKIP = "SKIP"
    WAIT = "WAIT"
    ABORT = "ABORT"


@frozen
class Slot:
    """An occurrence of a workflow, which may be begun until `latest`.

    `whole_day` is a day on which it is not known when, or whether, a workflow that counts from games is due.
    """

    workflow: str
    occurrence: Occurrence
    latest: datetime
    whole_day: bool = False

    @property
    def id(self) -> str:
        """The id of what is decided about it, the same for every tick."""
        due = self.occurrence.due_at
        moment = f"{due.astimezone(EASTERN):%Y%m%d}" if self.whole_day else f"{due:%Y%m%dT%H%M%SZ}"
        return f"{self.workflow}-{moment}"


@frozen
class Decision:
    """What is decided about a workflow now, and why. Without a slot nothing is due, and nothing is recorded."""

    workflow: str
    action: Action
    why: Why
    reason: str
    slot: Slot | None = None

    @property
    def id(self) -> str | None:
        """The id under which it is recorded. What may still change has one of its own, so that each is kept."""
        if self.slot is None:
            return None
        return self.slot.id if self.action in FINAL else f"{self.slot.id}.{self.why}"

    @property
    def game_date(self) -> GameDate | None:
        """The game date that a run would work on."""
        return None if self.slot is None else self.slot.occurrence.game_date


FINAL: Final = (Action.RUN, Action.SKIP)


@frozen
class LastRun:
    """The newest run of a workflow and game date; `found` are the tasks that wrote rows."""

    run_id: str
    status: Literal["running", "done", "not_done"]
    found: frozenset[str] = frozenset()


class Runs(Protocol):
    """What is known of runs."""

    def last(self, workflow: str, game_date: GameDate) -> LastRun | None:
        """Return the newest run of a workflow and game date."""
        ...


@frozen
class Known:
    """What occurrences follow from, beside the schedules.

    `since` is the time up to which every occurrence was decided on; `tolerance` is in seconds.
    """

    games: KnownGames
    since: datetime
    tolerance: float


@frozen
class Facts:
    """What decisions are made from, beside the time.

    `decided` has the ids of the decisions that were made. `max_age`, in seconds, is how old the schedule of games may
    be; `calendar_error` says why it could not be read.
    """

    known: Known
    idle: Mapping[GameDate, Idle]
    decided: frozenset[str]
    runs: Runs
    max_age: float
    calendar_error: str | None = None


def due_slots(name: str, workflow: Workflow, now: datetime, known: Known) -> list[Slot]:
    """Return the occurrences that are due and were perhaps not decided on by `known.since`, oldest first."""
    slots = [slot for slot in _slots(name, workflow, now, known) if slot.occurrence.due_at <= now]
    return [slot for slot in slots if slot.latest >= known.since]


def next_slot(name: str, workflow: Workflow, now: datetime, known: Known) -> Slot | None:
    """Return the first occurrence that is not due yet, until tomorrow night."""
    later = [slot for slot in _slots(name, workflow, now, known) if slot.occurrence.due_at > now]
    return min(later, key=lambda slot: slot.occurrence.due_at, default=None)


def game_dates_at(now: datetime, since: datetime) -> tuple[date, date]:
    """Return the first and the last game date that a decision made now may be about."""
    first, last = _days_at(now, since)
    return first - timedelta(days=1), last + timedelta(days=1)


def _days_at(now: datetime, since: datetime) -> tuple[date, date]:
    today = now.astimezone(EASTERN).date()
    missed = max(since.astimezone(EASTERN).date(), today - timedelta(days=MOST_DAYS))
    return min(missed, today) - timedelta(days=_DAYS_BEFORE), today + timedelta(days=1)


def _slots(name: str, workflow: Workflow, now: datetime, known: Known) -> Iterator[Slot]:
    plan = workflow.schedule
    if plan is None:
        return
    late = timedelta(seconds=known.tolerance if plan.tolerance is None else plan.tolerance)
    today = now.astimezone(EASTERN).date()
    day, last = _days_at(now, known.since)
    while day <= last:
        game_date = game_date_of(plan, day)
        due = occurrences_with(plan, day, known.games.days.get(game_date.day))
        for one in due:
            yield Slot(name, one, one.until or one.due_at + late)
        if not due and day <= today:
            yield Slot(name, Occurrence(instant(day, time()), None, game_date), end_of(day), whole_day=True)
        day += timedelta(days=1)


def decide(name: str, workflow: Workflow, now: datetime, facts: Facts) -> list[Decision]:
    """Return what is decided about a workflow now: about each occurrence that is due, and else about the next one.

    What was decided before for good is left out.
    """
    plan = workflow.schedule
    if plan is None:
        return [Decision(name, Action.SKIP, "by_hand", "has no schedule: run by hand")]
    due = due_slots(name, workflow, now, facts.known)
    newest = {slot.occurrence.game_date: slot for slot in due if not slot.whole_day}
    decisions = [
        next(_verdicts(_Case(workflow, plan, slot, newest.get(slot.occurrence.game_date), now, facts)))
        for slot in due
        if slot.id not in facts.decided
    ]
    decisions = [one for one in decisions if not _is_over(one, now, facts)]
    return decisions or [_about_the_next(name, workflow, now, facts)]


def _is_over(decision: Decision, now: datetime, facts: Facts) -> bool:
    """Say whether an occurrence was aborted until its tolerance was over: that remains what was decided."""
    slot = decision.slot
    return slot is not None and now > slot.latest and f"{slot.id}.stale" in facts.decided


def _about_the_next(name: str, workflow: Workflow, now: datetime, facts: Facts) -> Decision:
    if not workflow.enabled:
        return Decision(name, Action.SKIP, "disabled", f"not enabled: {workflow.disabled_reason}")
    slot = next_slot(name, workflow, now, facts.known)
    if slot is None:
        return Decision(name, Action.SKIP, "games", "not due until the end of tomorrow")
    return Decision(name, Action.WAIT, "due", f"next due at {_at(slot.occurrence.due_at)}", slot)


@frozen
class _Case:
    """One occurrence to decide on. `newest` is the last one of its game date that is due."""

    workflow: Workflow
    plan: Schedule
    slot: Slot
    newest: Slot | None
    now: datetime
    facts: Facts

    @property
    def day(self) -> GameDate:
        return self.slot.occurrence.game_date

    def decided(self, action: Action, why: Why, reason: str) -> Decision:
        return Decision(self.slot.workflow, action, why, reason, self.slot)


def _verdicts(case: _Case) -> Iterator[Decision]:
    """Yield what keeps an occurrence from running, what counts most first, and at the end that it runs."""
    slot, now, facts, plan = case.slot, case.now, case.facts, case.plan
    if not case.workflow.enabled:
        yield case.decided(Action.SKIP, "disabled", f"not enabled: {case.workflow.disabled_reason}")
    idle = facts.idle.get(case.day)
    if idle is not None and (idle.kind in {"off_season", "halted"} or (idle.kind == "break" and plan.depends_on_games)):
        yield case.decided(Action.SKIP, "idle", idle.reason)
    by_games = list(_by_games(case)) if plan.depends_on_games else []
    if now > slot.latest:
        yield from (one for one in by_games[:1] if one.action is Action.SKIP)
        if not facts.decided.isdisjoint(f"{slot.id}.{why}" for why in ("running", "needs")):
            yield case.decided(Action.SKIP, "waited", f"what it waited for did not happen by {_at(slot.latest)}")
        late = format_duration((now - slot.occurrence.due_at).total_seconds() // 60 * 60)
        yield case.decided(Action.SKIP, "missed", f"missed: due at {_at(slot.occurrence.due_at)}, {late} ago")
    yield from by_games
    if case.newest is not None and case.newest != slot:
        yield case.decided(Action.SKIP, "superseded", f"due again at {_at(case.newest.occurrence.due_at)}")
    yield from _by_runs(case)


def _by_games(case: _Case) -> Iterator[Decision]:
    """Yield why the games of the date do not allow a run."""
    known, day, slot = case.facts.known.games, case.day, case.slot
    if case.facts.calendar_error is not None:
        reason = f"the schedule of games cannot be read: {case.facts.calendar_error}"
        yield case.decided(Action.ABORT, "stale", reason)
    age = 0.0 if known.as_of is None else (case.now - known.as_of).total_seconds()
    if age > case.facts.max_age:
        limit = format_duration(case.facts.max_age)
        reason = f"the schedule of games is {age / 3600:.0f} hours old, at most {limit} is allowed"
        yield case.decided(Action.ABORT, "stale", reason)
    if day.day in known.unknown:
        yield case.decided(Action.ABORT, "stale", f"the schedule of games does not cover {day}")
    games = known.days.get(day.day)
    if games is None:
        yield case.decided(Action.SKIP, "games", f"no games on {day}")
        return
    first, cut_off = games.first_tip_off, case.plan.first_game_before
    if first is None and (slot.whole_day or cut_off is not None):
        yield case.decided(Action.SKIP, "games", f"the first tip-off of {day} is not known")
    if cut_off is not None and first is not None and first >= instant(day.day, cut_off):
        reason = f"the first game of {day} is at {_at(first)}, not before {cut_off:%H:%M}"
        yield case.decided(Action.SKIP, "early", reason)
    if slot.whole_day:
        yield case.decided(Action.SKIP, "games", f"not due on {day} with games from {_at(first) if first else '?'}")


def _by_runs(case: _Case) -> Iterator[Decision]:
    """Yield what the runs of the game date leave to do."""
    runs, day, wanted = case.facts.runs, case.day, case.plan.until_found
    last = runs.last(case.slot.workflow, day)
    if last is not None and wanted in last.found:
        yield case.decided(Action.SKIP, "found", f"{wanted} of {day} was found by {last.run_id}")
    if last is not None and last.status == "running":
        yield case.decided(Action.WAIT, "running", f"{last.run_id} is still running")
    needed = {name: runs.last(name, day) for name in case.workflow.needs}
    undone = [name for name, run in needed.items() if run is None or run.status != "done"]
    if undone:
        yield case.decided(Action.WAIT, "needs", f"waits for {', '.join(undone)} of {day}")
    yield case.decided(Action.RUN, "due", f"due at {_at(case.slot.occurrence.due_at)}")


def _at(moment: datetime) -> str:
    """Return `01:00 on 2024-11-02`; with the zone in the hour that a night has twice."""
    there = moment.astimezone(EASTERN)
    twice = there.replace(fold=0).utcoffset() != there.replace(fold=1).utcoffset()
    return f"{there:%H:%M %Z on %Y-%m-%d}" if twice else f"{there:%H:%M on %Y-%m-%d}"
