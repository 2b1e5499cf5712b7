"""A tick: decide on every rollout, take the step, send the alert. Ticks may overlap and be killed anywhere."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.core.audit.entry import Change
from nbactl.errors import NbactlError, PreconditionError
from nbactl.ports.alerts import Alert
from nbactl.rollouts.decisions import RolloutDecision, decide
from nbactl.rollouts.guards import GuardVerdict, judge
from nbactl.rollouts.model import Rollout, RolloutAction, RolloutStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from nbactl.core.audit.entry import Auditing, AuditOutcome
    from nbactl.core.flags.store import FlagStore
    from nbactl.rollouts.guards import MetricSource
    from nbactl.rollouts.health import ServiceHealth
    from nbactl.rollouts.store import RolloutStore

_LOG = logging.getLogger(__name__)
BY: Final = "schedule tick"
AUDITED_AS: Final = "tick"
_SEVERITIES: Final = {RolloutAction.ABORT: "critical", RolloutAction.PAUSE: "warning"}


def no_alert(alert: Alert) -> None:
    """Send nothing: for commands that only look."""


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """The decision on one rollout; `done` says whether it was carried out, `error` why it could not be."""

    rollout: Rollout
    decision: RolloutDecision
    verdicts: Sequence[GuardVerdict]
    done: bool = False
    error: NbactlError | None = None


@dataclass(frozen=True, slots=True)
class Ticker:
    """Decides on rollouts. `health` returns None where no service is declared; `alert` gets every step.

    Every step that a tick takes is entered in `audit`, if there is one.
    """

    rollouts: RolloutStore
    flags: FlagStore
    sources: Sequence[MetricSource]
    health: Callable[[], Sequence[ServiceHealth] | None]
    alert: Callable[[Alert], None]
    audit: Auditing | None = None

    def tick(self, now: datetime, *, dry_run: bool) -> list[RolloutStep]:
        """Decide on every rollout; a failure of one does not hold up the others."""
        rollouts, _ = self.rollouts.all()
        results = []
        for rollout in rollouts:
            if not dry_run and rollout.alerted_version < rollout.version:  # a tick was killed between step and alert
                self._send_alert(rollout)
            if rollout.status is RolloutStatus.RUNNING:
                results.append(self._step(rollout, now, dry_run=dry_run))
        return results

    def preview(self, rollout: Rollout, now: datetime) -> tuple[RolloutDecision, list[GuardVerdict]]:
        """Return what a tick would do with a rollout now, and the results of its guards."""
        verdicts = judge(rollout, self.sources, now)
        return decide(rollout, self.flags.get(rollout.key), verdicts, self.health, now), verdicts

    def next_step(self, rollout: Rollout, now: datetime, *, force: bool = False) -> RolloutAction:
        """Return ADVANCE or COMPLETE if a tick would do that now. Raises PreconditionError if it would not.

        With `force` a rollout advances that is only held, but never one with a breached guard or a flag that was moved.
        """
        if rollout.status is RolloutStatus.PAUSED:
            raise PreconditionError(
                f"the rollout of {rollout.key} is paused", next_step=f"nbactl flags rollout start {rollout.key}"
            )
        decision, _ = self.preview(rollout, now)
        forced = force and decision.action is RolloutAction.HOLD
        if decision.action not in (RolloutAction.ADVANCE, RolloutAction.COMPLETE) and not forced:
            raise PreconditionError(
                f"{rollout.key} does not advance: {decision.action.value}",
                cause=decision.why,
                next_step="Wait for the tick, or give --force if no guard is breached.",
            )
        return RolloutAction.COMPLETE if rollout.is_last else RolloutAction.ADVANCE

    def _step(self, rollout: Rollout, now: datetime, *, dry_run: bool) -> RolloutStep:
        try:
            decision, verdicts = self.preview(rollout, now)
        except NbactlError as error:
            return RolloutStep(rollout, RolloutDecision(RolloutAction.HOLD, error.message), (), error=error)
        if decision.action is RolloutAction.HOLD or dry_run:
            return RolloutStep(rollout, decision, verdicts)
        finish = self._entered(rollout, decision)
        try:
            after = self.rollouts.take(rollout, decision.action, by=BY, why=decision.why)
        except PreconditionError as error:
            finish("cancelled", error)
            lost = RolloutDecision(RolloutAction.HOLD, f"somebody else was faster: {error.message}")
            return RolloutStep(rollout, lost, verdicts)
        except NbactlError as error:
            finish("failed", error)
            return RolloutStep(rollout, decision, verdicts, error=error)
        finish("done", None)
        self._send_alert(after)
        return RolloutStep(after, decision, verdicts, done=True)

    def _entered(
        self, rollout: Rollout, decision: RolloutDecision
    ) -> Callable[[AuditOutcome, NbactlError | None], None]:
        """Enter a step in the audit trail, and return what enters how it ended."""
        trail, undo = self.audit, f"nbactl flags rollout abort {rollout.key}"
        if trail is None:
            return lambda _outcome, _error: None
        reverts = decision.action is RolloutAction.ADVANCE
        touches = (f"rollout {rollout.key}",)
        entry = trail.begin(
            Change(f"rollout.{decision.action.value}", touches, decision.why, undo if reverts else None), AUDITED_AS
        )
        return lambda outcome, error: trail.finish(entry, outcome, error=None if error is None else str(error))

    def _send_alert(self, rollout: Rollout) -> None:
        last = rollout.history[-1]
        self.alert(
            Alert(
                key=f"rollout/{rollout.key}/{rollout.version}",
                severity=_SEVERITIES.get(last.action, "info"),  # type: ignore[arg-type]
                title=f"rollout of {rollout.key}: {last.action.value}, at {last.percent:g} %",
                text=last.why,
                fields={"flag": rollout.key, "by": last.by, "status": rollout.status.value},
                next_step=f"nbactl flags rollout status {rollout.key}",
            )
        )
        try:
            self.rollouts.mark_alerted(rollout)
        except NbactlError as error:  # the next tick sends it again, within the alert's window
            _LOG.warning("the alert for the rollout of %s could not be marked as sent", rollout.key, exc_info=error)
