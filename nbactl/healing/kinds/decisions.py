"""Decisions to run a workflow whose run never began, because the tick was killed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nbactl.errors import PreconditionError
from nbactl.frozen import frozen
from nbactl.healing.model import Fault
from nbactl.schedule.decide import Action

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.core._support.clock import Clock
    from nbactl.healing.model import Scope
    from nbactl.schedule.controller import Controller

_BEGAN: Final = ("running", "succeeded", "partial", "skipped", "detached")


@frozen
class DecisionOrphan:
    """A decision to run without a run. The next tick takes it up while it is not too late; this is for what it left."""

    controller: Controller
    clock: Clock
    after: float
    name: str = "decision_orphan"

    def find(self, scope: Scope) -> Iterator[Fault]:
        old = scope.now - timedelta(seconds=self.after)
        for day in scope.days:
            decisions = [one for one in self.controller.log.stream(game_date=day) if one.action is Action.RUN]
            runs = self.controller.executor.of_decisions([one.id for one in decisions]) if decisions else {}
            for decision in decisions:
                if decision.decided_at <= old and self.controller.is_orphan(decision, runs.get(decision.id), scope.now):
                    yield Fault(
                        self.name,
                        decision.id,
                        f"{decision.workflow} was to run, and its run never began",
                        f"run {decision.workflow}",
                        f"nbactl run {decision.workflow} --date {day}",
                        day,
                        decision.decided_at,
                    )

    def repair(self, fault: Fault) -> str:
        log = self.controller.log
        decision = log.get(fault.object)
        if decision.workflow not in self.controller.workflows:
            raise PreconditionError(f"workflows.yaml has no workflow {decision.workflow} any more")
        taken = log.take_over(decision, self.clock.now(), self.controller.owner, alerted=True)
        if taken is None:
            return f"another process runs {decision.workflow}"
        execution = self.controller.executor.execute(taken, resume=False)
        if execution.error is not None:
            raise execution.error
        if execution.status != "detached" and execution.stopped is None:
            log.close(taken, execution.status)
        return f"{decision.workflow} {execution.status} ({execution.run_id})"

    def verify(self, fault: Fault) -> str | None:
        run = self.controller.executor.of_decisions([fault.object]).get(fault.object)
        return f"its run {run.run_id} is {run.status}" if run is not None and run.status in _BEGAN else None
