"""Checks of what would be run: the configuration, its tasks, the source, the target."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from nbactl.checks.declared import drift, undone_declarations
from nbactl.checks.doctor.context import Finding, unread
from nbactl.config.given import PLACE_OPTIONS, given_options
from nbactl.config.loader import shipped_config_dir
from nbactl.core.lease.holder import describe
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbactl.checks.doctor.context import CheckContext
    from nbactl.config.loader import Config

_EMULATORS = ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST")


def configuration(context: CheckContext) -> Iterator[Finding]:
    """Check the three YAML files."""
    try:
        config = context.config()
    except NbactlError as error:
        yield Finding("configuration", "failed", error.message, error.cause, error.next_step)
        return
    folder, names = next(iter(config.files.values())).parent, [file.name for file in config.files.values()]
    if changed := _not_committed(folder, names, config.timeouts["doctor.git"]):
        message = f"{', '.join(changed)} of {folder} differs from what is committed"
        cause = "Other machines, and the next checkout, have something else."
        yield Finding(
            "configuration", "warn", message, cause, f"Commit it, or look: git -C {shlex.quote(str(folder))} diff"
        )
        return
    message = f"{len(config.workflows.phases)} phases, {len(config.workflows.workflows)} workflows from {folder}"
    yield Finding("configuration", "ok", message)


def _not_committed(folder: Path, names: Sequence[str], limit: float) -> list[str]:
    """Return the files that git knows and that differ from its last commit; none where git does not answer in time.

    The files that come with nbactl are left out: a working copy of nbactl is what its developer makes of it.
    """
    if folder == shipped_config_dir():
        return []
    try:
        words = ["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no", "-z", "--", *names]
        done = subprocess.run(words, capture_output=True, check=False, timeout=limit)  # noqa: S603 - names of our files
    except (OSError, subprocess.TimeoutExpired):
        return []
    changed = {Path(line[3:]).name for line in done.stdout.decode(errors="replace").split("\0")}
    return [] if done.returncode else [name for name in names if name in changed]


def tasks(context: CheckContext) -> Iterator[Finding]:
    """Compare the declared tasks with the registered processors and with recent runs (invariant 10)."""
    config = _config(context)
    if config is None:
        yield Finding("tasks", "skipped", "the configuration is wrong")
        return
    problems = undone_declarations(config, context.processors)
    for problem in problems:
        fix = problem.suggestion or f"Correct {problem.file}."
        yield Finding("tasks", "failed", problem.message, f"{problem.file}:{problem.line}:{problem.column}", fix)
    try:
        drifted = drift(config, context.recent_runs(None))
    except NbactlError:
        drifted = []  # what is declared can be judged without; the check of the documents says what is wrong
    for message in drifted:
        fix = "Run the phase again, so that the ledger shows what is declared now."
        yield Finding("tasks", "warn", message, "workflows.yaml was changed since that run.", fix)
    if not problems and not drifted:
        yield Finding("tasks", "ok", f"{len(config.workflows.tasks)} tasks, all implemented")


def interrupted_runs(context: CheckContext) -> Iterator[Finding]:
    """Find runs whose process died."""
    try:
        runs = context.recent_runs("interrupted")
    except NbactlError:
        yield unread("runs")
        return
    for run in runs:
        words = ["nbactl", "run", run.name, "--date", str(run.game_date), "--source", run.source_spec or run.source]
        fix = f"Resume it: {shlex.join([*words, *given_options(context.settings)])}"
        yield Finding("runs", "warn", f"{run.run_id} was interrupted", f"{describe(run.owner)} is dead.", fix)
    if not runs:
        yield Finding("runs", "ok", "none interrupted")


def finished_dates(context: CheckContext) -> Iterator[Finding]:
    """Look whether what finished runs wrote is still there (invariant 25)."""
    name = "finished dates"
    try:
        lost = context.lost_outputs()
    except NbactlError as error:
        yield Finding(name, "skipped", f"what is there cannot be read: {error.message}", error.cause, error.next_step)
        return
    if not lost.runs:
        message = (
            f"the output of {lost.looked_at} finished runs is there" if lost.looked_at else "no run has finished here"
        )
        yield Finding(name, "ok" if lost.looked_at else "skipped", message)
        return
    phase, date, why = lost.runs[0]
    dates = sorted({date for _, date, _ in lost.runs})
    when = ["--date", date] if len(dates) == 1 else ["--from", dates[0], "--to", dates[-1]]
    again = ["nbactl", "run", phase, *when, *given_options(context.settings, ("source", *PLACE_OPTIONS))]
    message = f"{len(lost.runs)} of {lost.looked_at} finished runs lost their output, the newest {phase} {date}"
    yield Finding(name, "failed", message, why, f"Run them again: {shlex.join(again)}")


def source(context: CheckContext) -> Iterator[Finding]:
    """Open the source and ask for its newest game date."""
    spec = context.settings.source
    origin = context.settings.origins.get("source", "default")
    shown = f"{spec} (of the last run)" if origin == "last run" else spec
    if spec == "nba_api":
        yield Finding("source", "skipped", f"{shown} is live; a check would cost requests")
        return
    try:
        latest = context.latest_game_date()
    except NbactlError as error:
        fix = error.next_step or "Correct the source, or choose another with --source."
        yield Finding("source", "failed", f"{shown}: {error.message}", error.cause, fix)
        return
    yield Finding("source", "ok", f"{shown}, newest game date {latest.isoformat()}")


def target(context: CheckContext) -> Iterator[Finding]:
    """Say what the target needs."""
    if context.settings.target == "local":
        emulators = [name for name in _EMULATORS if context.environ.get(name)]
        message = "local: needs no account and no server"
        yield Finding("target", "ok", f"{message}; {', '.join(emulators)} not used" if emulators else message)
        return
    credentials = context.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if credentials and not Path(credentials).is_file():
        fix = "Correct the path, or unset it to use the account of `gcloud auth application-default login`."
        yield Finding(
            "target", "failed", "GOOGLE_APPLICATION_CREDENTIALS names a file that does not exist", credentials, fix
        )
    if context.settings.project is None:
        yield Finding("target", "failed", "gcp without a project", None, "Give --project or set NBACTL_PROJECT.")
        return
    yield Finding("target", "ok", f"gcp, project {context.settings.project}")


def _config(context: CheckContext) -> Config | None:
    try:
        return context.config()
    except NbactlError:
        return None
