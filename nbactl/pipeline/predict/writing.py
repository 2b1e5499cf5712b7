"""Predictions into nba_predictions.player_prop_predictions: a staging table for each batch, and one MERGE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from nbactl.pipeline.predict.model import PlayerInputs, Prediction
    from nbactl.ports.warehouse import TableSchema, Warehouse

TABLE: Final = "nba_predictions.player_prop_predictions"


def prediction_rows(inputs: PlayerInputs, predictions: Iterable[Prediction], *, partial: bool) -> list[dict[str, Any]]:
    """Return the rows of a player's predictions as JSON, with the columns of the table but batch_id and created_at."""
    raise NotImplementedError


def merge_predictions(
    warehouse: Warehouse,
    game_date: date,
    rows: Sequence[Mapping[str, Any]],
    *,
    batch_id: str,
    timeout: float,
    labels: Mapping[str, str] | None = None,
) -> int:
    """Write the rows of a batch in place of earlier ones of the same player, statistic and system; others stay.

    Returns how many rows of the batch the table has then, counted in the table. It may be repeated, and called again
    with further rows of the same batch. Batches that run at the same time do not mix.
    Raises DataError for rows that do not fit, and what the warehouse raises.
    """
    raise NotImplementedError


def check_predictions_table(warehouse: Warehouse, declared: TableSchema) -> None:
    """Raise DataError that names the columns which the table lacks; NotFoundError if there is no table.

    `declared` is what tables.yaml declares: `resources.schema_of(TABLE)`.
    """
    raise NotImplementedError
