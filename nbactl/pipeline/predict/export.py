"""The day's predictions as a file for the site: `{game_date, players: [{player_lookup, …, predictions: {points: …}}]}`.

A file appears whole or not at all. What a new export does not have stays as it is in the file.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.errors import DataError, PreconditionError, UnavailableError
from nbactl.pipeline.predict.model import SYSTEM
from nbactl.pipeline.predict.writing import TABLE
from nbactl.pipeline.versions import versions_before, written
from nbactl.ports.compute import TaskOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    from nbactl.pipeline.processor import ProcessorResources
    from nbactl.ports.compute import TaskContext

_CONTEXTS: Final = "nba_analytics.upcoming_player_game_context"
_FEATURES: Final = "nba_precompute.ml_feature_store"
READ: Final = f"""
SELECT
  predicted.player_lookup, context.player_name, context.team_abbr, context.opponent_team_abbr, predicted.game_id,
  predicted.stat, predicted.predicted_value, predicted.low, predicted.high, predicted.confidence, predicted.is_partial
FROM {TABLE} AS predicted
LEFT JOIN {_CONTEXTS} AS context
  ON context.player_lookup = predicted.player_lookup AND context.game_id = predicted.game_id
  AND context.game_date = @game_date
WHERE predicted.game_date = @game_date AND predicted.system_id = @system_id
ORDER BY predicted.player_lookup, predicted.stat
"""  # noqa: S608 - names of this package
EXPECTED: Final = f"SELECT COUNT(*) FROM {_FEATURES} WHERE game_date = @game_date"  # noqa: S608
_PLAYER: Final = ("player_lookup", "player_name", "team_abbr", "opponent_team_abbr", "game_id")
_PREDICTION: Final = ("predicted_value", "low", "high", "confidence", "is_partial")


def export_predictions(
    resources: ProcessorResources, game_date: date, folder: Path, *, labels: Mapping[str, str] | None = None
) -> int:
    """Write the predictions of the date to `folder`/DATE.json; returns how many the table has.

    Players who are in the file and not in the table stay. Without predictions nothing is written.
    `resources.exports` is the folder of this process. Raises DataError for a file that is damaged, UnavailableError
    if it cannot be written, and what the warehouse raises.
    """
    rows = _read(resources, game_date, labels)
    _write(folder, game_date, rows)
    return len(rows)


def export(resources: ProcessorResources, context: TaskContext) -> TaskOutcome:
    """Export the predictions of the date. None are right only where no player was expected."""
    call = context.call
    versions = versions_before(resources, context)
    rows = _read(resources, call.game_date, call.labels)
    detail = {} if rows else {"reason": _why_none(resources, context)}
    context.fence.guard(lambda: _write(resources.exports, call.game_date, rows))
    return TaskOutcome(len(rows), detail, replace(versions, writes=written(resources, context)))


def _read(resources: ProcessorResources, game_date: date, labels: Mapping[str, str] | None) -> list[dict[str, Any]]:
    resources.ensure_tables(TABLE, _CONTEXTS)
    parameters = {"game_date": game_date, "system_id": SYSTEM}
    timeout = resources.timeouts["warehouse.query"]
    return resources.warehouse().query(READ, parameters, timeout=timeout, labels=labels).dicts()


def _why_none(resources: ProcessorResources, context: TaskContext) -> str:
    day = context.call.game_date
    resources.ensure_tables(_FEATURES)
    timeout = resources.timeouts["warehouse.query"]
    found = resources.warehouse().query(EXPECTED, {"game_date": day}, timeout=timeout, labels=context.call.labels)
    if expected := found.scalar():
        raise PreconditionError(
            f"{context.call.task} has nothing to export: {TABLE} is empty for {day}",
            cause=f"The feature store expects {expected} players, and phase 5 has not predicted them.",
            next_step=f"Predict: {resources.raw.rerun('phase5', day)}",
        )
    return f"no player is expected to play on {day}"


def _write(folder: Path, game_date: date, rows: list[dict[str, Any]]) -> None:
    """Put the rows into the file of the date, in place of what it has of the same players and statistics."""
    if not rows:
        return
    target = folder / f"{game_date}.json"
    temporary = folder / f".{target.name}.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel frees it on a crash
            text = json.dumps({"game_date": str(game_date), "players": _merged(target, rows)}, indent=1)
            with temporary.open("w", encoding="utf-8") as file:
                file.write(f"{text}\n")
                file.flush()
                os.fsync(file.fileno())
            reach("export.before_rename")
            temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UnavailableError(
            f"{target} cannot be written",
            cause=error.strerror or str(error),
            next_step="Free disk space or correct the permissions.",
            retryable=False,
        ) from error


def _merged(target: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    players = _there(target)
    for row in rows:
        known = players.get(row["player_lookup"], {})
        kept = known.get("predictions", {}) if known.get("game_id") == row["game_id"] else {}
        prediction = {row["stat"]: {name: row[name] for name in _PREDICTION}}
        players[row["player_lookup"]] = {
            **{name: row[name] for name in _PLAYER},
            "predictions": dict(sorted({**kept, **prediction}.items())),
        }
    return [players[name] for name in sorted(players)]


def _there(target: Path) -> dict[str, Any]:
    """Return what the file has, by player."""
    try:
        return {player["player_lookup"]: player for player in json.loads(target.read_bytes())["players"]}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{target} is damaged",
            cause=f"It is not an export of predictions: {type(error).__name__}: {error}",
            next_step="Move it away and export again. What only this file has is lost to the site then.",
        ) from error
