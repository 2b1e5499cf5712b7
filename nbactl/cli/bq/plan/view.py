"""A plan as JSON and as text."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.query.command import size
from nbactl.cli.query.view import rows_of
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.core._support.durations import format_duration
from nbactl.warehouse.plan.document import FORM, table_document

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.cli.bq.plan.command import BqPlan
    from nbactl.cli.show.console import Console
    from nbactl.warehouse.plan.changes import Change
    from nbactl.warehouse.plan.planner import TablePlan
    from nbactl.warehouse.plan.steps import Step

_PENDING: Final = 3
_LABELS: Final = {"in_place": "in place", "rewrite": "rewrite", "rebuild": "rebuild", "refused": "refused"}
_STYLES: Final = {"in_place": "green", "rewrite": "yellow", "rebuild": "red", "refused": "bold red"}
_ORDER: Final = tuple(_LABELS)
_WHAT: Final = {
    "missing_table": "table is missing", "not_a_table": "not a table", "missing_column": "missing",
    "extra_column": "not declared", "retyped": "type", "mode": "mode", "description": "description",
    "reordered": "order of columns", "partitioning": "partitioning", "clustering": "clustering",
    "partition_expiration": "partition expiration", "partition_filter": "require partition filter",
}  # fmt: skip
_LONG: Final = 24
_LINES: Final = 5
"""Lines of a statement that are shown without -o wide."""


def plan_view(found: BqPlan, *, detailed_exitcode: bool, out: Path | None) -> View:
    """Show what differs and the steps that change it."""
    data = document(found)

    def show(console: Console) -> None:
        for number, plan in enumerate(found.changed):
            if number:
                console.print()
            _show_table(console, plan, found)
        console.note(Styled(_summary(found), "bold" if found.changed else "dim"))
        if found.changed and found.prices is not None:
            console.note(Styled(f"Prices of {found.prices.as_of}; times at 100 MB a second.", "dim"))
        if out is not None:
            console.note(f"The plan is in {out}. Nothing was changed.")

    pending = detailed_exitcode and bool(found.changed)
    return View(data, show, items="tables", exit_code=_PENDING if pending else 0, warnings=found.notes, paged=True)


def document(found: BqPlan) -> dict[str, Any]:
    """Return the plan for JSON."""
    return {
        "form": FORM,
        "made_at": found.made_at,
        "target": found.target,
        "project": found.project or None,
        "location": found.location or None,
        "prices_as_of": None if found.prices is None else found.prices.as_of,
        "drift": found.drift,
        "drop_columns": found.drop_columns,
        "rewrite_above_bytes": found.gate,
        "tables": [table_document(plan) for plan in found.changed],
        "unchanged": [plan.declared.name for plan in found.plans if not plan.changes],
        "summary": {how: _labels(found)[how] for how in _ORDER},
    }


def file_text(found: BqPlan) -> str:
    """Return the plan as the text of a file."""
    return json.dumps(document(found), indent=2, default=str) + "\n"


def _show_table(console: Console, plan: TablePlan, found: BqPlan) -> None:
    console.print(Styled(plan.declared.name, "bold"), Styled(f"  {_facts(plan)}", "dim"))
    lost: set[str] = set()
    for change in sorted(plan.changes, key=lambda change: _ORDER.index(change.how)):
        _show_change(console, change, lost)
    for number, step in enumerate(plan.steps, 1):
        _show_step(console, number, step, found)


def _show_change(console: Console, change: Change, named: set[str]) -> None:
    """Show a change; what another one has `named` already as lost is not named again."""
    console.print("  ", Styled(f"{_LABELS[change.how]:<10}", _STYLES[change.how]), _what(change))
    console.out.print_hanging(" " * 12, text=change.reason, indent=12)
    for lost in change.lost:
        if lost in named:
            continue
        named.add(lost)
        console.out.print_hanging(Styled(" " * 12 + "lost: ", "red"), text=lost, indent=18)


def _show_step(console: Console, number: int, step: Step, found: BqPlan) -> None:
    console.print(f"  {number}. ", Styled(step.text, "bold"), Styled("" if step.reads else _cost(step, found), "dim"))
    if step.reads:
        console.out.print_hanging("     ", text=_cost(step, found), indent=5)
    for statement in step.statements:
        lines = statement.splitlines()
        left_out = 0 if console.out.wide else len(lines) - _LINES
        for line in lines if left_out <= 1 else lines[: _LINES - 1]:
            indent = 5 + len(line) - len(line.lstrip())
            console.out.print_hanging(" " * indent, text=line.lstrip(), indent=indent + 2)
        if left_out > 1:
            console.print(Styled(f"     … {left_out + 1} more lines: use -o wide or -o json", "dim"))
    for note in step.notes:
        console.out.print_hanging("     ", text=note, indent=5)


def _what(change: Change) -> str:
    name = f"{change.column}: " if change.column else ""
    what = _WHAT[change.kind]
    if change.kind in ("missing_table", "reordered"):
        return what
    if change.kind == "not_a_table":
        return f"{what} but a {change.actual}"
    if change.kind in ("missing_column", "extra_column"):
        return f"{name}{what} ({change.declared or change.actual})"
    return f"{name}{what} {_short(change.actual)} → {_short(change.declared)}"


def _short(text: str) -> str:
    return (text if len(text) <= _LONG else f"{text[: _LONG - 1]}…") or '""'


def _facts(plan: TablePlan) -> str:
    layout = plan.layout
    if layout is None:
        return "does not exist"
    if layout.kind != "table":
        return layout.kind
    facts = [rows_of(layout.rows).lower()]
    if layout.bytes is not None:
        facts.append(size(layout.bytes))
    if layout.partitions and layout.schema.partition_by:
        facts.append(f"{layout.partitions:,} partition{'s' if layout.partitions > 1 else ''}")
    return ", ".join(facts)


def _cost(step: Step, found: BqPlan) -> str:
    if not step.reads:
        return "  free" if found.prices is not None else ""
    parts = [f"reads {size(step.reads)}"]
    if step.writes:
        parts.append(f"writes {size(step.writes)}")
    if step.usd is not None:
        parts.append(f"about ${step.usd:.2f}")
    if step.seconds is not None:
        parts.append(f"about {format_duration(max(1, round(step.seconds)))}")
    if step.dml:
        parts.append(f"{step.dml} DML statement{'s' if step.dml > 1 else ''}")
    return ", ".join(parts)


def _labels(found: BqPlan) -> Counter[str]:
    return Counter(change.how for plan in found.changed for change in plan.changes)


def _summary(found: BqPlan) -> str:
    compared = f"{len(found.plans)} table{'s' if len(found.plans) != 1 else ''}"
    if not found.changed:
        return f"Nothing to do: {compared} as declared."
    count = _labels(found)
    listed = ", ".join(f"{count[how]} {_LABELS[how]}" for how in _ORDER if count[how])
    usd = sum(step.usd or 0 for plan in found.changed for step in plan.steps)
    price = f", about ${usd:.2f}" if found.prices is not None else ""
    verb = "differs" if len(found.changed) == 1 else "differ"
    return f"{len(found.changed)} of {compared} {verb}: {listed}{price}."
