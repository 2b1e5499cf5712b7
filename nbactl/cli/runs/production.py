"""The runs that production's programs logged, in the form of runs of the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from nbactl.cli.run.json import PRODUCTION
from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.phases.logs import logged_runs
from nbactl.core.phases.names import normalise
from nbactl.workflows.model import RunRecord, RunStatus, TaskRecord, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from nbactl.bootstrap import Container
    from nbactl.core.phases.logs import LoggedRun

Origin = Literal["nbactl", "production", "all"]
ORIGINS: Final[tuple[Origin, ...]] = ("nbactl", "production", "all")
UNKNOWN: Final = "unknown"
DAYS: Final = 7
"""Of how many days, today included, production's runs are read where no date is given."""
_LOOKED_UP: Final = 30
"""Within how many days a run of production is found by its id."""
_STATES: Final[Mapping[RunStatus, Collection[str]]] = {
    RunStatus.SUCCEEDED: ("success", "succeeded", "successful", "complete", "completed", "done", "ok"),
    RunStatus.PARTIAL: ("partial", "partial_success"),
    RunStatus.FAILED: ("failed", "failure", "error", "timeout", "timed_out"),
    RunStatus.CANCELLED: ("cancelled", "canceled", "aborted"),
    RunStatus.SKIPPED: ("skipped", "no_data", "skip"),
    RunStatus.RUNNING: ("running", "started", "in_progress", "pending"),
}
_TASKS: Final = {RunStatus.PARTIAL: TaskStatus.SUCCEEDED}


def production_runs(
    app: Container, first: GameDate | None = None, last: GameDate | None = None
) -> tuple[list[tuple[RunRecord, str]], list[str]]:  # fmt: skip
    """Return the runs of production from `first` to `last`, newest first, with their states, and warnings.

    By default those of the last seven days and of tomorrow.
    """
    today = GameDate.of(app.clock.now())
    first = first or today.plus(1 - DAYS)
    limit = app.config.timeouts["status.history"]
    with deadline_scope(limit, app.clock):
        found, warnings = logged_runs(app.warehouse, first, last or today.plus(1), timeout=limit)
    return [_record(run, app.settings.target) for run in found], warnings


def find_production_run(app: Container, run_id: str) -> tuple[RunRecord, str] | None:
    """Return the run of production with an id, of the last thirty days, None if there is none."""
    first = GameDate.of(app.clock.now()).plus(1 - _LOOKED_UP)
    found, _ = production_runs(app, first)
    return next((run for run in found if run[0].run_id == run_id), None)


def has_name(run: RunRecord, name: str) -> bool:
    """Say whether a run is of this name, under any spelling of processors."""
    return normalise(run.name, (name,)) is not None


def _record(run: LoggedRun, target: str) -> tuple[RunRecord, str]:
    folded = run.status.strip().lower()
    status = next((status for status, words in _STATES.items() if folded in words), None)
    task = TaskRecord(
        name=run.name,
        required=True,
        status=TaskStatus.PENDING if status is None else _TASKS.get(status) or TaskStatus(status.value),
        attempts=1,
        started_at=run.started_at,
        finished_at=run.finished_at,
        rows=run.rows,
        error={"type": run.status, "message": run.error, "traceback": None} if run.error else None,
    )
    record = RunRecord(
        run_id=run.run_id,
        name=run.name,
        kind=run.kind,
        game_date=run.game_date,
        source=PRODUCTION,
        target=target,
        status=status or RunStatus.RUNNING,
        started_at=run.started_at,
        finished_at=run.finished_at,
        correlation_id=run.correlation_id or "",
        owner=run.trigger_source or UNKNOWN,
        resumed_from=None,
        group=None,
        tasks=(task,),
        reason=f"logged as {run.status!r} in {run.table}",
    )
    return record, UNKNOWN if status is None else status.value
