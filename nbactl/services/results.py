"""What a service answers about the tasks that it ran, in the shape of production's services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.workflows.model import NO_GAMES, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbactl.workflows.model import RunRecord, TaskRecord


def results_of(
    runs: Iterable[RunRecord], names: Mapping[str, str], unknown: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return `{status, results: [{processor, date, status, rows, error, execution_id}]}`.

    `names` are the tasks that were asked for, each with the name that the caller used; `unknown` are names that could
    not be used, each with the reason. The answer's code is 200 although a processor failed.
    """
    results = [_result(run, task, names[task.name]) for run in runs for task in run.tasks if task.name in names]
    results += [
        {"processor": name, "status": "failed", "rows": None, "error": reason}
        for name, reason in (unknown or {}).items()
    ]
    failed = [result for result in results if result["status"] == "failed"]
    status = "success" if not failed else "failed" if len(failed) == len(results) else "partial"
    return {"status": status, "results": results}


def _result(run: RunRecord, task: TaskRecord, name: str) -> dict[str, Any]:
    status, error = "failed", None
    if task.status is TaskStatus.NO_DATA or task.reason == NO_GAMES:
        status = "no_data"
    elif task.status is TaskStatus.SUCCEEDED:
        status = "partial" if task.incomplete else "success"
    else:
        error = str(task.error["message"]) if task.error else task.reason or task.status.value.replace("_", " ")
    return {
        "processor": name,
        "date": str(run.game_date),
        "status": status,
        "rows": task.rows,
        "error": error,
        "execution_id": task.carried_from or run.run_id,
    }
