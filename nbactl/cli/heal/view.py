"""Faults and their repair, as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.heal.command import count
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.workflows.model import not_covered

if TYPE_CHECKING:
    from nbactl.cli.heal.command import HealReport
    from nbactl.cli.show.console import Console
    from nbactl.healing.model import Case

_STYLES: Final = {
    "planned": "cyan",
    "healed": "green",
    "failed": "bold red",
    "waiting": "yellow",
    "stopped": "bold red",
}
_NAMED: Final = 5


def progress(console: Console, case: Case) -> None:
    """Say what became of a case that was just repaired."""
    if case.action is not None or case.effect is not None:
        console.note(Styled(case.state, _STYLES[case.state]), f" {case.fault.name}: {case.effect or case.action}")


def healed(done: HealReport) -> View:
    """Show what was found, and what became of it."""

    def show(console: Console) -> None:
        if not done.cases:
            if done.error is None:
                console.note("Nothing to heal.")
            return
        rows = [
            (
                Styled(case.state, _STYLES[case.state]),
                case.fault.kind,
                case.fault.object,
                f"{case.attempts} of {case.budget}",
                case.fault.what,
                _note(case),
            )
            for case in done.cases
        ]
        console.table(["state", "kind", "object", "tried", "what", "note"], rows, optional=["what"])
        for case in done.cases:
            if case.state == "stopped":
                console.note(f"By hand: {case.fault.by_hand}")
        if done.request.dry_run and done.plan.planned:
            console.note(f"Dry run: {count(len(done.plan.planned))} would be repaired.")

    planned = [case.fault.object for case in done.cases if case.action is not None or case.state == "planned"]
    more = f" and {len(planned) - _NAMED:,} more" if len(planned) > _NAMED else ""
    warnings = [f"{kind} was not looked for: {error.message}" for kind, error in done.plan.failed.items()]
    if done.error is None:
        unknown = done.plan.unknown
        warnings += not_covered({str(day): "neither the schedule nor any run covers them" for day in unknown})
    return View(
        {
            "findings": [_line(case) for case in done.cases],
            "summary": done.summary,
            "dates": [str(day) for day in done.plan.scope.days],
            "dry_run": done.request.dry_run,
        },
        show,
        items="findings",
        exit_code=done.exit_code,
        error=done.error,
        warnings=tuple(warnings),
        touched=f"{', '.join(planned[:_NAMED])}{more}" if planned else None,
    )


def _note(case: Case) -> str:
    if case.state == "planned":
        return case.fault.plan
    again = f"; again at {moment(case.next_at)}" if case.next_at is not None else ""
    return f"{case.effect or case.reason or case.action or ''}{again}"


def _line(case: Case) -> dict[str, Any]:
    fault = case.fault
    return {
        "kind": fault.kind,
        "object": fault.object,
        "game_date": fault.game_date,
        "since": fault.since,
        "what": fault.what,
        "plan": fault.plan,
        "by_hand": fault.by_hand,
        "action": case.action,
        "attempts": case.attempts,
        "budget": case.budget,
        "state": case.state,
        "effect": case.effect,
        "reason": case.reason,
        "next_at": case.next_at,
    }
