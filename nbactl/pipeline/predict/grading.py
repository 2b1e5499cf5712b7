"""The predictions of a date against what happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import PreconditionError
from nbactl.frozen import frozen
from nbactl.pipeline.predict.writing import TABLE
from nbactl.pipeline.versions import versions_before, written
from nbactl.ports.compute import TaskOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from nbactl.pipeline.processor import ProcessorResources
    from nbactl.ports.compute import TaskContext

ACCURACY: Final = "nba_predictions.prediction_accuracy"
_GAMES: Final = "nba_raw.games"
_BOXES: Final = "nba_raw.player_boxscores"
_KEYS: Final = ("player_lookup", "stat", "system_id")
_PREDICTED: Final = ("game_id", "predicted_value", "low", "high", "confidence", "is_partial", "batch_id")
_FOUND: Final = ("actual_value", "absolute_error", "signed_error", "in_interval")
_COLUMNS: Final = ("game_date", *_KEYS, *_PREDICTED, *_FOUND)
_VALUES: Final = (*_PREDICTED, *_FOUND)
_RESULTS: Final = f"""
  SELECT
    predicted.*,
    CASE predicted.stat
      WHEN 'points' THEN box.points WHEN 'rebounds' THEN box.rebounds WHEN 'assists' THEN box.assists
    END AS actual_value
  FROM {TABLE} AS predicted
  JOIN {_BOXES} AS box ON box.player_lookup = predicted.player_lookup AND box.game_date = @day
  JOIN {_GAMES} AS game ON game.game_id = box.game_id AND game.game_date = @day
  WHERE predicted.game_date = @day AND game.game_status = 'final'
    AND predicted.stat IN ('points', 'rebounds', 'assists')
"""  # noqa: S608 - names of this package
MERGE: Final = f"""
MERGE INTO {ACCURACY} AS there USING (
  SELECT
    game_date, {", ".join(_KEYS)}, {", ".join(_PREDICTED)}, actual_value,
    ROUND(ABS(actual_value - predicted_value), 2) AS absolute_error,
    ROUND(actual_value - predicted_value, 2) AS signed_error,
    actual_value BETWEEN low AND high AS in_interval
  FROM ({_RESULTS})
) AS given
ON there.game_date = @day AND {" AND ".join(f"there.{name} = given.{name}" for name in _KEYS)}
WHEN MATCHED AND ({" OR ".join(f"there.{name} <> given.{name}" for name in _VALUES)})
  THEN UPDATE SET {", ".join(f"{name} = given.{name}" for name in _VALUES)}, graded_at = CURRENT_TIMESTAMP()
WHEN NOT MATCHED
  THEN INSERT ({", ".join(_COLUMNS)}, graded_at)
  VALUES ({", ".join(f"given.{name}" for name in _COLUMNS)}, CURRENT_TIMESTAMP())
"""  # noqa: S608
# A player did not play if the game has player rows and none of his, or if it was not played.
COUNT: Final = f"""
SELECT
  COUNT(*) AS predictions,
  (SELECT COUNT(*) FROM {ACCURACY} WHERE game_date = @day) AS graded,
  COUNT(DISTINCT IF(box.player_lookup IS NULL AND game.done, predicted.player_lookup, NULL)) AS did_not_play,
  COUNT(DISTINCT IF(box.player_lookup IS NULL AND NOT COALESCE(game.done, FALSE), predicted.player_lookup, NULL))
    AS waiting
FROM {TABLE} AS predicted
LEFT JOIN (
  SELECT
    game.game_id,
    LOGICAL_OR(game.game_status IN ('postponed', 'cancelled', 'forfeited')
      OR (game.game_status = 'final' AND box.player_lookup IS NOT NULL)) AS done
  FROM {_GAMES} AS game
  LEFT JOIN {_BOXES} AS box ON box.game_id = game.game_id AND box.game_date = @day
  WHERE game.game_date = @day
  GROUP BY game.game_id
) AS game ON game.game_id = predicted.game_id
LEFT JOIN (
  SELECT box.player_lookup
  FROM {_BOXES} AS box
  JOIN {_GAMES} AS game ON game.game_id = box.game_id AND game.game_date = @day
  WHERE box.game_date = @day AND game.game_status = 'final'
) AS box ON box.player_lookup = predicted.player_lookup
WHERE predicted.game_date = @day
"""  # noqa: S608


@frozen
class Grades:
    """What became of the predictions of a day.

    `predictions` are those of the day, `graded` the rows of prediction_accuracy, counted there. `did_not_play` and
    `waiting` count players: those who did not play, and those whose game has no result yet.
    """

    day: date
    predictions: int
    graded: int
    did_not_play: int
    waiting: int


def grade(resources: ProcessorResources, game_date: date, *, labels: Mapping[str, str] | None = None) -> Grades:
    """Grade the predictions of the day before `game_date`.

    A player who did not play is not graded. Grading again replaces the grades of the same keys and removes none.
    """
    day = game_date - timedelta(days=1)
    resources.ensure_tables(TABLE, ACCURACY, _GAMES, _BOXES)
    warehouse, parameters = resources.warehouse(), {"day": day}
    warehouse.run_dml([MERGE], parameters, timeout=resources.timeouts["warehouse.query_large"], labels=labels)
    asked = warehouse.query(
        COUNT, parameters, timeout=resources.timeouts["warehouse.query"], labels=labels, cache=False
    )
    return Grades(day, *asked.rows[0])


def grade_day_before(resources: ProcessorResources, context: TaskContext) -> TaskOutcome:
    """Grade the predictions of the day before the date; none are right only where nobody was predicted, or played."""
    call = context.call
    resources.ensure_tables(ACCURACY)
    versions = versions_before(resources, context)
    found: list[Grades] = []
    context.fence.guard(lambda: found.append(grade(resources, call.game_date, labels=call.labels)))
    (grades,) = found
    detail: dict[str, Any] = {"graded": str(grades.day), "did_not_play": grades.did_not_play}
    if grades.waiting and not grades.graded:
        raise PreconditionError(
            f"no prediction of {grades.day} can be graded",
            cause=f"The warehouse has no results of the games of {grades.waiting} players.",
            next_step=f"Load them: {resources.raw.rerun('phase2', grades.day, '--upstream', 'run', '--force')}",
        )
    if grades.waiting:
        detail["warnings"] = [f"{grades.waiting} players of {grades.day} are not graded: no result of their game"]
    if not grades.predictions:
        detail["reason"] = f"there are no predictions of {grades.day}"
    elif not grades.graded:
        detail["reason"] = f"none of the predicted players of {grades.day} played"
    return TaskOutcome(grades.graded, detail, replace(versions, writes=written(resources, context)))
