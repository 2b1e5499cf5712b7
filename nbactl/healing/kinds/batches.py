"""Prediction batches that nobody closed (incident 5), and completions whose two sides differ (invariant 3)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nbactl.core._support.aio import Cancellation
from nbactl.core.completions.documents import batch_path
from nbactl.errors import NotFoundError, PreconditionError
from nbactl.frozen import frozen
from nbactl.healing.model import Fault
from nbactl.migrations.completions.migration import Caller
from nbactl.migrations.completions.selection import Selection
from nbactl.migrations.model import Operator
from nbactl.ports.alerts import Alert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from nbactl.core.completions.batches import BatchEntry, Batches
    from nbactl.core.completions.tracker import CompletionTracker
    from nbactl.healing.model import Scope
    from nbactl.migrations.completions.migration import CompletionsMigration
    from nbactl.migrations.completions.repair import RepairPlan
    from nbactl.ports.documents import DocumentStore

_ENOUGH: Final = 95.0
"""Percent of the players with which a quiet batch is closed (production's rule)."""
_STARTED_BY: Final = "started_by"
_MERGED: Final = "consolidated_at"
"""The fields by which a batch of nbactl is known, and its merge into the warehouse."""


@frozen
class BatchStalled:
    """A batch that is open although production's rule closes it: quiet at 95 %, or too old whatever its share.

    `quiet` and `limit` are the seconds of that rule.
    """

    documents: DocumentStore
    batches: Batches
    tracker: CompletionTracker
    alert: Callable[[Alert], None]
    quiet: float
    limit: float
    after: float
    name: str = "batch_stalled"

    def find(self, scope: Scope) -> Iterator[Fault]:
        for day in scope.days:
            for entry in self.batches.list(date=day, incomplete=True, limit=None):
                closed_at, why = self._closed_at(entry)
                if entry.progress is None or closed_at + timedelta(seconds=self.after) > scope.now:
                    continue
                done = f"{entry.progress.completed} of {entry.progress.expected} players"
                yield Fault(
                    self.name,
                    entry.batch_id,
                    f"open with {done} {why}",
                    "make it complete without the players that are missing",
                    f"nbactl batches complete {entry.batch_id}",
                    day,
                    closed_at,
                )

    def repair(self, fault: Fault) -> str:
        done = self.tracker.complete(fault.object)
        progress = done.progress
        if done.became_complete and progress.percent < _ENOUGH:
            self.alert(
                Alert(
                    f"batch_closed_short/{fault.object}",
                    "critical",
                    f"{fault.object} was closed with {progress.completed} of {progress.expected} players",
                    f"{progress.missing} players are missing, and {len(progress.failed)} have failed.",
                    {"game date": str(progress.game_date)},
                    next_step=f"nbactl batches show {fault.object}",
                )
            )
        return f"closed {fault.object} with {progress.completed} of {progress.expected} players"

    def verify(self, fault: Fault) -> str | None:
        batch = self.documents.get(batch_path(fault.object))
        if batch is None:
            return "the batch is not there any more"
        progress = self.batches.entry(fault.object).progress
        if progress is None or not progress.is_complete:
            return None
        if batch.data.get(_STARTED_BY) is not None and batch.data.get(_MERGED) is None:
            return None  # its rows are not in the table yet: the coordinator merges them
        return f"complete with {progress.completed} of {progress.expected} players"

    def _closed_at(self, entry: BatchEntry) -> tuple[datetime, str]:
        """Return when the rule closes a batch, as things are, and why."""
        progress = entry.progress
        quiet = entry.last_change + timedelta(seconds=self.quiet)
        if progress is None or progress.start_time is None:
            return quiet + timedelta(seconds=self.limit), "without a start time"
        old = progress.start_time + timedelta(seconds=self.limit)
        if progress.percent >= _ENOUGH and quiet < old:
            return quiet, f"and quiet since {entry.last_change:%H:%M} UTC"
        return old, f"and {progress.percent:.0f} %, too old since {old:%H:%M} UTC"


@frozen
class CompletionDrift:
    """A batch whose array, subcollection and counters do not agree, and in which nothing was recorded lately."""

    batches: Batches
    migration: CompletionsMigration
    operator: Callable[[], str]
    after: float
    name: str = "completion_drift"

    def find(self, scope: Scope) -> Iterator[Fault]:
        for day in scope.days:
            quiet = scope.now - timedelta(seconds=self.after)
            entries = self.batches.list(date=day, limit=None)
            names = tuple(entry.batch_id for entry in entries if entry.last_change <= quiet)
            plan = self._plan(names) if names else None
            for name in names if plan is not None else ():
                changes = _about(plan, name)
                if changes:
                    yield Fault(
                        self.name,
                        name,
                        f"its two sides differ: {', '.join(changes)}",
                        "make both sides agree as `migrate completions --repair` does",
                        f"nbactl migrate completions --repair --batch {name} --dry-run",
                        day,
                    )

    def repair(self, fault: Fault) -> str:
        plan = self._plan((fault.object,))
        if plan is None or not plan.steps:
            by_hand = [] if plan is None else plan.by_hand
            raise PreconditionError(f"{fault.object}: a person has to decide about {len(by_hand)} fields")
        result, export = self.migration.repair(plan, self._caller())
        kept = f"; what was overwritten is in {export}" if export else ""
        return f"repaired {fault.object}: {result}{kept}"

    def verify(self, fault: Fault) -> str | None:
        plan = self._plan((fault.object,))
        return "both sides agree" if plan is not None and not _about(plan, fault.object) else None

    def _plan(self, names: tuple[str, ...]) -> RepairPlan | None:
        try:
            return self.migration.plan_repair(Selection(names), self._caller())[0]
        except NotFoundError:
            return None

    def _caller(self) -> Caller:
        return Caller(Operator(self.operator(), "nbactl heal"), lambda _: None, Cancellation())


def _about(plan: RepairPlan | None, batch: str) -> list[str]:
    """Return what a plan would change in a batch, and how many fields it leaves to a person."""
    if plan is None:
        return []
    kinds: dict[str, int] = {}
    for step in plan.steps:
        if step.batch == batch:
            kinds[step.kind.replace("_", " ")] = kinds.get(step.kind.replace("_", " "), 0) + 1
    decide = sum(problem["batch"] == batch for problem in plan.by_hand)
    found = [f"{number} x {kind}" for kind, number in kinds.items()]
    return [*found, *([f"{decide} to decide"] if decide else [])]
