"""What production did, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import clock_time, moment
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.workflows.production import PhaseReport, ProcessorLine, ProductionBoard

_NAMED: Final = 5


def production_json(report: PhaseReport | None) -> dict[str, Any] | None:
    """Return what production did in a phase, None if it did nothing."""
    if report is None:
        return None
    document = report.document
    tier = report.next_tier
    return {
        "state": report.state,
        "whose": report.whose,
        "mode": report.mode,
        "document_mode": document.mode,
        "critical_missing": list(report.critical_missing),
        "partial": list(report.partial),
        "processors": [_processor_json(line) for line in report.processors],
        "unknown": [
            {"name": one.raw_name, "status": one.status, "completed_at": one.completed_at} for one in document.unknown
        ],
        "hand_off": {
            "state": report.hand_off,
            "since": report.since,
            "reason": report.reason,
            "next_tier": None if tier is None else {"at": tier[0], "at_least": tier[1].at_least},
        },
        "late": None if report.late is None else {"what": report.late[0], "since": report.late[1]},
        "malformed": [{"field": bad.field, "value": bad.value, "reason": bad.reason} for bad in document.malformed],
    }


def _processor_json(line: ProcessorLine) -> dict[str, Any]:
    run = line.last_run
    return {
        "name": line.name,
        "reported_as": line.raw_name if line.status is not None else None,
        "critical": line.critical,
        "expected": line.expected,
        "status": line.status,
        "completed_at": line.completed_at,
        "records": line.records,
        "whose": line.whose,
        "last_run": None
        if run is None
        else {
            "run_id": run.run_id,
            "status": run.status,
            "started_at": run.started_at,
            "processed_at": run.processed_at,
            "records": run.records,
            "trigger_source": run.trigger_source,
            "errors": run.errors,
        },
    }


def locks_json(board: ProductionBoard | None) -> list[dict[str, Any]]:
    """Return the locks of other programs that are in force."""
    return [
        {"name": lock.name, "owner": lock.owner, "acquired_at": lock.acquired_at, "expires_at": lock.expires_at}
        for lock in (board.locks if board is not None else ())
    ]


def hand_off_text(report: PhaseReport, now: datetime) -> str | None:
    """Return what became of the hand-off to the next phase, None where there is nothing to say."""
    if report.hand_off == "open":
        return None
    if report.hand_off == "triggered":
        return "next phase started" + (f" {clock_time(report.since)}" if report.since else "")
    waits = f" for {format_duration((now - report.since).total_seconds())}" if report.since else ""
    return f"hand-off pending{waits}" if report.hand_off == "pending" else f"complete{waits}, hand-off not decided"


def tier_text(report: PhaseReport, now: datetime) -> str | None:
    """Return when fewer processors will be enough: `4 of 5 in 12m`."""
    if report.next_tier is None or not report.missing:
        return None
    at, tier = report.next_tier
    return f"{tier.at_least} of {len(report.expected.names)} in {format_duration((at - now).total_seconds())}"


def show_details(console: Console, reports: Sequence[PhaseReport], now: datetime) -> None:
    """Show what needs a look, phase by phase; with -v every processor as well."""
    lines = [(report.phase, line) for report in reports for line in _lines(report, now)]
    if lines:
        console.print()
        console.print(Styled("Production", "bold"))
        console.table(["phase", "what"], lines)
    if console.verbosity:
        rows = [_processor_row(report.phase, line) for report in reports for line in report.processors]
        if rows:
            console.print()
            columns = ["phase", "processor", "status", "records", "completed", "by"]
            console.table(columns, rows, optional=["records"])


def show_locks(console: Console, board: ProductionBoard) -> None:
    """Show the locks of other programs that are in force."""
    if not board.locks:
        return
    console.print()
    console.print(Styled("Locks of other programs", "bold"))
    for lock in board.locks[:_NAMED]:
        expiry = "no expiry" if lock.expires_at is None else f"until {moment(lock.expires_at)}"
        console.print(f"  {lock.name}", Styled(f"  {lock.owner or 'unknown owner'}, {expiry}", "dim"))
    console.showing(min(len(board.locks), _NAMED), len(board.locks), "locks", more="All: nbactl leases list")


def _lines(report: PhaseReport, now: datetime) -> Iterator[Segment]:
    if report.late is not None:
        what, since = report.late
        late = format_duration((now - since).total_seconds())
        yield Styled(f"{what} since {moment(since)} ({late})", "red")
    if report.critical_missing:
        yield f"critical missing: {', '.join(report.critical_missing)}"
    for line in report.processors:
        if line.failed or line.ran:
            yield _last_run(line)
    if report.partial:
        yield f"partial: {', '.join(report.partial)}"
    if report.document.unknown:
        yield Styled(f"not counted, unknown names: {_named([one.raw_name for one in report.document.unknown])}", "red")
    if report.document.malformed:
        bad = [f"{one.field} {one.reason}" for one in report.document.malformed]
        yield Styled(f"cannot be used: {_named(bad)}", "yellow")


def _last_run(line: ProcessorLine) -> Segment:
    run = line.last_run
    if run is None or line.status is not None:
        return Styled(f"{line.name} reported {line.status}", "red")
    when = f" {moment(run.started_at)}" if run.started_at else ""
    why = f": {run.errors}" if run.errors and line.failed else ""
    if line.ran:
        return Styled(f"{line.name} ran{when} ({run.status}), but did not report", "yellow")
    return Styled(f"{line.name} {run.status}{when}{why}", "red")


def _processor_row(phase: str, line: ProcessorLine) -> list[Segment | None]:
    return [
        phase,
        line.name,
        line.status or "-",
        None if line.records is None else f"{line.records:,}",
        clock_time(line.completed_at) if line.completed_at else None,
        line.whose if line.status is not None else None,
    ]


def _named(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + rest
