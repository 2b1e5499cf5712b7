"""The completions migration: every action as a function of a request.

An action that takes a while calls `observer` with its progress and stops when `cancellation` is requested.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nbactl.cli.ask import Question, operator, proceed
from nbactl.cli.migrate.result import (
    BackfillResult,
    CleanupResult,
    MigrationStatus,
    PlanResult,
    RepairOutcome,
    RestoreResult,
    RollbackResult,
    StageResult,
)
from nbactl.core._support.aio import Cancellation
from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import DataError, UsageError
from nbactl.migrations.completions.gates import COMMAND, next_action
from nbactl.migrations.completions.migration import LEASE, Caller
from nbactl.migrations.completions.rollback import stages_back
from nbactl.migrations.completions.selection import no_batches
from nbactl.migrations.gates import pass_gates
from nbactl.migrations.model import Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.cli.migrate.request import MigrateRequest
    from nbactl.migrations.completions.validate import ValidationReport
    from nbactl.migrations.model import MigrationState
    from nbactl.migrations.work import ProgressEvent

    Observer = Callable[[ProgressEvent], None]

SUMMARY: Final = "Completions of prediction batches, from an array to documents of their own."
_DEFAULT_RATE: Final = 500.0
"""Writes per second where Firestore's ramp begins; a plan assumes it by default."""
_GATED: Final = frozenset({"start-dual-write", "backfill", "switch-reads", "stop-dual-write", "cleanup"})

_log = logging.getLogger(__name__)


def list_migrations(app: Container) -> tuple[MigrationState, ...]:
    """Return the migrations. There is one."""
    return (app.completions_migration.record.read(),)


def show_status(app: Container) -> MigrationStatus:
    """Return the stage, and what the next step needs."""
    migration = app.completions_migration
    state = migration.record.read()
    upcoming = (next_action(state) or "").removeprefix("--")
    gates = tuple(migration.gates(upcoming)) if upcoming in _GATED else ()
    return MigrationStatus(state, gates, app.leases.current(LEASE), app.clock.now())


def plan(
    app: Container,
    request: MigrateRequest,
    *,
    observer: Observer | None = None,
    cancellation: Cancellation | None = None,
) -> PlanResult:
    """Return what the migration would do and cost; changes nothing."""
    caller = _caller(request, observer, cancellation)
    found = app.completions_migration.plan(request.selection, request.rate or _DEFAULT_RATE, caller)
    return PlanResult(_state(app), found)


def start_dual_write(app: Container, request: MigrateRequest, *, confirm: Confirm = proceed) -> StageResult:
    """Make writers write the array and the subcollection."""
    return _take_step(
        app,
        request,
        action="start-dual-write",
        after=CompletionStage.DUAL_WRITE,
        effect="Writers will write the array and the subcollection.",
        confirm=confirm,
        take=lambda caller: app.completions_migration.start_dual_write(caller, force=request.force),
    )


def switch_reads(app: Container, request: MigrateRequest, *, confirm: Confirm = proceed) -> StageResult:
    """Make readers read the subcollection."""
    return _take_step(
        app,
        request,
        action="switch-reads",
        after=CompletionStage.READS_SWITCHED,
        effect="Readers will read the subcollection.",
        confirm=confirm,
        take=lambda caller: app.completions_migration.switch_reads(
            caller, force=request.force, max_age=request.max_age
        ),
    )


def stop_dual_write(app: Container, request: MigrateRequest, *, confirm: Confirm = proceed) -> StageResult:
    """Make writers write only the subcollection."""
    return _take_step(
        app,
        request,
        action="stop-dual-write",
        after=CompletionStage.DUAL_WRITE_STOPPED,
        effect="Writers will write only the subcollection.",
        confirm=confirm,
        take=lambda caller: app.completions_migration.stop_dual_write(
            caller, force=request.force, max_age=request.max_age
        ),
    )


def backfill(
    app: Container,
    request: MigrateRequest,
    *,
    confirm: Confirm = proceed,
    observer: Observer | None = None,
    cancellation: Cancellation | None = None,
) -> PlanResult | BackfillResult:
    """Create the missing documents; overwrites none. A dry run returns the plan."""
    migration = app.completions_migration
    if request.dry_run:
        pass_gates("--backfill", migration.gates("backfill"), force=False)
        return plan(app, request, observer=observer, cancellation=cancellation)
    confirm(Question(f"Create the missing completion documents of {request.selection}?"))
    report = migration.backfill(request.selection, _caller(request, observer, cancellation), rate=request.rate)
    return BackfillResult(_state(app), report)


