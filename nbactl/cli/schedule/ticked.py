"""The outcome of a tick as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.cli.schedule.view import decided_json, decision_table
from nbactl.cli.show.render import View
from nbactl.errors import CheckFailedError, InterruptedRunError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.show.console import Console
    from nbactl.core.outbox.outbox import Swept
    from nbactl.core.phases.sweeping import PhaseSweep
    from nbactl.core.retention.retention import Pruned
    from nbactl.errors import NbactlError
    from nbactl.reporting.rules import AlertRound
    from nbactl.rollouts.tick import RolloutStep
    from nbactl.schedule.controller import Decided
    from nbactl.schedule.tick import QuotaCheck, StepResult, TickResult
    from nbactl.warehouse.buffer import Flushed


@frozen
class _Results:
    """The results of the steps. Those that were not taken, or failed as a whole, are None or empty."""

    rollouts: Sequence[RolloutStep]
    workflows: Sequence[Decided]
    outbox: Swept | None
    quotas: QuotaCheck | None
    phases: PhaseSweep | None
    rows: Flushed | None
    pruned: Sequence[Pruned]
    alerts: AlertRound | None


def ticked(done: TickResult, stopped: str | None = None) -> View:
    """Show what was decided and published, with the exit code of the worst of it.

    `stopped` is the signal that stopped the tick.
    """
    results = _Results(
        rollouts=done.value("rollouts") or (),
        workflows=done.value("workflows") or (),
        outbox=done.value("outbox"),
        quotas=done.value("quotas"),
        phases=done.value("phases"),
        rows=done.value("rows"),
        pruned=done.value("retention") or (),
        alerts=done.value("alerts"),
    )

    def show(console: Console) -> None:
        _show_decisions(console, results, done)
        if done.dry_run:
            console.note("This was a dry run: nothing was changed.")
            return
        _show_sweeps(console, results)
        for step in done.steps:
            if step.value is None and step.errors:
                console.note(f"The step {step.name} failed: {step.errors[0].message}")

    error = _aborted(results.rollouts) or done.error or _cut_short(results, stopped)
    unseen = None if results.quotas is None else results.quotas.error
    return View(
        {"at": done.at, "steps": [_step_json(step) for step in done.steps], **_results_json(results)},
        show,
        items="decisions",
        exit_code=_exit_code(results.workflows, error, stopped),
        error=error,
        touched=_touched(results, dry_run=done.dry_run),
        warnings=() if unseen is None else (f"quotas of BigQuery were not looked at: {unseen.message}",),
    )


def _show_decisions(console: Console, results: _Results, done: TickResult) -> None:
    if results.rollouts:
        console.table(
            ["flag", "decision", "stage", "reason"],
            [
                (one.rollout.key, one.decision.action.value, f"{one.rollout.percent:g} %", one.decision.why)
                for one in results.rollouts
            ],
        )
    elif done.value("rollouts") is not None:
        console.note("No rollout is in progress.")
    news = [one for one in results.workflows if _is_begun(one) or done.dry_run]
    if news:
        decision_table(console, news)
    elif done.value("workflows") is not None:
        console.note("Nothing new about workflows. See what comes: nbactl schedule due")


def _show_sweeps(console: Console, results: _Results) -> None:
    phases, swept, quotas, flushed = results.phases, results.outbox, results.quotas, results.rows
    for step in () if phases is None else phases.steps:
        console.note(f"Hand-off of {step.phase}, {step.game_date}: {step.what}")
    if swept is not None and swept.published:
        console.note(f"Published from the outbox: {', '.join(swept.published)}")
    if quotas is not None and quotas.near:
        console.note(f"Near a limit of BigQuery: {', '.join(quotas.near)}. Look: nbactl bq quotas")
    for path, failure in {} if phases is None else phases.failed.items():
        console.note(f"Hand-off not looked into: {path}: {failure.message}")
    for key, failure in {} if swept is None else swept.failed.items():
        console.note(f"Not published, kept in the outbox: {key}: {failure.message}")
    if flushed is not None:
        _show_rows(console, flushed)
    for name, count in _removed(results.pruned).items():
        console.note(f"Removed, because it is kept no longer: {count} {name}")
    if results.alerts is not None:
        _show_alerts(console, results.alerts)


def _show_alerts(console: Console, judged: AlertRound) -> None:
    if judged.sent:
        console.note(f"Alerts sent: {', '.join(judged.sent)}")
    if judged.resolved:
        console.note(f"Alerts resolved: {', '.join(judged.resolved)}")


def _removed(pruned: Sequence[Pruned]) -> dict[str, int]:
    return {one.kind.replace("_", " "): one.removed for one in pruned if one.removed}


def _results_json(results: _Results) -> dict[str, Any]:
    quotas, swept = results.quotas, results.outbox
    return {
        "decisions": [decision_json(decided) for decided in results.rollouts],
        "workflows": [decided_json(one) for one in results.workflows],
        "quotas": None if quotas is None else {"near": list(quotas.near)},
        "outbox": None
        if swept is None
        else {
            "published": list(swept.published),
            "failed": [
                {"key": key, "code": error.code, "message": error.message} for key, error in swept.failed.items()
            ],
        },
        "phases": None if results.phases is None else _phases_json(results.phases),
        "rows": None if results.rows is None else _rows_json(results.rows),
        "pruned": {one.kind: one.removed for one in results.pruned},
        "alerts": None
        if results.alerts is None
        else {"sent": list(results.alerts.sent), "resolved": list(results.alerts.resolved)},
    }


def _step_json(step: StepResult) -> dict[str, Any]:
    errors = [{"code": error.code, "message": error.message} for error in step.errors]
    return {"name": step.name, "ok": not errors, "seconds": round(step.seconds, 3), "errors": errors}


def _cut_short(results: _Results, stopped: str | None) -> NbactlError | None:
    """Return that workflows which are due were not begun, because the tick was stopped."""
    left = [one.workflow for one in results.workflows if one.action == "RUN" and not _is_begun(one)]
    if stopped is None or not left:
        return None
    next_step = "The next tick runs them: nbactl schedule tick"
    return InterruptedRunError(f"stopped before these were run: {', '.join(left)}", next_step=next_step)


def _is_begun(one: Decided) -> bool:
    return one.recorded or one.taken_up


def _exit_code(workflows: Sequence[Decided], error: NbactlError | None, stopped: str | None) -> int:
    runs = [one.execution.stopped for one in workflows if one.execution is not None and one.execution.stopped]
    if runs or isinstance(error, InterruptedRunError):
        return 143 if "SIGTERM" in (*runs[:1], stopped) else 130
    return 0 if error is None else error.exit_code


def _touched(results: _Results, *, dry_run: bool) -> str | None:
    """Return what a tick changes, or would change."""
    keys = ", ".join(one.rollout.key for one in results.rollouts)
    begun = (one.workflow for one in results.workflows if one.action == "RUN" and (dry_run or _is_begun(one)))
    runs = ", ".join(dict.fromkeys(begun))
    published = () if results.outbox is None else results.outbox.published
    parts = [
        *([f"rollouts {keys}"] if keys else []),
        *([f"workflows {runs}"] if runs else []),
        *([f"outbox messages {', '.join(published)}"] if published else []),
        *(f"{count} old {name}" for name, count in _removed(results.pruned).items()),
    ]
    return ", ".join(parts) or None


def _show_rows(console: Console, flushed: Flushed) -> None:
    for table, count in flushed.loaded.items():
        console.note(f"Loaded into {table}: {count} row{'s' if count != 1 else ''}")
    if flushed.refused:
        console.note(f"Set aside, because their table does not take them: {flushed.refused} rows")
    if flushed.error is not None:
        console.note(f"Rows are not loaded, and kept: {flushed.error.message}")


def _phases_json(swept: PhaseSweep) -> dict[str, Any]:
    return {
        "steps": [{"phase": step.phase, "game_date": str(step.game_date), "what": step.what} for step in swept.steps],
        "failed": [
            {"path": path, "code": error.code, "message": error.message} for path, error in swept.failed.items()
        ],
    }


def _rows_json(flushed: Flushed) -> dict[str, Any]:
    error = None if flushed.error is None else flushed.error.message
    return {"loaded": dict(flushed.loaded), "refused": flushed.refused, "error": error}


def decision_json(decided: RolloutStep) -> dict[str, Any]:
    """Return a decision for programs."""
    from nbactl.cli.flags.rollout.view import verdict_word  # noqa: PLC0415 - only a tick needs it

    return {
        "kind": "rollout",
        "name": decided.rollout.key,
        "action": decided.decision.action.value,
        "reason": decided.decision.why,
        "percent": decided.rollout.percent,
        "done": decided.done,
        "guards": [
            {"guard": judged.guard, "verdict": verdict_word(judged), "why": judged.why} for judged in decided.verdicts
        ],
        "error": None if decided.error is None else decided.error.message,
    }


def _aborted(rollouts: Sequence[RolloutStep]) -> NbactlError | None:
    from nbactl.rollouts.model import RolloutAction  # noqa: PLC0415 - only a tick needs it

    aborted = [decided for decided in rollouts if decided.done and decided.decision.action is RolloutAction.ABORT]
    if not aborted:
        return None
    return CheckFailedError(
        f"aborted and rolled back: {', '.join(decided.rollout.key for decided in aborted)}",
        cause=aborted[0].decision.why,
        next_step=f"Look: nbactl flags rollout status {aborted[0].rollout.key}",
    )
