"""A migration as a program reads it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nbactl.core.completions.stages import CompletionStage
from nbactl.migrations.completions.gates import next_action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.core.lease.leases import Lease
    from nbactl.migrations.completions.backfill import BackfillReport
    from nbactl.migrations.completions.repair import Mended, RepairPlan
    from nbactl.migrations.completions.validate import Report
    from nbactl.migrations.gates import Gate
    from nbactl.migrations.model import MigrationState
    from nbactl.migrations.progress import ProgressEvent


def state_json(state: MigrationState) -> dict[str, Any]:
    """Return a migration's state; `next` is the option that takes the next step, null at the end."""
    return {
        "migration": state.name,
        "stage": state.stage,
        "stages": [stage.value for stage in CompletionStage],
        "project": state.project,
        "changed_at": state.changed_at,
        "settle_until": state.settle_until,
        "paused": state.paused and asdict(state.paused),
        "pending": state.pending,
        "last_validation": state.last_validation and asdict(state.last_validation),
        "drift_at": state.drift_at,
        "checkpoint": state.checkpoint and asdict(state.checkpoint),
        "next": next_action(state),
        "history": [
            {
                "at": change.at,
                "who": change.who,
                "why": change.why,
                "from": change.before,
                "to": change.after,
                "forced": list(change.forced),
            }
            for change in state.history
        ],
    }


def status_json(state: MigrationState, gates: Sequence[Gate], lease: Lease | None) -> dict[str, Any]:
    """Return the state with the gates of the next step, and who is at work."""
    return {**state_json(state), "gates": [gate_json(gate) for gate in gates], "holder": lease and lease.owner}


def gate_json(gate: Gate) -> dict[str, Any]:
    """Return a gate; `missing` is null if it holds."""
    return {
        "gate": gate.name,
        "holds": gate.missing is None,
        "missing": gate.missing,
        "provide": gate.provide,
        "forcible": gate.forcible,
    }


def report_json(name: str, report: Report) -> dict[str, Any]:
    """Return a validation. `complete`: everything was compared, so that a gate may stand on it."""
    validation = report.validation
    return {
        "migration": name,
        "stage": report.stage.value,
        "consistent": report.consistent,
        "complete": report.complete,
        "scope": str(report.selection),
        "checked": {"batches": validation.batches, "completions": validation.completions},
        **report.findings.as_json(),
        "digest": validation.digest,
        "started_at": validation.at,
        "finished_at": validation.finished_at,
    }


def backfill_json(state: MigrationState, report: BackfillReport) -> dict[str, Any]:
    """Return what a backfill did."""
    return {
        "migration": state.name,
        "stage": state.stage,
        "scope": report.scope,
        **asdict(report.counts),
        "refused": [{"path": each.path, "error": str(each.error)} for each in report.refused],
        "unreadable": [asdict(each) for each in report.unreadable],
    }


def repair_json(
    state: MigrationState, plan: RepairPlan, done: Mended | None, export: str | None, *, dry_run: bool
) -> dict[str, Any]:
    """Return a repair: what was planned, and what was done of it."""
    return {
        "migration": state.name,
        "stage": state.stage,
        "dry_run": dry_run,
        "planned": [asdict(step) for step in plan.steps],
        "repaired": [asdict(step) for step in done.steps] if done else [],
        "busy": done.busy if done else [],
        "by_hand": plan.by_hand,
        "saved_in": export,
    }


def event_json(name: str, event: ProgressEvent) -> dict[str, Any]:
    """Return a progress event."""
    return {
        "event": "progress",
        "migration": name,
        "action": event.action,
        "phase": event.phase,
        "done": event.done,
        "total": event.total,
        "elapsed_s": round(event.elapsed, 3),
        "eta_s": None if event.eta is None else round(event.eta, 1),
        "paused_by": event.paused and event.paused.who,
        **event.counts,
    }