def validate(
    app: Container,
    request: MigrateRequest,
    *,
    observer: Observer | None = None,
    cancellation: Cancellation | None = None,
) -> ValidationReport:
    """Compare both sides. A full comparison is recorded, and the gates of the next step accept it."""
    caller = _caller(request, observer, cancellation)
    return app.completions_migration.validate(request.selection, caller)


def watch(
    app: Container, request: MigrateRequest, rounds: Iterable[object], *, alert: Callable[[str], None]
) -> Iterator[ValidationReport]:
    """Compare both sides once per item of `rounds`; calls `alert` when they stop agreeing.

    Raises DataError at the end if the last comparison found an inconsistency, NotFoundError for one of no batches.
    """
    was_consistent, last = True, None
    caller = _caller(request, None, None)
    for _ in rounds:
        last = app.completions_migration.compare(request.selection, caller)
        if not last.validation.batches:
            raise no_batches(request.selection)
        if was_consistent and not last.consistent:
            message = f"completions: array and subcollection no longer agree: {finding_counts(last)}"
            alert(message)
            if _log.hasHandlers():  # without a handler Python would print it to stderr a second time
                extra = {"alert": "completion_drift", "alert_severity": "critical", **last.findings.counts()}
                _log.critical("%s", message, extra=extra)
        was_consistent = last.consistent
        yield last
    if last is not None and not last.consistent:
        raise DataError(
            f"array and subcollection do not agree: {finding_counts(last)}", next_step=f"{COMMAND} --repair --dry-run"
        )


def repair(
    app: Container,
    request: MigrateRequest,
    *,
    confirm: Confirm = proceed,
    observer: Observer | None = None,
    cancellation: Cancellation | None = None,
) -> RepairOutcome:
    """Make both sides agree; with `dry_run` only plan it."""
    migration, caller = app.completions_migration, _caller(request, observer, cancellation)
    found, _ = migration.plan_repair(request.selection, caller)
    if not found.steps or request.dry_run:
        return RepairOutcome(_state(app), found, None, None, request.dry_run)
    kinds = Counter((step.kind.replace("_", " "), step.winner) for step in found.steps)
    lines = [f"{times:,} x {kind}, from the {winner}" for (kind, winner), times in sorted(kinds.items())]
    lines.append("--dry-run shows each of them.")
    what = f"Make these {len(found.steps):,} changes to the completions of {request.selection}?"
    confirm(Question(what, tuple(lines), always=found.overwrites))
    result, export = migration.repair(found, caller)
    return RepairOutcome(_state(app), found, result, export, dry_run=False)


def cleanup(
    app: Container,
    request: MigrateRequest,
    *,
    confirm: Confirm = proceed,
    observer: Observer | None = None,
    cancellation: Cancellation | None = None,
) -> StageResult | CleanupResult:
    """Save the arrays of all batches, then remove them; a StageResult if there is nothing to do, or in a dry run."""
    migration, state = app.completions_migration, _state(app)
    if state.stage == CompletionStage.CLEANED:
        return StageResult(state, "Nothing to do: the arrays are already removed.", app.clock.now())
    forced = pass_gates("--cleanup", migration.gates("cleanup"), force=request.force)
    if request.dry_run:
        message = "The arrays of all batches will be saved, then removed."
        return StageResult(state, message, app.clock.now(), dry_run=True, forced=forced)
    lines = ("They are saved first. A rollback is not possible afterwards.",)
    confirm(Question("Remove the completion arrays of all batches?", lines, always=True))
    cleaned = migration.clean_up(_caller(request, observer, cancellation), force=request.force)
    return CleanupResult(_state(app), cleaned)


def undo_cleanup(
    app: Container,
    request: MigrateRequest,
    *,
    confirm: Confirm = proceed,
    observer: Observer | None = None,
    cancellation: Cancellation | None = None,
) -> RestoreResult:
    """Restore the arrays that a clean-up saved in the file `undo`, of the chosen batches or of all."""
    if request.undo is None:
        raise UsageError("the file of the clean-up is missing", next_step="Give it as `undo`.")
    file = request.undo
    migration, caller = app.completions_migration, _caller(request, observer, cancellation)
    restored = migration.undo_clean_up(file, request.selection, caller, dry_run=True)
    if not request.dry_run:
        confirm(Question(f"Restore {restored.restored:,} completion arrays from {file}?"))
        restored = migration.undo_clean_up(file, request.selection, caller)
    return RestoreResult(_state(app), restored)


