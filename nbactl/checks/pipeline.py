"""Checks of what would be run: the configuration, its tasks, the source, the target."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from nbactl.adapters.firestore.opening import open_documents
from nbactl.checks.declared import drift, recent_runs, undone_declarations
from nbactl.checks.finding import Finding, unread
from nbactl.config.loader import Config, load_config
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.lease.holder import describe
from nbactl.errors import NbactlError
from nbactl.pipeline.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.checks.finding import Patient
    from nbactl.workflows.model import RunRecord

_EMULATORS = ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST")


def configuration(patient: Patient) -> Iterator[Finding]:
    """Check the three YAML files."""
    try:
        config = load_config(patient.settings.config_dir, patient.environ)
    except NbactlError as error:
        yield Finding("configuration", "failed", error.message, error.cause, error.next_step)
        return
    folder = next(iter(config.files.values())).parent
    told = f"{len(config.workflows.phases)} phases, {len(config.workflows.workflows)} workflows from {folder}"
    yield Finding("configuration", "ok", told)


def tasks(patient: Patient) -> Iterator[Finding]:
    """Compare the declared tasks with what is registered and with what reported lately (invariant 10)."""
    config = _config(patient)
    if config is None:
        yield Finding("tasks", "skipped", "the configuration is wrong")
        return
    problems = undone_declarations(config)
    for problem in problems:
        fix = problem.suggestion or f"Correct {problem.file}."
        yield Finding("tasks", "failed", problem.message, f"{problem.file}:{problem.line}:{problem.column}", fix)
    try:
        drifted = drift(config, _runs(patient))
    except NbactlError:
        drifted = []  # what is declared can be judged without; the check of the documents says what is wrong
    for told in drifted:
        fix = "Run the phase again, so that the ledger shows what is declared now."
        yield Finding("tasks", "warn", told, "workflows.yaml was changed since that run.", fix)
    if not problems and not drifted:
        yield Finding("tasks", "ok", f"{len(config.workflows.tasks)} declared, each with something that does it")


def interrupted_runs(patient: Patient) -> Iterator[Finding]:
    """Find runs that ended without saying so."""
    try:
        runs = _runs(patient, status="interrupted")
    except NbactlError:
        yield unread("runs")
        return
    for run in runs:
        fix = f"Go on with it: nbactl run {run.name} --date {run.game_date} --source {run.source}"
        yield Finding("runs", "warn", f"{run.run_id} was interrupted", f"{describe(run.owner)} is dead.", fix)
    if not runs:
        yield Finding("runs", "ok", "none was interrupted")


def source(patient: Patient) -> Iterator[Finding]:
    """Open the source and ask for its newest game date."""
    spec = patient.settings.source
    if spec == "nba_api":
        yield Finding("source", "skipped", "nba_api is live; asking it costs requests")
        return
    try:
        latest = open_source(spec, patient.clock).latest()
    except NbactlError as error:
        fix = error.next_step or "Correct the source, or choose another with --source."
        yield Finding("source", "failed", f"{spec}: {error.message}", error.cause, fix)
        return
    yield Finding("source", "ok", f"{spec}, newest game date {latest.isoformat()}")


def target(patient: Patient) -> Iterator[Finding]:
    """Say what the target needs."""
    if patient.settings.target == "local":
        emulators = [name for name in _EMULATORS if patient.environ.get(name)]
        told = "local: no account and no server is needed"
        yield Finding("target", "ok", f"{told}; {', '.join(emulators)} not used" if emulators else told)
        return
    credentials = patient.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if credentials and not Path(credentials).is_file():
        fix = "Correct the path, or unset it to use the account of `gcloud auth application-default login`."
        yield Finding("target", "failed", "GOOGLE_APPLICATION_CREDENTIALS names no file", credentials, fix)
    if patient.settings.project is None:
        yield Finding("target", "failed", "gcp without a project", None, "Give --project or set NBACTL_PROJECT.")
        return
    yield from _firestore(patient, patient.settings.project)
    cause = "Of Google Cloud this version has the documents only; it plans for gcp, but runs nothing there."
    yield Finding("target", "warn", f"gcp, project {patient.settings.project}", cause, "Run with --target local.")


def _firestore(patient: Patient, project: str) -> Iterator[Finding]:
    """Read one document that is not there, which needs the client, the account, the network and the database."""
    config = _config(patient)
    if config is None:
        yield Finding("firestore", "skipped", "the configuration is wrong")
        return
    emulator = patient.environ.get("FIRESTORE_EMULATOR_HOST")
    try:
        store = open_documents(project, emulator=emulator, timeouts=config.timeouts, clock=patient.clock)
        with closing(store), deadline_scope(config.timeouts["documents.read"], patient.clock):
            store.get("leases/nbactl-doctor")
    except NbactlError as error:
        fix = error.next_step or "Look at the network and at the status of Google Cloud."
        yield Finding("firestore", "failed", error.message, error.cause, fix)
        return
    yield Finding("firestore", "ok", f"{project} answers{f' (emulator {emulator})' if emulator else ''}")


def _config(patient: Patient) -> Config | None:
    try:
        return load_config(patient.settings.config_dir, patient.environ)
    except NbactlError:
        return None


def _runs(patient: Patient, status: str | None = None) -> list[RunRecord]:
    return recent_runs(patient.documents, patient.clock, patient.busy_timeout, status=status)
