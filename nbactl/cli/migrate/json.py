"""The completions migration as JSON: the `data` of each action."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nbactl.core.completions.stages import CompletionStage
from nbactl.migrations.completions.gates import next_action
from nbactl.migrations.completions.plan import Cost

if TYPE_CHECKING:
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
    from nbactl.migrations.completions.validate import ValidationReport
    from nbactl.migrations.model import MigrationState
    from nbactl.migrations.work import ProgressEvent


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


def status_json(status: MigrationStatus) -> dict[str, Any]:
    """Return the state with the gates of the next step (`missing` is null if one holds) and the lease's holder."""
    gates = [
        {
            "gate": gate.name,
            "holds": gate.missing is None,
            "missing": gate.missing,
            "provide": gate.provide,
            "forcible": gate.forcible,
        }
        for gate in status.gates
    ]
    return {**state_json(status.state), "gates": gates, "holder": status.lease and status.lease.owner}


def stage_json(result: StageResult) -> dict[str, Any]:
    """Return the state, or what a dry run would do."""
    if not result.dry_run:
        return state_json(result.state)
    return {**_head(result.state), "dry_run": True, "would": result.message, "forced": list(result.forced)}


def plan_json(result: PlanResult) -> dict[str, Any]:
    """Return a plan."""
    plan, costs = result.plan, result.plan.costs()
    costs["total"] = sum(costs.values(), Cost(0, 0))
    return {
        **_head(result.state),
        "scope": plan.scope,
        "batches": plan.batches,
        "active_batches": plan.active,
        "players_in_arrays": plan.players,
        "documents": plan.documents,
        "to_create": plan.to_create,
        "largest_array": plan.largest,
        "operations": {
            name: {"reads": cost.reads, "writes": cost.writes, "usd": round(cost.dollars, 4)}
            for name, cost in costs.items()
        },
        "rate": plan.rate,
        "backfill_seconds": round(plan.seconds(), 1),
        "risks": [asdict(risk) for risk in plan.risks],
        "risk_counts": dict(Counter(risk.severity for risk in plan.risks)),
    }


def report_json(report: ValidationReport) -> dict[str, Any]:
    """Return a validation. `complete`: every batch was compared, as a gate requires."""
    validation = report.validation
    return {
        "migration": "completions",
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


def backfill_json(result: BackfillResult) -> dict[str, Any]:
    """Return what a backfill did."""
    report = result.report
    return {
        **_head(result.state),
        "scope": report.scope,
        **asdict(report.counts),
        "refused": [{"path": refused.path, "error": str(refused.error)} for refused in report.refused],
        "unreadable": [asdict(problem) for problem in report.unreadable],
    }


def repair_json(outcome: RepairOutcome) -> dict[str, Any]:
    """Return a repair: what was planned, and what was done of it."""
    return {
        **_head(outcome.state),
        "dry_run": outcome.dry_run,
        "planned": [asdict(step) for step in outcome.plan.steps],
        "repaired": [asdict(step) for step in outcome.result.steps] if outcome.result else [],
        "busy": outcome.result.busy if outcome.result else [],
        "by_hand": outcome.plan.by_hand,
        "saved_in": outcome.export,
    }


def cleanup_json(result: CleanupResult) -> dict[str, Any]:
    """Return what a clean-up removed, and where it is saved."""
    cleaned = result.cleaned
    return {
        **_head(result.state),
        "removed": cleaned.batches,
        "export": {"file": cleaned.export, "batches": cleaned.exported, "sha256": cleaned.sha256},
    }


def restore_json(result: RestoreResult) -> dict[str, Any]:
    """Return what the undo of a clean-up restored."""
    return {**state_json(result.state), **asdict(result.restored)}


def rollback_json(result: RollbackResult) -> dict[str, Any]:
    """Return a rollback."""
    rolled_back = result.rolled_back
    return {
        **state_json(result.state),
        "from": rolled_back.before,
        "to": rolled_back.after,
        "put_back": {"batches": rolled_back.put_back.batches, "players": rolled_back.put_back.players},
    }


def event_json(event: ProgressEvent, migration: str = "completions") -> dict[str, Any]:
    """Return a progress event."""
    return {
        "event": "progress",
        "migration": migration,
        "action": event.action,
        "phase": event.phase,
        "done": event.done,
        "total": event.total,
        "elapsed_s": round(event.elapsed, 3),
        "eta_s": None if event.eta is None else round(event.eta, 1),
        "paused_by": event.paused and event.paused.who,
        **event.counts,
    }


def _head(state: MigrationState) -> dict[str, Any]:
    return {"migration": state.name, "stage": state.stage}
