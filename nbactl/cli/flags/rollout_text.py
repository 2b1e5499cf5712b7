"""How rollouts are shown, and how `-o json` has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.cli.show.text import Styled
from nbactl.core._support.durations import format_duration
from nbactl.rollouts.model import Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.cli.show.console import Console
    from nbactl.rollouts.decisions import Decision
    from nbactl.rollouts.guards import Verdict
    from nbactl.rollouts.model import Rollout


def described(
    rollout: Rollout, decision: Decision | None, verdicts: Sequence[Verdict], now: datetime
) -> dict[str, Any]:
    """Return a rollout for programs; `decision` is what a tick would do now."""
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
                "guard": each.guard,
                "metric": each.metric,
                "value": each.value,
                "limit": each.limit,
                "sample": each.sample,
                "verdict": verdict(each),
                "why": each.why,
            }
            for each in verdicts
        ],
        "next": None if decision is None else {"action": decision.action.value, "why": decision.why},
        "history": [
            {"at": e.at, "action": e.action.value, "percent": e.percent, "by": e.by, "why": e.why}
            for e in rollout.history
        ],
    }


def verdict(judged: Verdict) -> str:
    """Return one word for what a guard says."""
    return "breached" if judged.breached else "passed" if judged.passed else "unknown"


def show_rollouts(
    console: Console, looked: Sequence[tuple[Rollout, Decision | None, Sequence[Verdict]]], now: datetime
) -> None:
    """Show each rollout with its guards and what comes next."""
    if not looked:
        console.note("Nothing is being rolled out. Begin: nbactl flags rollout start KEY")
    for rollout, decision, verdicts in looked:
        path = " → ".join(
            f"[{stage.percent:g} %]" if number == rollout.stage else f"{stage.percent:g} %"
            for number, stage in enumerate(rollout.stages, start=1)
        )
        console.print(Styled(rollout.key, "bold"), f"  {rollout.status.value}  {path}")
        left = (rollout.bakes_until - now).total_seconds()
        since = format_duration((now - rollout.entered_at).total_seconds())
        bake = f", bakes for another {format_duration(left)}" if left > 0 else ", its time is over"
        console.print(f"  at this stage for {since}" + (bake if rollout.status is Status.RUNNING else ""))
        marks = {"breached": ("✗", "x", "red"), "passed": ("✓", "+", "green"), "unknown": ("?", "?", "yellow")}
        for each in verdicts:
            glyph, plain, colour = marks[verdict(each)]
            console.print("  ", Styled(console.out.glyph(glyph, plain), colour), f" {each.guard}: {each.why}")
        if decision is not None:
            console.print(f"  next tick: {decision.action.value} ({decision.why})")
        else:
            last = rollout.history[-1]
            console.print(f"  last: {last.action.value} by {last.by}" + (f": {last.why}" if last.why else ""))
