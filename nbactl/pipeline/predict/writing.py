"""Predictions into nba_predictions.player_prop_predictions: a staging table for each write, and one MERGE."""

from __future__ import annotations

import re
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.errors import ContentionError, DataError, NotFoundError
from nbactl.ports.warehouse import Rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from nbactl.pipeline.predict.model import PlayerInputs, Prediction
    from nbactl.ports.warehouse import TableSchema, Warehouse

TABLE: Final = "nba_predictions.player_prop_predictions"
_STAGING: Final = "nba_predictions.staging_"
_KEYS: Final = ("player_lookup", "stat", "system_id")
"""What identifies a row of a date."""
_TYPES: Final[Mapping[str, str]] = {
    "game_date": "DATE",
    "game_id": "STRING",
    "player_lookup": "STRING",
    "stat": "STRING",
    "system_id": "STRING",
    "predicted_value": "FLOAT64",
    "low": "FLOAT64",
    "high": "FLOAT64",
    "confidence": "FLOAT64",
    "is_partial": "BOOL",
    "batch_id": "STRING",
}
_COLUMNS: Final = tuple(_TYPES)
_VALUES: Final = tuple(name for name in _COLUMNS if name not in (*_KEYS, "game_date"))
# What is written again as it is there keeps its time, so that nothing that rests on it counts as changed. The constant
# date in the condition lets BigQuery read one partition:
# https://cloud.google.com/bigquery/docs/using-dml-with-partitioned-tables#pruning_partitions_when_using_a_merge_statement
MERGE: Final = f"""
MERGE INTO {TABLE} AS there USING {{staging}} AS given
ON there.game_date = @game_date AND {" AND ".join(f"there.{name} = given.{name}" for name in _KEYS)}
WHEN MATCHED AND ({" OR ".join(f"there.{name} IS DISTINCT FROM given.{name}" for name in _VALUES)})
  THEN UPDATE SET {", ".join(f"{name} = given.{name}" for name in _VALUES)}, created_at = CURRENT_TIMESTAMP()
WHEN NOT MATCHED
  THEN INSERT ({", ".join(_COLUMNS)}, created_at)
  VALUES ({", ".join(f"given.{name}" for name in _COLUMNS)}, CURRENT_TIMESTAMP())
"""  # noqa: S608 - names of this module
COUNT: Final = f"SELECT COUNT(*) FROM {TABLE} WHERE game_date = @game_date AND batch_id = @batch_id"  # noqa: S608


def prediction_rows(inputs: PlayerInputs, predictions: Iterable[Prediction], *, partial: bool) -> list[dict[str, Any]]:
    """Return the rows of a player's predictions as JSON, with the columns of the table but batch_id and created_at."""
    return [
        {
            "game_date": inputs.game_date.isoformat(),
            "game_id": inputs.game_id,
            "player_lookup": inputs.player_lookup,
            "stat": prediction.stat,
            "system_id": prediction.system_id,
            "predicted_value": prediction.predicted_value,
            "low": prediction.low,
            "high": prediction.high,
            "confidence": prediction.confidence,
            "is_partial": partial,
        }
        for prediction in predictions
    ]


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
    with further rows of the same batch; writes at the same time do not mix, and one of the same batch may fail with
    ContentionError. `timeout` is the limit of each statement. Raises DataError for rows that do not fit, NotFoundError
    without the table, and what else the warehouse raises.
    """
    values = _checked(game_date, rows, batch_id)
    if values:
        with _staged(warehouse, batch_id, timeout) as staging:
            warehouse.load(staging, Rows(_COLUMNS, values), timeout=timeout, labels=labels)
            reach("predictions.staged")
            statement = MERGE.format(staging=staging)
            warehouse.run_dml([statement], {"game_date": game_date}, timeout=timeout, labels=labels)
        reach("predictions.merged")
    asked = {"game_date": game_date, "batch_id": batch_id}
    count = warehouse.query(COUNT, asked, timeout=timeout, labels=labels, cache=False).scalar()
    return int(count)


def check_predictions_table(warehouse: Warehouse, declared: TableSchema) -> None:
    """Raise DataError that names the columns which the table lacks; NotFoundError if there is no table.

    `declared` is what tables.yaml declares: `resources.schema_of(TABLE)`.
    """
    there = {column.name: column.type for column in warehouse.table(declared.name).schema.columns}
    lacking = [column.name for column in declared.columns if there.get(column.name) != column.type]
    if lacking:
        raise DataError(
            f"{declared.name} cannot take predictions: {', '.join(lacking)}",
            cause="These columns are missing, or of another type than tables.yaml declares.",
            next_step=f"Add them before the night: ALTER TABLE {declared.name} ADD COLUMN …",
            details={"table": declared.name, "columns": lacking},
        )


@contextmanager
def _staged(warehouse: Warehouse, batch_id: str, timeout: float) -> Iterator[str]:
    """Make an empty staging table. In the end those of the batch are dropped, also what a killed process left.

    On BigQuery they expire after a day besides.
    """
    of_batch = f"{_STAGING}{re.sub(r'[^A-Za-z0-9]', '_', batch_id)}_x"
    staging = f"{of_batch}{secrets.token_hex(6)}"
    columns = ", ".join(f"{name} {kind} NOT NULL" for name, kind in _TYPES.items())
    life = "OPTIONS(expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY))"
    warehouse.apply_ddl([f"CREATE TABLE {staging} ({columns}) {life}"], timeout=timeout)
    try:
        yield staging
    except NotFoundError as error:
        if staging not in warehouse.list_tables(staging.partition(".")[0]):
            raise ContentionError(
                f"another process wrote the predictions of {batch_id} at the same time",
                cause=f"It dropped {staging}, which this process was about to read.",
            ) from error
        raise
    finally:
        left = [name for name in warehouse.list_tables(staging.partition(".")[0]) if name.startswith(of_batch)]
        warehouse.apply_ddl([f"DROP TABLE IF EXISTS {name}" for name in left], timeout=timeout)


def _checked(game_date: date, rows: Sequence[Mapping[str, Any]], batch_id: str) -> list[tuple[Any, ...]]:
    """Return the rows as values of _COLUMNS. Raises DataError for one of another date, and for one that is twice."""
    names = [name for name in _COLUMNS if name != "batch_id"]
    seen = set()
    values = []
    for row in rows:
        if lacking := [name for name in names if name not in row]:
            raise DataError(f"a prediction has no {lacking[0]}", details={"batch_id": batch_id})
        if row["game_date"] != game_date.isoformat():
            raise DataError(f"a prediction is for {row['game_date']}, its batch {batch_id} for {game_date}")
        key = tuple(row[name] for name in _KEYS)
        if key in seen:
            raise DataError(f"batch {batch_id} has two predictions of {' '.join(map(str, key))}")
        seen.add(key)
        values.append((game_date, *(row[name] for name in names[1:]), batch_id))
    return values
