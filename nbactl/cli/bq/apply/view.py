"""What `nbactl bq apply` did, as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.query.command import size
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration
from nbactl.warehouse.apply.job import APPLIED
from nbactl.warehouse.plan.document import change_document

if TYPE_CHECKING:
    from nbactl.cli.bq.apply.command import ApplyResult, TableResult, TableStatus
    from nbactl.cli.show.console import Console
    from nbactl.errors import NbactlError

_PARTIAL: Final = 3
_STYLES: Final = {"applied": "green", "undone": "green", "failed": "bold red", "unchanged": "dim", "planned": "cyan"}
_WIDTH: Final = 11
_NAMED: Final = 10
"""Tables that are named once more at the end."""
_SHOWN_SECONDS: Final = 0.1


def result_view(result: ApplyResult) -> View:
    """Show what became of the tables; it fails if one of them did, and is partial if changes were refused."""
    errors = [one.error for one in result.tables if one.error is not None]
    refused = any(one.refused for one in result.tables)
    error = errors[0] if errors else None
    return View(
        {"action": result.action, "dry_run": result.dry_run, "tables": [_table_json(one) for one in result.tables]},
        lambda console: _show(console, result),
        items="tables",
        exit_code=error.exit_code if error is not None else _PARTIAL if refused and not result.dry_run else 0,
        error=error,
        warnings=tuple(
            f"{one.table}: {note}" for one in result.tables if one.outcome is not None for note in one.outcome.notes
        ),
        touched=_touched(result),
        undo=_undo(result),
    )


def _undo(result: ApplyResult) -> tuple[tuple[str, ...], ...]:
    if result.action != "apply":
        return ()
    kept = [one.table for one in result.tables if one.outcome is not None and _kept_until(one) is not None]
    return (("bq", "apply", "--undo", *(word for name in kept for word in ("--table", name))),) if kept else ()


def _touched(result: ApplyResult) -> str | None:
    names = [one.table for one in result.tables]
    return f"{len(names):,} tables" if len(names) > _NAMED else ", ".join(names) or None


def status_view(found: tuple[TableStatus, ...], done: str | None = None) -> View:
    """Show how far plans are."""

    def show(console: Console) -> None:
        if not found:
            console.note("No plan was ever applied.")
            return
        console.table(("table", "stage", "since", "progress", "kept until"), [_status_row(one) for one in found])
        if done is not None:
            console.note(done)

    return View({"tables": [_status_json(one) for one in found]}, show, items="tables")


def _show(console: Console, result: ApplyResult) -> None:
    if not result.tables:
        done = "there is nothing to undo" if result.action == "undo" else "the tables are as declared"
        console.note(Styled(f"Nothing to do: {done}.", "dim"))
        return
    for one in result.tables:
        console.print(Styled(f"{one.status:<{_WIDTH}}", _STYLES.get(one.status, "")), one.table)
        if facts := _facts(one):
            console.out.print_hanging(" " * _WIDTH, text=facts, indent=_WIDTH)
        for change in one.refused:
            what = f"{change.kind.replace('_', ' ')}{f' {change.column}' if change.column else ''}: {change.reason}"
            console.out.print_hanging(Styled(f"{'':<{_WIDTH}}refused: ", "red"), text=what, indent=_WIDTH + 9)
        if one.error is not None:
            console.out.print_hanging(" " * _WIDTH, text=one.error.message, indent=_WIDTH)
    if result.dry_run:
        console.note("Nothing was changed.")
    kept = [one for one in result.tables if one.outcome is not None and _kept_until(one) is not None]
    if kept and result.action == "apply":
        names = " ".join(f"--table {one.table}" for one in kept)
        console.note("What was before is kept. To change it back:")
        console.note(f"  nbactl bq apply --undo {names}")


def _facts(one: TableResult) -> str:
    outcome = one.outcome
    if outcome is None or not outcome.changed:
        return ""
    facts = []
    if outcome.resumed:
        facts.append("resumed")
    if outcome.rows:
        facts.append(f"{outcome.rows:,} rows")
    used = []
    if outcome.seconds >= _SHOWN_SECONDS:
        used.append(f"{format_duration(outcome.seconds)} of statements")
    if outcome.bytes_billed:
        used.append(f"{size(outcome.bytes_billed)} billed")
    if used and outcome.resumed:
        used[0] = f"since then {used[0]}"
    facts += used
    if (until := _kept_until(one)) is not None:
        facts.append(f"kept until {until}")
    return ", ".join(facts)


def _kept_until(one: TableResult) -> str | None:
    job = None if one.outcome is None else one.outcome.job
    if one.status != "applied" or job is None or job.kept_until is None:
        return None
    return moment(job.kept_until)


def _table_json(one: TableResult) -> dict[str, Any]:
    outcome = one.outcome
    job = None if outcome is None else outcome.job
    return {
        "table": one.table,
        "status": one.status,
        "stage": None if outcome is None else outcome.state.stage,
        "resumed": outcome is not None and outcome.resumed,
        "plan": None if job is None else job.plan,
        "rows": None if outcome is None else outcome.rows,
        "statement_seconds": None if outcome is None else round(outcome.seconds, 3),
        "bytes_billed": None if outcome is None else outcome.bytes_billed,
        "kept_until": None if job is None or one.status == "undone" else job.kept_until,
        "refused": [change_document(change) for change in one.refused],
        "error": None if one.error is None else _error_json(one.error),
    }


def _error_json(error: NbactlError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "cause": error.cause,
        "next": error.next_step,
        "retryable": error.retryable,
    }


def _status_row(one: TableStatus) -> tuple[str, str, str, str, str]:
    state, job = one.state, one.job
    stage = f"{state.stage} (paused)" if state.paused else state.stage
    chunks = 0 if state.checkpoint is None else state.checkpoint.chunks
    done = f"{chunks:,} range{'s' if chunks > 1 else ''}" if chunks else ""
    kept = "" if job is None or job.kept_until is None or state.stage != APPLIED else moment(job.kept_until)
    since = "" if state.changed_at is None else moment(state.changed_at)
    return state.name.partition(":")[2], stage, since, done, kept


def _status_json(one: TableStatus) -> dict[str, Any]:
    state, job = one.state, one.job
    return {
        "table": state.name.partition(":")[2],
        "stage": state.stage,
        "pending": state.pending,
        "changed_at": state.changed_at,
        "paused_by": state.paused and state.paused.who,
        "ranges_done": None if state.checkpoint is None else state.checkpoint.chunks,
        "plan": None if job is None else job.plan,
        "kept_until": None if job is None else job.kept_until,
        "history": [
            {"at": entry.at, "who": entry.who, "why": entry.why, "from": entry.before, "to": entry.after}
            for entry in state.history
        ],
    }
