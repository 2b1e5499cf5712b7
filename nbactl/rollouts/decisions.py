"""What a tick does with a rollout: a pure function of its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.core._support.durations import format_duration
from nbactl.rollouts.model import RolloutAction, RolloutStatus
from nbactl.rollouts.rules import why_unhealthy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from nbactl.core.flags import State
    from nbactl.rollouts.guards import GuardVerdict
    from nbactl.rollouts.health import ServiceHealth
    from nbactl.rollouts.model import Rollout


@dataclass(frozen=True, slots=True)
class RolloutDecision:
    """What to do with a rollout, and why."""

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

    A change of the flag by an operator comes first, then a breach of a guard. Missing data never move anything: with
    too few events, or services that are not known to be healthy (`health` returns None), it holds.
    """
    if rollout.status is not RolloutStatus.RUNNING:
        return RolloutDecision(RolloutAction.HOLD, f"it is {rollout.status.value}")
    if moved := moved_by_hand(rollout, state):
        return RolloutDecision(RolloutAction.PAUSE, moved)
    breached = [f"{verdict.guard}: {verdict.why}" for verdict in verdicts if verdict.breached]
    if breached:
        return RolloutDecision(RolloutAction.ABORT, "; ".join(breached))
    if held := _unproven(rollout, verdicts, now):
        return RolloutDecision(RolloutAction.HOLD, held)
    passed = f"{len(verdicts)} guard{'s' if len(verdicts) != 1 else ''} passed at {rollout.percent:g} %"
    if rollout.is_last:
        return RolloutDecision(RolloutAction.COMPLETE, passed)
    unhealthy = why_unhealthy(health())
    action = RolloutAction.HOLD if unhealthy else RolloutAction.ADVANCE
    return RolloutDecision(action, unhealthy or passed)


def _unproven(rollout: Rollout, verdicts: Sequence[GuardVerdict], now: datetime) -> str | None:
    """Return what the stage has not proved yet, None if it has."""
    left = (rollout.bakes_until - now).total_seconds()
    if left > 0:
        return f"{rollout.percent:g} % bakes for another {format_duration(left)}"
    unknown = [f"{verdict.guard}: {verdict.why}" for verdict in verdicts if not verdict.passed]
    return f"too little data: {'; '.join(unknown)}" if unknown else None


def moved_by_hand(rollout: Rollout, state: State | None) -> str | None:
    """Return who moved the flag since the last step of the rollout, None if nobody."""
    if state is None:
        return "the flag's state is gone"
    if state.version == rollout.flag_version:
        return None
    moved = f"{state.updated_by} set the flag " + (f"to {state.percent:g} %" if state.enabled else "off")
    return moved + (f": {state.reason}" if state.reason else "")
