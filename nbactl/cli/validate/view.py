"""Validations as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import clock_time, moment
from nbactl.core._support.durations import format_duration
from nbactl.errors import CheckFailedError, NotFoundError

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.cli.show.console import Console
    from nbactl.errors import NbactlError
    from nbactl.reporting.overnight.model import OvernightReport, PhaseNight, Timing

_MARKS: Final = {True: ("✓", "ok", "green"), False: ("✗", "x", "bold red"), None: ("-", "-", "dim")}
_NAME_WIDTH: Final = 14


def overnight(found: OvernightReport) -> View:
    """Show the checks, phases and times of a night, with exit code 1 if a check failed."""

    def show(console: Console) -> None:
        console.print(Styled(f"The night of {found.game_date}", "bold"))
        for check in found.checks:
            unicode, plain, style = _MARKS[check.ok]
            mark = Styled(console.out.glyph(unicode, plain), style)
            name = Styled(f"{check.name:<{_NAME_WIDTH}}", "bold")
            console.out.print_hanging(mark, " ", name, text=check.detail, indent=_NAME_WIDTH + 2)
        if found.phases:
            console.print()
            console.table(
                ["phase", "start", "end", "took", "due", "by", "outputs", "remark"],
                [_phase_row(phase) for phase in found.phases],
                optional=["by", "start", "due"],
            )
        if found.timing:
            console.print()
            console.table(
                ["time of", "nights", "median", "p95", "this night"],
                [_timing_row(one) for one in found.timing],
            )

    failed = [check.name for check in found.checks if check.ok is False]
    error: NbactlError | None = None
    if not found.seen:
        error = _nothing_seen(found)
    elif failed:
        plural = "check" if len(failed) == 1 else "checks"
        next_step = f"Look at it: nbactl status --date {found.game_date}"
        error = CheckFailedError(f"{len(failed)} {plural} failed: {', '.join(failed)}", next_step=next_step)
    data = {
        "date": str(found.game_date),
        "ok": found.ok,
        "idle": None if found.idle is None else {"kind": found.idle.kind, "reason": found.idle.reason},
        "phases": [_phase(phase) for phase in found.phases],
        "checks": [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in found.checks],
        "timing": [_timing(one) for one in found.timing],
    }
    code = 0 if error is None else error.exit_code
    return View(data, show, items="checks", exit_code=code, warnings=found.warnings, error=error)


def _nothing_seen(found: OvernightReport) -> NotFoundError:
    """Return why there is nothing to judge: nobody knows of the date, or it is too early."""
    message = f"there is nothing of the night of {found.game_date}"
    if found.phases:
        dues = [phase.due_at for phase in found.phases if phase.due_at is not None]
        first = f"The first phase is due at {moment(min(dues))}." if dues else "No phase is due yet."
        return NotFoundError(
            message, cause=f"It is not over. {first}", next_step="Look again later, or choose another --date."
        )
    return NotFoundError(
        message,
        cause="Neither the schedule nor any record knows of the date.",
        next_step="Choose another --date; the schedule comes with: nbactl run p2_schedule",
    )


def _phase_row(phase: PhaseNight) -> list[str | Styled | None]:
    session = phase.session
    late = None if phase.late is None else f"{format_duration(phase.late)} late"
    missing = ", ".join(output.name for output in phase.missing)
    remarks = [late, phase.fallback, f"missing: {missing}" if missing else None]
    return [
        phase.name,
        _clock(None if session is None else session.started_at),
        _clock(None if session is None else session.ended_at),
        _long(None if session is None else session.seconds),
        _clock(phase.due_at),
        None if session is None else session.by,
        f"{len(phase.required) - len(phase.missing)}/{len(phase.required)}",
        Styled("; ".join(remark for remark in remarks if remark), "red"),
    ]


def _timing_row(one: Timing) -> list[str | Styled]:
    style = "bold red" if one.slow else ""
    return [one.name, str(one.nights), _long(one.median), _long(one.p95), Styled(_long(one.this_night), style)]


def _phase(phase: PhaseNight) -> dict[str, Any]:
    session = phase.session
    return {
        "name": phase.name,
        "by": None if session is None else session.by,
        "run_id": None if session is None else session.run_id,
        "complete": session is not None and session.complete,
        "started_at": None if session is None else session.started_at,
        "ended_at": None if session is None else session.ended_at,
        "duration_s": None if session is None else session.seconds,
        "due_at": phase.due_at,
        "late_s": phase.late,
        "waited_s": phase.waited,
        "fallback": phase.fallback,
        "outputs": len(phase.required),
        "missing": [
            {"name": output.name, "state": output.state.value, "reason": output.reason} for output in phase.missing
        ],
        "rows": phase.rows,
    }


def _timing(one: Timing) -> dict[str, Any]:
    return {
        "name": one.name,
        "nights": one.nights,
        "median_s": one.median,
        "p95_s": one.p95,
        "this_night_s": one.this_night,
        "slow": one.slow,
    }


def _clock(at: datetime | None) -> str:
    return "" if at is None else clock_time(at)[:5]


def _long(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(seconds)
