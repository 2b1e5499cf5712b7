"""What must hold before each step of the completions migration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.core._support.durations import format_duration
from nbactl.core.completions.stages import CompletionStage
from nbactl.migrations.gates import Gate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.migrations.completions.absent import Absent
    from nbactl.migrations.completions.limits import MigrationLimits
    from nbactl.migrations.completions.validate import ValidationReport
    from nbactl.migrations.model import MigrationState

COMMAND: Final = "nbactl migrate completions"
ORDER: Final = tuple(CompletionStage)
BACKFILL_STAGES: Final = (CompletionStage.DUAL_WRITE, CompletionStage.BACKFILLED, CompletionStage.VALIDATED)
_STEP_TO: Final = {
    CompletionStage.DUAL_WRITE: "--start-dual-write",
    CompletionStage.BACKFILLED: "--backfill",
    CompletionStage.VALIDATED: "--validate",
    CompletionStage.READS_SWITCHED: "--switch-reads",
    CompletionStage.DUAL_WRITE_STOPPED: "--stop-dual-write",
    CompletionStage.CLEANED: "--cleanup",
}


def next_action(state: MigrationState) -> str | None:
    """Return the option that takes the next step, None at the end."""
    if state.pending is not None:
        return f"--{state.pending}"
    if state.stage == CompletionStage.VALIDATED and state.last_validation is None:
        return "--validate"  # after a rollback an earlier validation proves nothing
    following = ORDER.index(CompletionStage(state.stage)) + 1
    return _STEP_TO[ORDER[following]] if following < len(ORDER) else None


def gates_of(
    action: str,
    state: MigrationState,
    limits: MigrationLimits,
    now: datetime,
    *,
    max_age: float,
    active: ValidationReport | None = None,
    absent: Sequence[Absent] = (),
) -> list[Gate]:
    """Return the gates of `action` (`switch-reads` and so on), open and closed.

    `active` is a comparison of the batches in progress, made just now; `absent` are the services that do not take part.
    """
    always = [_no_pause(state), _nothing_pending(state), _settled(state, now)]
    if action == "start-dual-write":
        return [_in_stage(state, CompletionStage.LEGACY), *always]
    if action == "backfill":
        return [_in_stage(state, *BACKFILL_STAGES), *always]
    if action == "switch-reads":
        return [
            _in_stage(state, CompletionStage.VALIDATED),
            *always,
            _validation(state, now, max_age),
            *([] if active is None else [_active(active)]),
            _participants(absent),
        ]
    if action == "stop-dual-write":
        bake = limits.reads_bake
        return [
            _in_stage(state, CompletionStage.READS_SWITCHED),
            *always,
            _baked(state, now, bake, "reads have been on the subcollection"),
            _no_drift(state, now, bake),
            _validation(state, now, max_age),
            _participants(absent),
        ]
    bake = limits.cleanup_bake
    return [
        _in_stage(state, CompletionStage.DUAL_WRITE_STOPPED),
        *always,
        _baked(state, now, bake, "dual-write has been stopped"),
        _no_drift(state, now, bake),
        _participants(absent),
    ]


def _in_stage(state: MigrationState, *wanted: CompletionStage) -> Gate:
    if state.stage in wanted:
        return Gate("stage", None, "", forcible=False)
    here = ORDER.index(CompletionStage(state.stage))
    missing = f"the stage is {state.stage}, not {' or '.join(wanted)}"
    if here > ORDER.index(wanted[-1]):
        provide = f"The step was already taken. To go back: {COMMAND} --rollback"
    else:
        provide = f"First: {COMMAND} {next_action(state)}"
        if state.last_validation is not None and not state.last_validation.consistent:
            provide = f"Repair what the validation found ({COMMAND} --repair --dry-run), then validate again."
    return Gate("stage", missing, provide, forcible=False)


def _no_pause(state: MigrationState) -> Gate:
    pause = state.paused
    missing = None if pause is None else f"{pause.who} paused the migration{f' ({pause.why})' if pause.why else ''}"
    return Gate("pause", missing, f"To continue: {COMMAND} --resume", forcible=False)


def _nothing_pending(state: MigrationState) -> Gate:
    missing = None if state.pending is None else f"the {state.pending} is not finished"
    return Gate("pending", missing, f"Finish it: {COMMAND} --{state.pending}", forcible=False)


def _settled(state: MigrationState, now: datetime) -> Gate:
    left = 0.0 if state.settle_until is None else (state.settle_until - now).total_seconds()
    if left <= 0:
        return Gate("settled", None, "", forcible=False)
    wait = format_duration(left)
    missing = f"some writers may not know of the last step for another {wait}"
    return Gate("settled", missing, f"Wait {wait}, then run the same command again.", forcible=False)


def _validation(state: MigrationState, now: datetime, max_age: float) -> Gate:
    found = state.last_validation
    provide = f"{COMMAND} --validate"
    if found is None or found.stage not in {state.stage, CompletionStage.BACKFILLED}:
        return Gate("validation", f"no full validation was made in stage {state.stage}", provide)
    if not found.consistent:
        return Gate("validation", f"the last validation found {found.findings} inconsistencies", f"{COMMAND} --repair")
    age = (now - found.at).total_seconds()
    if age > max_age:
        old = f"the last validation is {format_duration(age)} old; at most {format_duration(max_age)} is allowed"
        return Gate("validation", old, provide)
    return Gate("validation", None, provide)


def _active(report: ValidationReport) -> Gate:
    count = len(report.findings)
    missing = f"batches in progress have {count} inconsistencies" if count else None
    return Gate("active", missing, f"List them: {COMMAND} --validate")


def _participants(absent: Sequence[Absent]) -> Gate:
    if not absent:
        return Gate("participants", None, "")
    missing = "; ".join(f"{service.service} {service.why}" for service in absent)
    remedy = absent[0].remedy
    names = ", ".join(service.service for service in absent if service.remedy == remedy)
    provide = f"{names}: {remedy}. If nothing there records completions any more: --force completions"
    return Gate("participants", missing, provide)


def _baked(state: MigrationState, now: datetime, bake: float, what: str) -> Gate:
    since = 0.0 if state.changed_at is None else (now - state.changed_at).total_seconds()
    if since >= bake:
        return Gate("bake", None, "")
    missing = f"{what} for only {format_duration(since)} of {format_duration(bake)}"
    wait = format_duration(bake - since)
    return Gate("bake", missing, f"Wait {wait}; watch: {COMMAND} --validate --watch")


def _no_drift(state: MigrationState, now: datetime, bake: float) -> Gate:
    seen = state.drift_at
    if seen is None or state.changed_at is None or seen < state.changed_at or (now - seen).total_seconds() >= bake:
        return Gate("drift", None, "")
    ago = format_duration((now - seen).total_seconds())
    wait = format_duration(bake - (now - seen).total_seconds())
    provide = f"Wait {wait}; watch: {COMMAND} --validate --watch"
    return Gate("drift", f"an inconsistency was seen {ago} ago", provide)
