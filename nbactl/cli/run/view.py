"""Plans and finished runs as `nbactl run` shows them, and its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.cli.run.json import plan_json, run_json
from nbactl.cli.run.plan_text import show_plan
from nbactl.cli.run.text import is_range, names_in_order, show_runs
from nbactl.cli.show.render import View
from nbactl.errors import InterruptedRunError, NbactlError, PartialRunError, RunFailedError, StillRunningError
from nbactl.workflows.freshness import listed
from nbactl.workflows.graph import level_of_tasks
from nbactl.workflows.model import URGENCY, RunReport, RunStatus, TaskStatus, exit_code, not_covered, uncovered_dates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.show.console import Console
    from nbactl.workflows.model import RunPlan, RunRecord, RunRequest

_NAMED = 3
"""How many unsuccessful runs an error names."""


def planned(plans: Sequence[RunPlan]) -> View:
    """Show what would be run."""

    def show(console: Console) -> None:
        show_plan(console, plans)
        console.note("This was a dry run: nothing was changed.")

    data = {"plan": [plan_json(plan, level_of_tasks(plan.tasks)) for plan in plans]}
    report = RunReport((), uncovered=uncovered_dates(plans))
    code, warnings = exit_code(report), tuple(not_covered(report.uncovered))
    return View(
        data,
        show,
        items="plan",
        exit_code=code,
        warnings=warnings,
        error=_error(report, code, ""),
        touched=_touched(plans),
    )


def nothing_lacks(request: RunRequest) -> View:
    """Say that the grid has no gap."""
    first, last = request.dates[0], request.dates[-1]
    days = str(first) if first == last else f"{first} to {last}"

    def show(console: Console) -> None:
        console.note(f"Nothing is missing: {', '.join(request.names)} for {days} is as expected.")

    return View({"runs": [], "plan": []}, show, items="runs")


def _touched(runs: Sequence[RunPlan | RunRecord]) -> str | None:
    """Return the names and the dates of runs, None if there are none."""
    if not runs:
        return None
    names = ", ".join(names_in_order(runs))
    days = sorted({str(run.game_date) for run in runs})
    dates = f" {days[0]} to {days[-1]}" if len(days) > 1 else f" {days[0]}"
    return f"{names}{dates}"


def finished(report: RunReport, again: str, mend: str | None = None) -> View:
    """Show the runs of a report; `again` is the command that resumes them.

    `mend` is the command that brings up to date what they made stale.
    """
    code = exit_code(report)
    stale = report.outdated
    outdated = [] if stale is None else [f"no longer fresh: {listed(stale.stale)}; bring up to date: {mend}"]

    def show(console: Console) -> None:
        if is_range(report.runs):
            from nbactl.cli.run.summary import show_range  # noqa: PLC0415 - only then

            show_range(console, [(run, run.status.value) for run in report.runs])
        else:
            show_runs(console, report.runs)
        if code == 0 and any(run.status is not RunStatus.SKIPPED for run in report.runs):
            console.note("Timeline: nbactl runs gantt last")
            console.note("Log:      nbactl runs logs last")
        elif code == 0 and not report.runs:
            console.note("Nothing to do: no games on these dates.")
        elif code == 0 and all(_is_finished(run) for run in report.runs):
            console.note("Nothing to do: already finished. Use --force to run it again.")

    return View(
        {"runs": [run_json(run) for run in report.runs]},
        show,
        items="runs",
        touched=_touched(report.runs),
        exit_code=code,
        run_id=next((run.run_id for run in reversed(report.runs) if run.run_id), None),
        warnings=(*report.warnings, *outdated),
        notes=report.notes,
        error=_error(report, code, again),
    )


def _is_finished(run: RunRecord) -> bool:
    return (run.reason or "").startswith("finished by")


def _error(report: RunReport, code: int, again: str) -> NbactlError | None:
    """Return why not all runs succeeded, and what to do next."""
    if code == 0:
        return None
    unsuccessful = [run for run in report.runs if run.status not in (RunStatus.SUCCEEDED, RunStatus.SKIPPED)]
    unsuccessful.sort(key=lambda run: URGENCY.index(run.status.value))
    summary = "; ".join(f"{run.name} {run.game_date} {run.status.value}" for run in unsuccessful[:_NAMED])
    summary += f" and {len(unsuccessful) - _NAMED} more runs" if len(unsuccessful) > _NAMED else ""
    if code in (130, 143):
        word = "interrupted" if report.interrupted_by != "SIGTERM" else "terminated"
        return InterruptedRunError(
            f"{word}; finished tasks are recorded{f' ({summary})' if summary else ''}", next_step=f"Resume: {again}"
        )
    if report.uncovered and not unsuccessful:
        return PartialRunError(
            f"nothing was looked at on {len(report.uncovered):,} of the dates",
            cause=f"{next(iter(report.uncovered.values()))}.".capitalize(),
            next_step="Choose other dates, or give a --source that has them.",
        )
    if code == StillRunningError.exit_code:
        working = [task for run in unsuccessful for task in run.tasks if task.status is TaskStatus.DETACHED]
        names = listed([f"{task.name} ({task.detail.get('service')})" for task in working])
        return StillRunningError(
            f"services still work on {names}",
            cause="nbactl does not wait for them any longer; they continue without it.",
            next_step=f"Follow them: {again}",
        )
    look = f"nbactl runs show {unsuccessful[0].run_id}" if unsuccessful else "nbactl runs list"
    steps = [f"Look: {look} -v", f"Fix it, then resume: {again}"]
    cause = next((run.reason for run in unsuccessful if run.reason), None)
    failed = [(task.name, task.error) for run in unsuccessful for task in run.tasks if task.error]
    if failed:
        name, error = failed[0]
        parts = (name, error["message"], error.get("cause"))
        cause = ": ".join(str(part).partition("\n")[0] for part in parts if part)
        steps = [*filter(None, [error.get("next")]), *steps]
    elif lacking := list(dict.fromkeys(text for run in unsuccessful for task in run.tasks for text in task.incomplete)):
        cause = listed(lacking, "; ")
        steps = [f"Look: {look} -v", f"Collect again when the source has more: {again}"]
    kind = RunFailedError if code == 1 else PartialRunError
    return kind(summary, cause=cause, next_step="\n".join(steps))
