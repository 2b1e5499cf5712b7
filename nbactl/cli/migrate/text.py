"""The completions migration as text."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.lease.holder import describe, is_dead
from nbactl.migrations.completions.gates import COMMAND, next_action

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from nbactl.cli.migrate.result import (
        BackfillResult,
        CleanupResult,
        MigrationStatus,
        RepairOutcome,
        RestoreResult,
        RollbackResult,
        StageResult,
    )
    from nbactl.cli.show.console import Console
    from nbactl.migrations.completions.plan import MigrationPlan
    from nbactl.migrations.completions.repair import RepairPlan
    from nbactl.migrations.completions.validate import ValidationReport
    from nbactl.migrations.gates import Gate
    from nbactl.migrations.model import MigrationState, StageChange

_SHOWN: Final = 10
_STEPS_SHOWN: Final = 20
_SEVERITY: Final = {"critical": "bold red", "warning": "yellow", "info": "dim"}


def show_status(console: Console, status: MigrationStatus) -> None:
    """Show the stage, what is running, and what the next step needs."""
    state, now = status.state, status.now
    _show_stage(console, state)
    if state.changed_at is not None:
        console.print(f"  since    {moment(state.changed_at)}")
    lease = status.lease
    if lease is not None and lease.expires_at > now:
        gone = " (its process is gone: the next action takes over)" if is_dead(lease.owner) else ""
        console.print(f"  running  {describe(lease.owner)}{gone}")
    if state.paused is not None:
        why = f": {state.paused.why}" if state.paused.why else ""
        console.print("  paused   ", Styled(f"by {state.paused.who} at {moment(state.paused.at)}{why}", "yellow"))
    if state.checkpoint is not None:
        console.print(f"  started  {state.checkpoint.action} of {state.checkpoint.scope}, not finished")
    if state.last_validation is not None:
        found = state.last_validation
        word = Styled("consistent", "green") if found.consistent else Styled(f"{found.findings} findings", "bold red")
        age = format_duration((now - found.at).total_seconds())
        console.print("  checked  ", word, f", {_counted(found.completions, found.batches)}, {age} ago")
    action = next_action(state)
    if action is None:
        console.print("  next     nothing: the migration is finished")
    else:
        console.print("  next     ", Styled(f"{COMMAND} {action}", "cyan"))
        _show_gates(console, status.gates)
    if state.history:
        console.print()
        rows = [_change(change) for change in state.history]
        console.table(("when", "from", "to", "who", "why"), rows, optional=["from"])


def show_stage_result(console: Console, result: StageResult) -> None:
    """Show the stage after a step, what a dry run would do, or why there was nothing to do."""
    if result.moved:
        _show_moved(console, result.state, result.now)
    elif result.dry_run:
        forced = f" Forced: {', '.join(result.forced)}." if result.forced else ""
        console.print(f"{result.message}{forced} Nothing was changed (--dry-run).")
    else:
        console.note(result.message)


def show_plan(console: Console, plan: MigrationPlan) -> None:
    """Show what would be done, what it costs, and the risks."""
    rows = [
        ("batches", f"{plan.batches:,}", f"{plan.active:,} of them not complete"),
        ("players in arrays", f"{plan.players:,}", f"{plan.largest:,} in the largest"),
        ("existing documents", f"{plan.documents:,}", ""),
        ("documents to create", f"{plan.to_create:,}", ""),
    ]
    console.table(("what", "number", "remark"), rows)
    console.print()
    costs = plan.costs()
    console.table(
        ("action", "reads", "writes", "price"),
        [(name, f"{cost.reads:,}", f"{cost.writes:,}", f"${cost.dollars:.4f}") for name, cost in costs.items()],
    )
    console.print(f"At {plan.rate:,.0f} writes per second the backfill takes about {format_duration(plan.seconds())}.")
    console.print("Prices are list prices of nam5, the highest.")
    risks = [risk for risk in plan.risks if risk.severity != "info"]
    if not risks:
        console.note("No risk was found.")
        return
    console.print()
    console.table(
        ("risk", "batch", "what"),
        [(Styled(risk.severity, _SEVERITY[risk.severity]), risk.batch, risk.message) for risk in risks[:_STEPS_SHOWN]],
    )
    _show_cut(console, len(risks), _STEPS_SHOWN)


def show_report(console: Console, report: ValidationReport) -> None:
    """Show what a validation found."""
    checked = report.validation
    what = f"{_counted(checked.completions, checked.batches)} ({report.selection})"
    if not checked.batches:
        console.print(Styled("nothing compared", "bold red"), f": {what}")
    elif report.consistent:
        console.print(Styled(console.out.glyph("✓ consistent", "consistent"), "green"), f": {what}")
    else:
        console.print(Styled(console.out.glyph("✗ inconsistent", "inconsistent"), "bold red"), f": {what}")
    console.print(f"  stage    {report.stage}")
    console.print(f"  digest   {checked.digest}")
    for kind, entries in report.findings.as_json().items():
        if not entries:
            continue
        console.print()
        console.print(Styled(f"{kind.replace('_', ' ')}: {len(entries):,}", "bold"))
        for entry in entries[:_SHOWN]:
            console.print("  ", _finding(entry))
        _show_cut(console, len(entries), _SHOWN)
    if not report.complete:
        console.note("Not all batches were compared, so no gate accepts this validation.")


def show_backfill(console: Console, result: BackfillResult) -> None:
    """Show what a backfill did."""
    report, counts = result.report, result.report.counts
    existed = f", {counts.existed:,} existed already" if counts.existed else ""
    counters = f", {counts.reconciled:,} counters corrected" if counts.reconciled else ""
    console.print(f"Created {_plural(counts.created, 'document')}{existed}{counters}.")
    console.print(f"Nothing is left to do in {_plural(counts.batches, 'batch', 'batches')} ({report.scope}).")
    for refused in report.refused[:_SHOWN]:
        console.print("  ", Styled("refused ", "bold red"), f"{refused.path}: {refused.error}")
    _show_cut(console, len(report.refused), _SHOWN)
    if report.unreadable:
        console.note(f"{len(report.unreadable):,} values cannot be read. To list them: {COMMAND} --validate")
    console.print(f"Stage: {result.state.stage}.")


def show_repair(console: Console, outcome: RepairOutcome) -> None:
    """Show what a repair would change, or changed."""
    if not outcome.plan.steps and not outcome.plan.by_hand:
        console.print("Nothing to repair.")
        return
    _show_repair_plan(console, outcome.plan)
    result = outcome.result
    if result is None:
        return
    console.print()
    batches = len({step.batch for step in result.steps})
    console.print(f"Made {_plural(len(result.steps), 'change')} in {_plural(batches, 'batch', 'batches')}.")
    if outcome.export is not None:
        console.print(f"What was overwritten is saved in {outcome.export}.")
    if result.busy:
        message = f"Writers kept changing {', '.join(result.busy)}. Repair them again."
        console.print(Styled(message, "yellow"))


def show_cleanup(console: Console, result: CleanupResult) -> None:
    """Show what a clean-up removed."""
    cleaned = result.cleaned
    console.print(f"Removed {_plural(cleaned.batches, 'array')}. {cleaned.exported:,} are saved in:")
    console.print(f"  {cleaned.export}")
    console.print(f"  sha256 {cleaned.sha256}")
    console.note("To restore them:")
    console.note(f"  {COMMAND} --cleanup --undo {cleaned.export}")


def show_restore(console: Console, result: RestoreResult) -> None:
    """Show what the undo of a clean-up restored."""
    restored = result.restored
    verb = "would be" if restored.dry_run else "were"
    console.print(f"{restored.restored:,} of {restored.saved:,} arrays {verb} restored from {restored.file}.")
    if restored.there:
        console.print(f"{restored.there:,} batches have an array and keep it.")
    if not restored.dry_run:
        _show_stage(console, result.state)


def show_rollback(console: Console, result: RollbackResult) -> None:
    """Show a rollback."""
    rolled_back = result.rolled_back
    console.print(f"Went back from {rolled_back.before} to {rolled_back.after}.")
    if rolled_back.put_back.players:
        added = f"{rolled_back.put_back.players:,} players were added to the arrays"
        console.print(f"{added} of {rolled_back.put_back.batches:,} batches.")
    _show_moved(console, result.state, result.now)


def _show_stage(console: Console, state: MigrationState) -> None:
    """Show the stages with the current one, and what it means."""
    console.print(Styled(state.name, "bold"), f"  {state.project}")
    arrow = console.out.glyph(" → ", " > ")
    line: list[str | Styled] = []
    used = 0
    for stage in CompletionStage:
        name = Styled(f"[{stage}]", "bold cyan") if stage == state.stage else Styled(stage, "dim")
        if line and used + len(name.text) + len(arrow) + 2 > console.out.width:
            console.print("  ", *line)
            line, used = [], 0
        if stage is not CompletionStage.LEGACY:
            line.append(arrow)
        line.append(name)
        used += len(name.text) + len(arrow)
    console.print("  ", *line)
    mode = mode_of(CompletionStage(state.stage), os.environ)
    sides = [side for side, on in (("array", mode.write_array), ("subcollection", mode.write_subcollection)) if on]
    console.print(f"  writers  {' and '.join(sides)}")
    console.print(f"  readers  {'subcollection' if mode.read_subcollection else 'array'}")


def _show_gates(console: Console, gates: Sequence[Gate]) -> None:
    """Show gates, each closed one with what to do about it."""
    for gate in gates:
        if gate.missing is None:
            console.print("    ", Styled(console.out.glyph("✓", "+"), "green"), f" {gate.name}")
        else:
            console.print("    ", Styled(console.out.glyph("✗", "x"), "bold red"), f" {gate.name}: {gate.missing}")
            console.print("      ", Styled(gate.provide, "cyan"))


def _show_moved(console: Console, state: MigrationState, now: datetime) -> None:
    """Show the stage after a step, and when the next one is possible."""
    _show_stage(console, state)
    if state.settle_until is not None and state.settle_until > now:
        left = format_duration((state.settle_until - now).total_seconds())
        console.note(f"All writers know of it in {left}; until then the next step is refused.")
    if action := next_action(state):
        console.note(f"Next: {COMMAND} {action}")


def _show_repair_plan(console: Console, plan: RepairPlan) -> None:
    """Show the steps of a repair, each with the side that is kept."""
    kinds = Counter((step.kind, step.winner) for step in plan.steps)
    if kinds:
        console.table(
            ("change", "from", "times"),
            [(kind.replace("_", " "), winner, f"{times:,}") for (kind, winner), times in sorted(kinds.items())],
        )
        console.print()
    for step in plan.steps[:_STEPS_SHOWN]:
        console.print(f"  {step.batch}  {step.player or ''}{' ' if step.player else ''}{step.what}")
    _show_cut(console, len(plan.steps), _STEPS_SHOWN)
    for problem in plan.by_hand[:_SHOWN]:
        what = f"{problem['batch']}: {problem['field']} {problem['value']}: {problem['reason']}"
        console.print(Styled("  by hand ", "yellow"), what)
    _show_cut(console, len(plan.by_hand), _SHOWN)


def _change(change: StageChange) -> tuple[str, str, str, str, str]:
    forced = f" (forced: {', '.join(change.forced)})" if change.forced else ""
    return (moment(change.at), change.before, change.after, change.who, f"{change.why or ''}{forced}")


def _counted(completions: int, batches: int) -> str:
    return f"{_plural(completions, 'completion')} in {_plural(batches, 'batch', 'batches')}"


def _plural(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _finding(entry: Mapping[str, Any]) -> str:
    rest = ", ".join(f"{key} {value}" for key, value in entry.items() if key != "batch" and value not in {"", None})
    return f"{entry['batch']}: {rest}"


def _show_cut(console: Console, count: int, shown: int) -> None:
    if count > shown:
        console.note(f"  Showing {shown:,} of {count:,}; -o json shows all.")
