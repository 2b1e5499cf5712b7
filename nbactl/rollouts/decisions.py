"""What a tick does with a rollout: a pure function of what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.core._support.durations import format_duration
from nbactl.rollouts.model import RolloutAction, RolloutStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from nbactl.core.flags import State
    from nbactl.rollouts.guards import GuardVerdict
    from nbactl.rollouts.health import ServiceHealth
    from nbactl.rollouts.model import Rollout


@dataclass(frozen=True, slots=True)
class RolloutDecision:
    """What is done with a rollout, and why."""

    action: RolloutAction
    why: str


def decide(
    rollout: Rollout,
    state: State | None,
    verdicts: Sequence[GuardVerdict],
    health: Callable[[], Sequence[ServiceHealth] | None],
    now: datetime,
) -> RolloutDecision:
    """Return the decision for a rollout that is running.

    What an operator did to the flag comes first, then a breach, whatever else is said. Silence never moves anything:
    with too little data, or services that are not known to be well (`health` returns None), it holds.
    """
    if rollout.status is not RolloutStatus.RUNNING:
        return RolloutDecision(RolloutAction.HOLD, f"it is {rollout.status.value}")
    if moved := moved_by_hand(rollout, state):
        return RolloutDecision(RolloutAction.PAUSE, moved)
    breached = [f"{each.guard}: {each.why}" for each in verdicts if each.breached]
    if breached:
        return RolloutDecision(RolloutAction.ABORT, "; ".join(breached))
    if held := _unproven(rollout, verdicts, now):
        return RolloutDecision(RolloutAction.HOLD, held)
    passed = f"{len(verdicts)} guard{'s' if len(verdicts) != 1 else ''} passed at {rollout.percent:g} %"
    if rollout.is_last:
        return RolloutDecision(RolloutAction.COMPLETE, passed)
    ill = not_well(health())
    return RolloutDecision(RolloutAction.ADVANCE, passed) if ill is None else RolloutDecision(RolloutAction.HOLD, ill)


def _unproven(rollout: Rollout, verdicts: Sequence[GuardVerdict], now: datetime) -> str | None:
    """Say what the stage has not proved yet."""
    left = (rollout.bakes_until - now).total_seconds()
    if left > 0:
        return f"{rollout.percent:g} % bakes for another {format_duration(left)}"
    unsaid = [f"{each.guard}: {each.why}" for each in verdicts if not each.passed]
    return f"too little is known: {'; '.join(unsaid)}" if unsaid else None


def not_well(services: Sequence[ServiceHealth] | None) -> str | None:
    """Say why no stage may begin now, None if every service is well. None is given where none is declared."""
    if services is None:
        return "no service is declared whose health could be asked for (NBACTL_HEALTH_URLS)"
    ill = [f"{each.name} ({each.detail})" for each in services if not each.green]
    return f"not every service is well: {', '.join(ill)}" if ill else None


def moved_by_hand(rollout: Rollout, state: State | None) -> str | None:
    """Say who moved the flag since the rollout did, None if nobody."""
    if state is None:
        return "the flag's state is gone"
    if state.version == rollout.flag_version:
        return None
    alerted_version = f"{state.updated_by} set the flag " + (f"to {state.percent:g} %" if state.enabled else "off")
    return told + (f": {state.reason}" if state.reason else "")
