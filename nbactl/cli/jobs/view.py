"""Scheduled jobs as JSON and as text."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.ask import command_line
from nbactl.cli.jobs.command import step_text
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled, copyable
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration
from nbactl.core.jobs.compare import target_text, token_text
from nbactl.core.jobs.cron import in_words
from nbactl.errors import PartialRunError
from nbactl.ports.jobs import HttpTarget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.jobs.command import JobRun, JobsChanged
    from nbactl.cli.jobs.importing import Imported
    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.config.settings import Settings
    from nbactl.core.jobs.model import JobStatus
    from nbactl.deployments.job_plan import JobStep

_ANSWERS: Final = {True: "yes", False: "no", None: "-"}
_STATES: Final = {"enabled": "green", "paused": "yellow", "missing": "red"}


def job_list(statuses: Sequence[JobStatus], settings: Settings) -> View:
    """Show the jobs, and below them what is wrong with each, with the command that mends it."""

    def show(console: Console) -> None:
        if not statuses:
            console.note("No job is declared, and none is there.")
            return
        columns = ["job", "state", "schedule", "target", "answers", "token", "deadline", "last attempt", "next run"]
        console.table(
            columns, list(map(_row, statuses)), optional=["deadline", "token", "answers", "target", "next run"]
        )
        for status in statuses:
            for finding in status.findings:
                console.print(Styled("✗ ", "red"), f"{status.name}: {finding.text}")
                if finding.mend:
                    console.print("  ", copyable(command_line(settings, *finding.mend)))

    jobs = [_line(status, settings) for status in statuses]
    return View({"jobs": jobs, "findings": sum(len(status.findings) for status in statuses)}, show, items="jobs")


def jobs_diff(found: JobsChanged, *, detailed_exitcode: bool) -> View:
    """Show what is not as declared: exit code 3 with `detailed_exitcode` if anything is."""
    pending, others = found.pending, [step for step in found.steps if not step.actions and step.note]
    differing = len(pending) + len(found.blocked)

    def show(console: Console) -> None:
        for step in (*pending, *others):
            _show_step(console, step)
        if not differing:
            console.note("Nothing to do: all declared jobs are as declared.")

    differs = detailed_exitcode and bool(differing)
    step = "nbactl jobs apply" if pending else "nbactl jobs list"
    text = f"{differing} job{' differs' if differing == 1 else 's differ'}"
    error = PartialRunError(text, next_step=step) if differs else None
    data = {"jobs": [_step(step) for step in found.steps], "pending": len(pending)}
    return View(data, show, items="jobs", exit_code=3 if differs else 0, error=error)


def jobs_changed(done: JobsChanged, settings: Settings) -> View:
    """Show what was changed, and how it is taken back."""
    made = {one.step.name: one.change for one in done.made}
    undo = [command_line(settings, *words) for words in done.undo]

    def show(console: Console) -> None:
        for step in done.steps:
            if step.actions or step.note:
                _show_step(console, step)
        for one in done.made:
            if one.change is None and one.step.before != one.step.after:
                console.note(f"{one.step.name}: someone else did the same meanwhile.")
        if not done.pending:
            if not done.blocked:
                console.note("Nothing to do: already so.")
        elif done.dry_run:
            console.note("Dry run: nothing was changed.")
        for line in undo:
            console.note(Styled("undo: ", "cyan"), line)

    data = {
        "jobs": [{**_step(step), "change": made.get(step.name)} for step in done.steps],
        "applied": any(change is not None for change in made.values()),
        "undo": undo,
    }
    names = ", ".join(step.name for step in done.pending if done.dry_run or made.get(step.name) is not None)
    return View(
        data,
        show,
        items="jobs",
        exit_code=0 if done.error is None else done.error.exit_code,
        error=done.error,
        touched=f"job{'' if ',' not in names else 's'} {names}" if names else None,
        undo=done.undo,
    )


def job_run(done: JobRun) -> View:
    """Show how a run by hand ended."""
    job = done.job

    def show(console: Console) -> None:
        if done.dry_run:
            console.note(f"Would run {done.name}: {target_text(job.spec.target)}. Nothing was sent.")
        elif done.error is None:
            console.note(f"{done.name} succeeded after {format_duration(round(done.seconds, 1))}.")

    data = {
        "job": done.name,
        "target": target_text(job.spec.target),
        "dry_run": done.dry_run,
        "succeeded": None if done.dry_run else done.error is None,
        "attempt_at": None if done.dry_run else job.last_attempt_at,
        "duration_s": round(done.seconds, 3),
    }
    return View(
        data,
        show,
        exit_code=0 if done.error is None else done.error.exit_code,
        error=done.error,
        touched=f"job {done.name}",
    )


def imported(done: Imported) -> View:
    """Show what was written to workflows.yaml, and what was not."""

    def show(console: Console) -> None:
        if done.text:
            console.out.write(done.text)
        for name, why in done.skipped.items():
            console.note(f"not imported: {name}: {why}")
        for name, note in done.notes.items():
            console.note(f"{name}: {note}")
        if not done.names:
            console.note("Nothing to import: every job that can be declared is declared.")
        elif done.dry_run:
            console.note(f"Would write this to {done.file}. Nothing was changed.")
        else:
            console.note(f"Wrote {len(done.names)} jobs to {done.file}. Commit it.")

    data = {
        "file": str(done.file),
        "jobs": list(done.names),
        "skipped": [{"job": name, "why": why} for name, why in done.skipped.items()],
        "notes": [{"job": name, "note": note} for name, note in done.notes.items()],
        "text": done.text,
        "written": bool(done.names) and not done.dry_run,
    }
    return View(
        data, show, items="jobs", touched=f"{done.file.name}: jobs {', '.join(done.names)}" if done.names else None
    )


def _row(status: JobStatus) -> list[Segment | None]:
    spec = _spec_of(status)
    if spec is None:
        return [status.name, _state(status), None, None, None, None, None, None, None]
    http = isinstance(spec.target, HttpTarget)
    job = status.job
    return [
        status.name,
        _state(status),
        f"{in_words(spec.schedule)} ({spec.timezone})",
        target_text(spec.target),
        _ANSWERS[status.answers],
        token_text(spec.target) or "-",
        format_duration(spec.attempt_deadline) if http and spec.attempt_deadline else "-",
        _attempt(status),
        "-" if job is None or job.next_run_at is None else moment(job.next_run_at),
    ]


def _state(status: JobStatus) -> Segment:
    if status.job is None:
        return Styled("missing", _STATES["missing"])
    text: str = status.job.state
    if status.paused_since is not None:
        text += f" since {moment(status.paused_since)}"
    if status.pause is not None:
        text += f": {status.pause.reason}"
    return Styled(text, _STATES.get(status.job.state, "red"))


def _attempt(status: JobStatus) -> Segment:
    job = status.job
    if job is None or job.last_attempt_at is None:
        return "never"
    if job.last_error is None:
        return f"{moment(job.last_attempt_at)} ok"
    return Styled(f"{moment(job.last_attempt_at)} {job.last_error}", "red")


def _line(status: JobStatus, settings: Settings) -> dict[str, Any]:
    spec, job = _spec_of(status), status.job
    pause = status.pause
    return {
        "name": status.name,
        "declared": status.declared is not None,
        "state": "missing" if job is None else job.state,
        "schedule": None if spec is None else spec.schedule,
        "timezone": None if spec is None else spec.timezone,
        "schedule_words": None if spec is None else in_words(spec.schedule),
        "target": None if spec is None else target_text(spec.target),
        "answers": status.answers,
        "token": None if spec is None or not isinstance(spec.target, HttpTarget) else spec.target.token,
        "audience": None if spec is None or not isinstance(spec.target, HttpTarget) else spec.target.audience,
        "account": None if spec is None or not isinstance(spec.target, HttpTarget) else spec.target.account,
        "attempt_deadline_s": None if spec is None else spec.attempt_deadline,
        "retries": None if spec is None else spec.retries,
        "paused_since": status.paused_since,
        "pause": None
        if pause is None
        else {"reason": pause.reason, "until": pause.until and str(pause.until), "by": pause.by, "at": pause.at},
        "last_attempt_at": None if job is None else job.last_attempt_at,
        "last_error": None if job is None else job.last_error,
        "next_run_at": None if job is None else job.next_run_at,
        "differences": [asdict(difference) for difference in status.differences],
        "findings": [
            {
                "kind": finding.kind,
                "text": finding.text,
                "mend": command_line(settings, *finding.mend) if finding.mend else None,
            }
            for finding in status.findings
        ],
    }


def _spec_of(status: JobStatus) -> Any:  # noqa: ANN401 - a JobSpec, or None
    if status.job is not None:
        return status.job.spec
    return None if status.declared is None else status.declared.spec


def _step(step: JobStep) -> dict[str, Any]:
    return {
        "name": step.name,
        "actions": list(step.actions),
        "differences": [asdict(difference) for difference in step.differences],
        "note": step.note,
        "blocked": step.blocked,
    }


def _show_step(console: Console, step: JobStep) -> None:
    console.print(step_text(step))