def rollback(
    app: Container,
    request: MigrateRequest,
    *,
    confirm: Confirm = proceed,
    observer: Observer | None = None,
    cancellation: Cancellation | None = None,
    acknowledged: bool = True,
) -> StageResult | RollbackResult:
    """Go back one stage, or to the stage `to`; a StageResult if there is nothing to do, or in a dry run.

    Unless it is `acknowledged` at once, it stays pending until `acknowledge` is called with the result.
    """
    migration, state = app.completions_migration, _state(app)
    stages = stages_back(state, request.to)
    if not stages:
        return StageResult(state, f"Nothing to do: the stage is already {state.stage}.", app.clock.now())
    if request.dry_run:
        return StageResult(state, f"The stage will be {stages[-1]}.", app.clock.now(), dry_run=True)
    back = f"Move completions back from {state.stage} to {stages[-1]}?"
    confirm(Question(f"Finish the {state.pending} of completions?" if state.pending else back))
    caller = _caller(request, observer, cancellation)
    rolled_back = migration.roll_back(caller, to=request.to, acknowledged=acknowledged)
    return RollbackResult(replace(_state(app), pending=None), rolled_back, app.clock.now())


def acknowledge(app: Container, result: RollbackResult) -> None:
    """Record that the operator has seen the outcome of a rollback."""
    app.completions_migration.acknowledge_rollback(result.rolled_back)


def pause(app: Container, request: MigrateRequest, *, confirm: Confirm = proceed) -> StageResult:
    """Make the running action wait after its chunk."""
    if request.dry_run:
        return StageResult(_state(app), "The running action will wait.", app.clock.now(), dry_run=True)
    confirm(Question("Make the running action of completions wait?", never=True))
    state = app.completions_migration.pause(Operator(operator(), request.reason))
    message = f"Paused: a running action waits after its chunk. To continue: {COMMAND} --resume"
    return StageResult(state, message, app.clock.now())


def resume(app: Container, request: MigrateRequest, *, confirm: Confirm = proceed) -> StageResult:
    """Let a paused migration continue."""
    if request.dry_run:
        return StageResult(_state(app), "The paused action will continue.", app.clock.now(), dry_run=True)
    confirm(Question("Let the paused action of completions continue?", never=True))
    return StageResult(app.completions_migration.resume(), "Resumed: the migration continues.", app.clock.now())


def finding_counts(report: ValidationReport) -> str:
    """Return how many findings of each kind there are: `1 missing, 2 counter drift`."""
    counts = report.findings.counts()
    return ", ".join(f"{number:,} {kind.replace('_', ' ')}" for kind, number in counts.items() if number)


def _take_step(
    app: Container,
    request: MigrateRequest,
    *,
    action: str,
    after: CompletionStage,
    effect: str,
    confirm: Confirm,
    take: Callable[[Caller], MigrationState],
) -> StageResult:
    state = _state(app)
    if state.stage == after and state.pending is None:
        return StageResult(state, f"Nothing to do: the stage is already {after}.", app.clock.now())
    gates = app.completions_migration.gates(action, max_age=request.max_age, compare_active=True)
    forced = pass_gates(f"--{action}", gates, force=request.force)
    if request.dry_run:
        return StageResult(state, effect, app.clock.now(), dry_run=True, forced=forced)
    then = " ".join([effect, *([f"Forced: {', '.join(forced)}."] if forced else [])])
    confirm(Question(f"Move completions from {state.stage} to {after}?", always=bool(forced), then=then))
    return StageResult(take(_caller(request, None, None)), effect, app.clock.now(), moved=True, forced=forced)


def _caller(request: MigrateRequest, observer: Observer | None, cancellation: Cancellation | None) -> Caller:
    who = Operator(operator(), request.reason)
    return Caller(who, observer or _observe_nothing, cancellation or Cancellation())


def _observe_nothing(_event: ProgressEvent) -> None:
    """Ignore progress."""


def _state(app: Container) -> MigrationState:
    return app.completions_migration.record.read()
