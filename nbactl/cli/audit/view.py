"""The audit trail as JSON and as text."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.cli.show.console import Console
    from nbactl.core.audit.entry import AuditEntry
    from nbactl.core.audit.trail import AuditPage

_STYLES: Final = {"started": "yellow", "done": "green", "failed": "bold red", "cancelled": "yellow"}
_LONGEST: Final = 60


def change_list(page: AuditPage, now: datetime, *, filtered: bool = False) -> View:
    """Show changes. `filtered` says that there may be others."""

    def show(console: Console) -> None:
        if not page.entries:
            console.note("No change matches." if filtered else "No change is recorded.")
            return
        rows = [
            (
                entry.entry_id,
                f"{format_duration(max(0.0, (now - entry.at).total_seconds()))} ago",
                entry.by,
                entry.change.action,
                Styled(entry.outcome, _STYLES[entry.outcome]),
                _touched(entry) if console.out.wide else _short(_touched(entry)),
                entry.change.reason or "",
            )
            for entry in page.entries
        ]
        console.table(["id", "when", "by", "action", "outcome", "touched", "reason"], rows, optional=["reason"])
        console.showing(len(page.entries), page.total, "changes", more="Use --limit, --since, --by or --action.")
        if page.waiting:
            console.note(f"{len(page.waiting)} of them are in files of this machine until the next change.")

    data = {"changes": [_line(entry) for entry in page.entries], "total": page.total}
    return View(data, show, items="changes")


def change(entry: AuditEntry) -> View:
    """Show one change."""
    facts = {
        "change": entry.entry_id,
        "action": entry.change.action,
        "by": entry.by,
        "at": moment(entry.at),
        "reason": entry.change.reason,
        "command": shlex.join(["nbactl", *entry.change.arguments]) if entry.change.arguments else None,
        "outcome": entry.outcome,
        "finished": None if entry.finished_at is None else moment(entry.finished_at),
        "error": entry.error,
    }

    def show(console: Console) -> None:
        for name, value in facts.items():
            if value is not None:
                styled = Styled(value, _STYLES[value]) if name == "outcome" else value
                console.print(Styled(f"{name:<9}", "dim"), styled)
        for touched in entry.change.touches:
            console.print(Styled(f"{'touched':<9}", "dim"), touched)
        if entry.change.undo is not None:
            console.note(Styled("undo: ", "cyan"), entry.change.undo)

    return View({"change": _line(entry)}, show)


def _touched(entry: AuditEntry) -> str:
    return "; ".join(entry.change.touches)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _line(entry: AuditEntry) -> dict[str, Any]:
    change = entry.change
    return {
        "id": entry.entry_id,
        "at": entry.at,
        "by": entry.by,
        "action": change.action,
        "touches": list(change.touches),
        "reason": change.reason,
        "arguments": list(change.arguments),
        "outcome": entry.outcome,
        "finished_at": entry.finished_at,
        "error": entry.error,
        "undo": change.undo,
    }
