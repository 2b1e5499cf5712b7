"""One run of those that are executed at once: its lease, its right to write, and what stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core.lease.heartbeat import Heartbeat
from nbactl.errors import StaleFenceError
from nbactl.workflows.engine import Execution, ExecutionContext
from nbactl.workflows.fence import Fences
from nbactl.workflows.stop import Stop, StopSignal

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core._support.aio import Cancellation
    from nbactl.core.lease.leases import Lease
    from nbactl.workflows.engine import Engine
    from nbactl.workflows.freshness import Judgement
    from nbactl.workflows.journal import Journal
    from nbactl.workflows.model import Observer, PlannedTask, RunPlan, RunRecord
    from nbactl.workflows.runner import Runner
    from nbactl.workflows.sets import Gathering

CANCELLED = "cancelled by `nbactl runs cancel`"


class Member:
    """One run, recorded as started, under its lease. `judge` judges a carried task again."""

    def __init__(  # noqa: PLR0917 - what a run depends on
        self,
        runner: Runner,
        cancellation: Cancellation,
        judge: Callable[[PlannedTask], Judgement],
        lease: Lease,
        plan: RunPlan,
        run: RunRecord,
    ) -> None:
        """To be made on the loop on which it runs."""
        self._cancellation = cancellation
        self._judge = judge
        self._lease = lease
        self._plan = plan
        self._run = run
        self._stop = StopSignal()
        self._fences = Fences(lease.token, lease.owner)
        self.heartbeat = self._heartbeat(runner)

    def _heartbeat(self, runner: Runner) -> Heartbeat:
        def on_lost(reason: str) -> None:
            self._fences.revoke_all(reason)
            self._stop.request_threadsafe(Stop("lease_lost", reason))

        limits = runner.timeouts.leases["run"]
        return Heartbeat(
            runner.leases,
            self._lease,
            ttl=limits.ttl,
            renew_every=limits.renew_every,
            poll_every=runner.timeouts["run.cancel_poll"],
            clock=runner.clock,
            cancel_requested=lambda: runner.ledger.cancel_requested(self._run.run_id),
            on_cancel=lambda: self._cancellation.request(CANCELLED),
            on_lost=on_lost,
        )

    async def run(self, engine: Engine, journal: Journal, observer: Observer, gathering: Gathering | None) -> RunRecord:
        """Execute the run to its end. Raises StaleFenceError if its lease was lost."""
        stop, plan = self._stop, self._plan
        unsubscribe = self._cancellation.subscribe(
            lambda reason: stop.request_threadsafe(Stop("cancelled", _cancel_reason(reason)))
        )
        context = ExecutionContext(journal, self._fences, observer, stop, self._judge, self._lease)
        try:
            done = await Execution(engine, plan, self._run, context).run()
        except StaleFenceError as error:
            raise _lost(plan, error.message) from error
        finally:
            unsubscribe()
            if gathering is not None:
                gathering.leave(self._run.run_id)
        if stop.stop is not None and stop.stop.kind == "lease_lost":
            raise _lost(plan, stop.stop.reason)
        return done


def _lost(plan: RunPlan, reason: str) -> StaleFenceError:
    return StaleFenceError(
        f"{plan.name} for {plan.game_date} lost its lease: {reason}",
        cause="Another process may be working on it by now; what this one wrote since was refused.",
        next_step=f"See who works on it: nbactl runs list --name {plan.name} --date {plan.game_date}",
    )


def _cancel_reason(reason: str) -> str:
    return {"SIGINT": "interrupted (Ctrl-C)", "SIGTERM": "terminated (SIGTERM)"}.get(reason, reason)
