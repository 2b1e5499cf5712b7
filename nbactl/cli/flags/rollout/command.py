"""Staged rollouts: start, advance, pause, abort, and look at them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nbactl.cli.ask import Question, operator, proceed
from nbactl.cli.flags.snapshot import active_flags
from nbactl.rollouts.model import Rollout, RolloutAction, RolloutStatus
from nbactl.rollouts.store import unknown_rollout
from nbactl.rollouts.tick import no_alert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.rollouts.decisions import RolloutDecision
    from nbactl.rollouts.guards import GuardVerdict


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """Which rollouts; without keys those of the flags under rollout.active. `force` overrules the rules."""

    keys: tuple[str, ...] = ()
    reason: str | None = None
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class RolloutsChanged:
    """What was done, or would be: `plan` says it in words, `undo` are the words of the command that undoes it."""

    plan: tuple[str, ...]
    rollouts: tuple[Rollout, ...]
    undo: tuple[str, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class RolloutState:
    """A rollout with the results of its guards; `next` is what a tick would do, None if it is not running."""

    rollout: Rollout
    next: RolloutDecision | None
    verdicts: Sequence[GuardVerdict]


@dataclass(frozen=True, slots=True)
class RolloutList:
    """Rollouts as they are now."""

    states: tuple[RolloutState, ...]
    now: datetime
    warnings: tuple[str, ...]


def start_rollouts(app: Container, request: RolloutRequest, *, confirm: Confirm = proceed) -> RolloutsChanged:
    """Start rollouts at the first stage of their plan, or resume paused ones. The rules are those of RolloutStore."""
    keys = _chosen(app, request)
    planned = app.rollouts.plan_start(keys, force=request.force)
    plan = [
        f"{start.key}: to {start.percent:g} %"
        if start.paused is None
        else f"{start.key}: resume at {start.percent:g} %"
        for start in planned
    ]
    by, why = operator(), request.reason or ""

    def start(key: str) -> Callable[[], Rollout]:
        return lambda: app.rollouts.start(key, by=by, why=why, force=request.force)

    steps = [start(key) for key in keys]
    return _carry_out(app, request, plan, steps, undo=("abort", *keys), confirm=confirm)


def advance_rollouts(app: Container, request: RolloutRequest, *, confirm: Confirm = proceed) -> RolloutsChanged:
    """Advance rollouts now, if a tick would. Raises PreconditionError if not; never past a breached guard."""
    ticker, now = app.ticker(no_alert), app.clock.now()
    rollouts = [app.rollouts.get_open(key) for key in _chosen(app, request)]
    actions = [ticker.next_step(rollout, now, force=request.force) for rollout in rollouts]
    plan = [
        f"{rollout.key}: complete"
        if action is RolloutAction.COMPLETE
        else f"{rollout.key}: to {rollout.stages[rollout.stage].percent:g} %"
        for rollout, action in zip(rollouts, actions, strict=True)
    ]
    return _take(app, request, plan, list(zip(rollouts, actions, strict=True)), undo="abort", confirm=confirm)


def pause_rollouts(app: Container, request: RolloutRequest, *, confirm: Confirm = proceed) -> RolloutsChanged:
    """Keep rollouts at their stage until they are started again."""
    rollouts = [app.rollouts.get_open(key) for key in _chosen(app, request)]
    running = [rollout for rollout in rollouts if rollout.status is RolloutStatus.RUNNING]
    plan = [f"{rollout.key}: stays at {rollout.percent:g} %" for rollout in running]
    return _take(
        app, request, plan, [(rollout, RolloutAction.PAUSE) for rollout in running], undo="start", confirm=confirm
    )


def abort_rollouts(app: Container, request: RolloutRequest, *, confirm: Confirm = proceed) -> RolloutsChanged:
    """End rollouts, and take the flags back to where they were before. Never moves a flag up."""
    rollouts = [app.rollouts.get_open(key) for key in _chosen(app, request)]
    plan = [
        f"{rollout.key}: back to {f'{rollout.before:g} %' if rollout.was_enabled else 'off'}" for rollout in rollouts
    ]
    return _take(
        app, request, plan, [(rollout, RolloutAction.ABORT) for rollout in rollouts], undo="start", confirm=confirm
    )


def rollout_status(app: Container, keys: Sequence[str] = ()) -> RolloutList:
    """Return rollouts with their guards and the next step, all without keys. Raises NotFoundError."""
    rollouts, unreadable = app.rollouts.all()
    by_key = {rollout.key: rollout for rollout in rollouts}
    for key in keys:
        if key not in by_key:
            app.config.flags.flag(key)
            raise unknown_rollout(key)
    ticker, now = app.ticker(no_alert), app.clock.now()
    states = []
    for rollout in [by_key[key] for key in keys] if keys else rollouts:
        running = rollout.status is RolloutStatus.RUNNING
        decision, verdicts = ticker.preview(rollout, now) if running else (None, [])
        states.append(RolloutState(rollout, decision, verdicts))
    return RolloutList(tuple(states), now, tuple(unreadable.values()))


def _chosen(app: Container, request: RolloutRequest) -> list[str]:
    for key in request.keys:
        app.config.flags.flag(key)
    return list(dict.fromkeys(request.keys)) or list(active_flags(app.config.flags))


def _take(
    app: Container,
    request: RolloutRequest,
    plan: Sequence[str],
    steps: Sequence[tuple[Rollout, RolloutAction]],
    *,
    undo: str,
    confirm: Confirm,
) -> RolloutsChanged:
    by, why = operator(), request.reason or ""

    def step(rollout: Rollout, action: RolloutAction) -> Callable[[], Rollout]:
        return lambda: app.rollouts.take(rollout, action, by=by, why=why)

    words = (undo, *(rollout.key for rollout, _ in steps))
    return _carry_out(
        app, request, plan, [step(rollout, action) for rollout, action in steps], undo=words, confirm=confirm
    )


def _carry_out(
    app: Container,
    request: RolloutRequest,
    plan: Sequence[str],
    steps: Sequence[Callable[[], Rollout]],
    *,
    undo: tuple[str, ...],
    confirm: Confirm,
) -> RolloutsChanged:
    """Ask, then take the steps. Each flag is a commit of its own; a refusal leaves those before it done."""
    planned = RolloutsChanged(tuple(plan), (), ("flags", "rollout", *undo), app.clock.now())
    if not plan or request.dry_run:
        return planned
    lines = tuple(f"  {line}" for line in plan)
    confirm(Question(f"Change {len(plan)} rollout{'' if len(plan) == 1 else 's'}?", lines))
    return replace(planned, rollouts=tuple(step() for step in steps), now=app.clock.now())
