"""Rollouts as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.ask import command_line, place
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.core._support.durations import format_duration
from nbactl.rollouts.model import RolloutStatus

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.cli.flags.rollout.command import RolloutList, RolloutsChanged, RolloutState
    from nbactl.cli.show.console import Console
    from nbactl.config.settings import Settings
    from nbactl.rollouts.decisions import RolloutDecision
    from nbactl.rollouts.guards import GuardVerdict
    from nbactl.rollouts.model import Rollout

_MARKS: Final = {"breached": ("✗", "x", "red"), "passed": ("✓", "+", "green"), "unknown": ("?", "?", "yellow")}


def rollout_list(found: RolloutList) -> View:
    """Show rollouts with their guards and what comes next."""

    def show(console: Console) -> None:
        if not found.states:
            console.note("Nothing is being rolled out. To start: nbactl flags rollout start KEY")
        for state in found.states:
            _show_state(console, state, found.now)

    data = {
        "rollouts": [_rollout(state.rollout, found.now, state.next, *state.verdicts) for state in found.states],
    }
    return View(data, show, items="rollouts", warnings=found.warnings)


def rollouts_changed(done: RolloutsChanged, settings: Settings) -> View:
    """Show what was done with rollouts, and how to undo it."""
    undo = command_line(settings, *done.undo)

    def show(console: Console) -> None:
        for rollout in done.rollouts:
            left = format_duration(max(0.0, (rollout.bakes_until - done.now).total_seconds()))
            bakes = f"; bakes for {left}" if rollout.status is RolloutStatus.RUNNING else ""
            console.print(f"{rollout.key}: {rollout.status.value}, at {rollout.history[-1].percent:g} %{bakes}")
        if not done.plan:
            console.note("Nothing to do.")
        elif done.rollouts:
            console.note(Styled("undo: ", "cyan"), undo)
        else:
            for line in done.plan:
                console.print(line)
            console.note(f"Dry run: nothing was changed on {place(settings)}.")

    data = {
        "plan": list(done.plan),
        "applied": bool(done.rollouts),
        "rollouts": [_rollout(rollout, done.now) for rollout in done.rollouts],
        "undo": undo if done.rollouts else None,
    }
    keys = ", ".join(rollout.key for rollout in done.rollouts) or ", ".join(done.plan)
    words = (done.undo,) if done.rollouts else ()
    return View(data, show, items="rollouts", touched=f"rollouts {keys}" if keys else None, undo=words)


def verdict_word(verdict: GuardVerdict) -> str:
    """Return the result of a guard in one word."""
    return "breached" if verdict.breached else "passed" if verdict.passed else "unknown"


def _rollout(
    rollout: Rollout, now: datetime, decision: RolloutDecision | None = None, *verdicts: GuardVerdict
) -> dict[str, Any]:
    return {
        "key": rollout.key,
        "status": rollout.status.value,
        "stage": rollout.stage,
        "stages": [stage.percent for stage in rollout.stages],
        "percent": rollout.percent,
        "entered_at": rollout.entered_at,
        "bake_left_s": max(0.0, (rollout.bakes_until - now).total_seconds()),
        "started_at": rollout.started_at,
        "guards": [
            {
                "guard": verdict.guard,
                "metric": verdict.metric,
                "value": verdict.value,
                "limit": verdict.limit,
                "sample": verdict.sample,
                "verdict": verdict_word(verdict),
                "why": verdict.why,
            }
            for verdict in verdicts
        ],
        "next": None if decision is None else {"action": decision.action.value, "why": decision.why},
        "history": [
            {"at": e.at, "action": e.action.value, "percent": e.percent, "by": e.by, "why": e.why}
            for e in rollout.history
        ],
    }


def _show_state(console: Console, state: RolloutState, now: datetime) -> None:
    rollout = state.rollout
    path = " → ".join(
        f"[{stage.percent:g} %]" if number == rollout.stage else f"{stage.percent:g} %"
        for number, stage in enumerate(rollout.stages, start=1)
    )
    console.print(Styled(rollout.key, "bold"), f"  {rollout.status.value}  {path}")
    left = (rollout.bakes_until - now).total_seconds()
    since = format_duration((now - rollout.entered_at).total_seconds())
    bake = f", bakes for another {format_duration(left)}" if left > 0 else ", baked"
    console.print(f"  at this stage for {since}" + (bake if rollout.status is RolloutStatus.RUNNING else ""))
    for verdict in state.verdicts:
        glyph, plain, colour = _MARKS[verdict_word(verdict)]
        console.print("  ", Styled(console.out.glyph(glyph, plain), colour), f" {verdict.guard}: {verdict.why}")
    if state.next is not None:
        console.print(f"  next tick: {state.next.action.value} ({state.next.why})")
        return
    last = rollout.history[-1]
    console.print(f"  last: {last.action.value} by {last.by}" + (f": {last.why}" if last.why else ""))
