"""The processor of phase 5 in one process: predict every player of a date."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import DataError
from nbactl.pipeline.predict.history import load_inputs
from nbactl.pipeline.predict.model import predict
from nbactl.pipeline.predict.writing import TABLE, merge_predictions, prediction_rows
from nbactl.pipeline.transform import why_empty
from nbactl.pipeline.versions import versions_before, written
from nbactl.ports.compute import TaskOutcome

if TYPE_CHECKING:
    from nbactl.pipeline.processor import ProcessorResources
    from nbactl.ports.compute import TaskContext

_FEATURES: Final = "nba_precompute.ml_feature_store"


def players(resources: ProcessorResources, context: TaskContext) -> TaskOutcome:
    """Predict the players that the feature store has on the date, and write the predictions in place of earlier ones.

    Players without history get none; they are counted and named. The batch has the same id each time, so that doing it
    again without a change changes nothing.
    """
    call = context.call
    resources.ensure_tables(TABLE)
    versions = versions_before(resources, context)
    inputs = load_inputs(resources, call.game_date, labels=call.labels)
    detail: dict[str, Any] = {}
    if not inputs:
        detail["reason"] = why_empty(resources, _FEATURES, call.game_date, task=call.task, labels=call.labels)
    rows: list[dict[str, Any]] = []
    without: list[str] = []
    for player, known in inputs.items():
        try:
            rows += prediction_rows(known, predict(known, partial=False), partial=False)
        except DataError:
            without.append(player)
    if without:
        detail["without_history"] = without[:20]
        detail["notes"] = [f"no prediction of {len(without)} of {len(inputs)} players, who have no game in a year"]
        detail.setdefault("reason", f"none of the {len(inputs)} players expected on {call.game_date} has played before")
    count = 0

    def commit() -> None:
        nonlocal count
        count = merge_predictions(
            resources.warehouse(),
            call.game_date,
            rows,
            batch_id=f"batch_{call.game_date}_{call.run_name}",
            timeout=resources.timeouts["warehouse.query_large"],
            labels=call.labels,
        )

    context.fence.guard(commit)
    return TaskOutcome(count, detail, replace(versions, writes=written(resources, context)))
