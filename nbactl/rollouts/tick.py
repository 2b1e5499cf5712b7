"""One look at every rollout: decide, do it, tell it. Ticks may overlap and be killed anywhere."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.errors import NbactlError, PreconditionError
from nbactl.ports.alerts import Alert
from nbactl.rollouts.decisions import RolloutDecision, decide
from nbactl.rollouts.guards import GuardVerdict, judge
from nbactl.rollouts.model import RolloutAction, Rollout, RolloutStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from nbactl.core.flags.store import FlagStore
    from nbactl.rollouts.guards import MetricSource
    from nbactl.rollouts.health import ServiceHealth
    from nbactl.rollouts.store import RolloutStore

_LOG = logging.getLogger(__name__)
BY: Final = "schedule tick"
_SEVERITIES: Final = {RolloutAction.ABORT: "critical", RolloutAction.PAUSE: "warning"}


def silent(alert: Alert) -> None:
    """Tell nobody: for who only looks."""


@dataclass(frozen=True, slots=True)
class TickResult:
    """What a tick came to for one rollout; `done` says whether it changed anything, `error` why it could not."""

    rollout: Rollout
    decision: RolloutDecision
    verdicts: Sequence[GuardVerdict]
    done: bool = False
    error: NbactlError | None = None


@dataclass(frozen=True, slots=True)
class Ticker:
    """What ticks work with. `health` gives None where nothing is declared; `salts` are those of flags.yaml."""

    rollouts: RolloutStore
    flags: FlagStore
    sources: Sequence[MetricSource]
    health: Callable[[], Sequence[ServiceHealth] | None]
    salts: Mapping[str, str]
    alert: Callable[[Alert], None]

    def tick(self, now: datetime, *, dry_run: bool) -> list[TickResult]:
        """Look at every rollout; one that cannot be dealt with does not hold up the others."""
        rollouts, _ = self.rollouts.all()
        decided = []
        for rollout in rollouts:
            if not dry_run and rollout.alerted_version < rollout.version:  # a tick died between the step and telling it
                self._tell(rollout)
            if rollout.status is RolloutStatus.RUNNING:
                decided.append(self._one(rollout, now, dry_run=dry_run))
        return decided

    def look(self, rollout: Rollout, now: datetime) -> tuple[RolloutDecision, list[GuardVerdict]]:
        """Return what a tick would do with a rollout now, and what its guards say."""
        verdicts = judge(rollout, self.sources, now)
        return decide(rollout, self.flags.get(rollout.key), verdicts, self.health, now), verdicts

    def _one(self, rollout: Rollout, now: datetime, *, dry_run: bool) -> TickResult:
        try:
            decision, verdicts = self.look(rollout, now)
        except NbactlError as error:
            return TickResult(rollout, RolloutDecision(RolloutAction.HOLD, error.message), (), error=error)
        if decision.action is RolloutAction.HOLD or dry_run:
            return TickResult(rollout, decision, verdicts)
        salt = self.salts.get(rollout.key, rollout.key)
        try:
            after = self.rollouts.take(rollout, decision.action, salt=salt, by=BY, why=decision.why)
        except PreconditionError as error:
            return TickResult(rollout, RolloutDecision(RolloutAction.HOLD, f"somebody else was faster: {error.message}"), verdicts)
        except NbactlError as error:
            return TickResult(rollout, decision, verdicts, error=error)
        self._tell(after)
        return TickResult(after, decision, verdicts, done=True)

    def _tell(self, rollout: Rollout) -> None:
        last = rollout.history[-1]
        place = f"at {last.percent:g} %"
        self.alert(
            Alert(
                key=f"rollout/{rollout.key}/{rollout.version}",
                severity=_SEVERITIES.get(last.action, "info"),  # type: ignore[arg-type]
                title=f"rollout of {rollout.key}: {last.action.value}, {place}",
                text=last.why,
                fields={"flag": rollout.key, "by": last.by, "status": rollout.status.value},
                next_step=f"nbactl flags rollout status {rollout.key}",
            )
        )
        try:
            self.rollouts.mark_alerted(rollout)
        except NbactlError as error:  # the next tick tells it again, within the alert's window
            _LOG.warning("it could not be noted that the rollout of %s was told", rollout.key, exc_info=error)
