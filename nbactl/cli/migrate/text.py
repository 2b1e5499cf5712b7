"""A migration for a person."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration
from nbactl.core.completions.mode import mode_of
from nbactl.core.completions.stages import CompletionStage
from nbactl.core.lease.holder import describe, is_dead
from nbactl.migrations.completions.gates import COMMAND, next_action

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from nbactl.cli.show.console import Console
    from nbactl.core.lease.leases import Lease
    from nbactl.migrations.completions.backfill import BackfillReport
    from nbactl.migrations.completions.plan import Plan
    from nbactl.migrations.completions.repair import Mended, RepairPlan
    from nbactl.migrations.completions.validate import Report
    from nbactl.migrations.gates import Gate
    from nbactl.migrations.model import MigrationState, StageChange

_SHOWN: Final = 10
_STEPS_SHOWN: Final = 20
_SEVERITY: Final = {"critical": "bold red", "warning": "yellow", "info": "dim"}


def show_status(
    console: Console,
    state: MigrationState,
    gates: Sequence[Gate],
    lease: Lease | None,
    *,
    environ: Mapping[str, str],
    now: datetime,
) -> None:
    """Show where a migration is, and what the next step stands on."""
    show_stage(console, state, environ)
    if state.changed_at is not None:
        console.print(f"  since    {moment(state.changed_at)}")
    if lease is not None and lease.expires_at > now:
        gone = " - that process is gone: whoever acts next takes over" if is_dead(lease.owner) else ""
        console.print(f"  at work  {describe(lease.owner)}{gone}")
    if state.paused is not None:
        why = f": {state.paused.why}" if state.paused.why else ""
        console.print("  paused   ", Styled(f"by {state.paused.who} at {moment(state.paused.at)}{why}", "yellow"))
    if state.checkpoint is not None:
        console.print(f"  begun    {state.checkpoint.action} of {state.checkpoint.scope}, not finished")
    if state.last_validation is not None:
        found = state.last_validation
        word = Styled("consistent", "green") if found.consistent else Styled(f"{found.findings} findings", "bold red")
        age = format_duration((now - found.at).total_seconds())
        console.print(
            "  checked  ", word, f", {found.completions:,} completions in {found.batches:,} batches, {age} ago"
        )
    _show_next(console, state, gates)
    if state.history:
        console.print()
        console.table(("when", "from", "to", "who", "why"), [_change(each) for each in state.history])


def show_stage(console: Console, state: MigrationState, environ: Mapping[str, str]) -> None:
    """Show the stages with the one that is in force, and what it means."""
    console.print(Styled(state.name, "bold"), f"  {state.project}")
    arrow = console.out.glyph(" → ", " > ")
    line: list[str | Styled] = []
    used = 0
    for stage in CompletionStage:
        here = stage == state.stage
        name = Styled(f"[{stage}]", "bold cyan") if here else Styled(stage, "dim")
        if line and used + len(name.text) + len(arrow) + 2 > console.out.width:
            console.print("  ", *line)
            line, used = [], 0
        if stage is not CompletionStage.LEGACY:
            line.append(arrow)
        line.append(name)
        used += len(name.text) + len(arrow)
    console.print("  ", *line)
    mode = mode_of(CompletionStage(state.stage), environ)
    sides = [side for side, on in (("array", mode.write_array), ("subcollection", mode.write_subcollection)) if on]
    reads = "subcollection" if mode.read_subcollection else "array"
    console.print(f"  writers  {' and '.join(sides)}")
    console.print(f"  readers  {reads}")


def show_gates(console: Console, gates: Sequence[Gate]) -> None:
    """Show gates, with what provides those that are closed."""
    for gate in gates:
        if gate.missing is None:
            console.print("    ", Styled(console.out.glyph("✓", "+"), "green"), f" {gate.name}")
        else:
            console.print("    ", Styled(console.out.glyph("✗", "x"), "bold red"), f" {gate.name}: {gate.missing}")
            console.print("      ", Styled(gate.provide, "cyan"))


def show_plan(console: Console, plan: Plan) -> None:
    """Show what would be done, what it costs, and the risks."""
    rows = [
        ("batches", f"{plan.batches:,}", f"{plan.active:,} of them not complete"),
        ("players in arrays", f"{plan.players:,}", f"{plan.largest:,} in the largest"),
        ("documents there", f"{plan.documents:,}", ""),
        ("documents to create", f"{plan.to_create:,}", ""),
    ]
    console.table(("what", "number", "remark"), rows)
    console.print()
    costs = plan.costs()
    console.table(
        ("action", "reads", "writes", "price"),
        [(name, f"{cost.reads:,}", f"{cost.writes:,}", f"${cost.dollars:.4f}") for name, cost in costs.items()],
    )
    console.print(f"At {plan.rate:,.0f} writes a second the backfill takes about {format_duration(plan.seconds())}.")
    console.print("Prices are list prices of nam5: the most it can be.")
    worth = [risk for risk in plan.risks if risk.severity != "info"]
    if worth:
        console.print()
        rows_of_risks = [
            (Styled(risk.severity, _SEVERITY[risk.severity]), risk.batch, risk.message)
            for risk in islice(worth, _STEPS_SHOWN)
        ]
        console.table(("risk", "batch", "what"), rows_of_risks)
        _more(console, len(worth), _STEPS_SHOWN)
    else:
        console.note("No risk was found.")


def show_report(console: Console, report: Report) -> None:
    """Show what a validation found."""
    checked = report.validation
    what = f"{checked.completions:,} completions in {checked.batches:,} batches ({report.selection})"
    if report.consistent:
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
        _more(console, len(entries), _SHOWN)
    if not report.complete:
        console.note("Only a part was compared: no gate stands on it.")


def show_backfill(console: Console, state: MigrationState, report: BackfillReport) -> None:
    """Show what a backfill did."""
    counts = report.counts
    existed = f", {counts.existed:,} were there by then" if counts.existed else ""
    counters = f", {counts.reconciled:,} counters set right" if counts.reconciled else ""
    console.print(
        f"{counts.created:,} documents created{existed}{counters}; "
        f"nothing is left to do in {counts.batches:,} batches ({report.scope})."
    )
    for each in report.refused[:_SHOWN]:
        console.print("  ", Styled("refused ", "bold red"), f"{each.path}: {each.error}")
    _more(console, len(report.refused), _SHOWN)
    if report.unreadable:
        console.note(f"{len(report.unreadable):,} things cannot be read; `{COMMAND} --validate` names them.")
    console.print(f"Stage: {state.stage}.")


def show_repair(console: Console, plan: RepairPlan, done: Mended | None, export: str | None) -> None:
    """Show what a repair would change, or changed."""
    if not plan.steps and not plan.by_hand:
        console.print("There is nothing to repair.")
        return
    show_repair_plan(console, plan)
    if done is None:
        return
    console.print()
    console.print(f"{len(done.steps):,} changes made in {len({step.batch for step in done.steps}):,} batches.")
    if export is not None:
        console.print(f"What was overwritten is saved in {export}.")
    if done.busy:
        console.print(Styled(f"Writers kept changing {', '.join(done.busy)}: repair them again.", "yellow"))


def show_repair_plan(console: Console, plan: RepairPlan) -> None:
    """Show the steps of a repair, each with the side that is believed."""
    kinds = Counter((step.kind, step.winner) for step in plan.steps)
    if kinds:
        console.table(
            ("change", "believed", "times"),
            [(kind.replace("_", " "), winner, f"{times:,}") for (kind, winner), times in sorted(kinds.items())],
        )
        console.print()
    for step in plan.steps[:_STEPS_SHOWN]:
        console.print(f"  {step.batch}  {step.player or ''}{' ' if step.player else ''}{step.what}")
    _more(console, len(plan.steps), _STEPS_SHOWN)
    for each in plan.by_hand[:_SHOWN]:
        console.print(
            Styled("  by hand ", "yellow"), f"{each['batch']}: {each['field']} {each['value']}: {each['reason']}"
        )
    _more(console, len(plan.by_hand), _SHOWN)


def show_moved(console: Console, state: MigrationState, environ: Mapping[str, str], now: datetime) -> None:
    """Show the stage after a step, and when the next one may follow."""
    show_stage(console, state, environ)
    if state.settle_until is not None and state.settle_until > now:
        left = format_duration((state.settle_until - now).total_seconds())
        console.note(f"Every writer knows of it in {left}; the next step is refused until then.")
    if action := next_action(state):
        console.note(f"Next: {COMMAND} {action}")


def _show_next(console: Console, state: MigrationState, gates: Sequence[Gate]) -> None:
    action = next_action(state)
    if action is None:
        console.print("  next     nothing: the migration is over")
        return
    console.print("  next     ", Styled(f"{COMMAND} {action}", "cyan"))
    show_gates(console, gates)


def _change(change: StageChange) -> tuple[str, str, str, str, str]:
    forced = f" (forced: {', '.join(change.forced)})" if change.forced else ""
    return (moment(change.at), change.before, change.after, change.who, f"{change.why or ''}{forced}")


def _finding(entry: Mapping[str, Any]) -> str:
    rest = ", ".join(f"{key} {value}" for key, value in entry.items() if key != "batch" and value not in {"", None})
    return f"{entry['batch']}: {rest}"


def _more(console: Console, count: int, shown: int) -> None:
    if count > shown:
        console.note(f"  … and {count - shown:,} more; -o json has all.")
