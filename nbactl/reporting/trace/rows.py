"""Events from the warehouse, and from files of this machine."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.core.observe.logging.setup import run_log_path
from nbactl.core.phases.logs import logged_runs
from nbactl.errors import NbactlError, NotFoundError
from nbactl.pipeline.lookup import plain_name
from nbactl.warehouse.tables import load_tables
from nbactl.workflows.executions import EXECUTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from nbactl.ports.warehouse import TableSchema
    from nbactl.reporting.trace.model import Collecting, TraceSources

DECISIONS: Final = "nba_orchestration.workflow_decisions"
GRADES: Final = "nba_predictions.prediction_accuracy"
PLAYERS: Final = "nba_analytics.player_game_summary"
_LOGGED: Final = 30
"""Within how many days a run of production is found."""
_LOOKED_UP: Final = timedelta(days=90)
_MOST: Final = 50
_LABELS: Final = {"task": "trace"}
_LOUD: Final = frozenset({"WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"})
_SHOWN: Final = ("minutes", "points", "predictions", "stat", "predicted_value", "actual_value", "absolute_error")
"""The columns of a row that are told, where it has them."""


def decisions(sources: TraceSources, found: Collecting, ids: Sequence[str], now: datetime) -> None:
    """Tell of the decisions and executions of workflows that have one of these ids, of the last 90 days."""
    names = {f"id{index}": one for index, one in enumerate(sorted(ids)[:_MOST])}
    listed = ", ".join(f"@{name}" for name in names)
    since = now - _LOOKED_UP
    rows = _rows(
        sources,
        f"SELECT * FROM `{EXECUTIONS}` WHERE execution_time >= @since"  # noqa: S608 - our names
        f" AND (execution_id IN ({listed}) OR decision_id IN ({listed})) LIMIT {_MOST}",
        {"since": since, **names},
    )
    decided = {str(row["decision_id"]) for row in rows if row.get("decision_id")} | set(ids)
    for row in rows:
        error = f": {row['error_message']}" if row.get("error_message") else ""
        text = f"execution of {row['workflow_name']} {row['status']}{error}"
        found.add(row["execution_time"], EXECUTIONS, text)
        found.kinds.setdefault("execution", None)
        found.ids.add(str(row["execution_id"]))
    names = {f"id{index}": one for index, one in enumerate(sorted(decided)[:_MOST])}
    listed = ", ".join(f"@{name}" for name in names)
    rows = _rows(
        sources,
        f"SELECT * FROM `{DECISIONS}` WHERE game_date >= @since AND decision_id IN ({listed}) LIMIT {_MOST}",  # noqa: S608
        {"since": since.date(), **names},
    )
    for row in rows:
        found.kinds.setdefault("decision", None)
        text = f"{row['action']} {row['workflow_name']} for {row['game_date']}: {row['reason']}"
        found.add(row["decision_time"], DECISIONS, text)


def logged(sources: TraceSources, found: Collecting, text: str, now: datetime) -> None:
    """Tell of the runs of production's programs that have this id or correlation id, of the last 30 days."""
    if sources.local:
        return
    today = GameDate.of(now)
    runs, unread = logged_runs(sources.warehouse(), today.plus(-_LOGGED), today.plus(1), timeout=sources.timeout)
    found.not_looked_at += unread
    for run in runs:
        if text in (run.run_id, run.correlation_id):
            found.kinds.setdefault("run of production", None)
            found.ids |= {one for one in (run.run_id, run.correlation_id) if one}
            found.dates.add(str(run.game_date))
            found.add(run.started_at, run.table, f"{run.name} {run.game_date} started")
            if run.finished_at is not None:
                error = f": {run.error}" if run.error else ""
                found.add(run.finished_at, run.table, f"{run.name} {run.game_date} {run.status}{error}", 3)


def player_tables() -> list[TableSchema]:
    """Return the declared tables that have rows of players by game date, in the order of the pipeline."""
    return [
        table
        for table in load_tables().values()
        if {"player_lookup", "game_date"} <= {column.name for column in table.columns}
    ]


def player_rows(
    sources: TraceSources,
    found: Collecting,
    table: TableSchema,
    of: tuple[str, date],
    made: Mapping[str, tuple[datetime | None, str]],
) -> None:
    """Tell of the rows of a player and date in a table; `made` says by table when they were made, and by which run."""
    rows = _rows(
        sources,
        f"SELECT * FROM `{table.name}` WHERE game_date = @day AND player_lookup = @player LIMIT {_MOST}",  # noqa: S608
        {"player": of[0], "day": of[1]},
    )
    at, run = made.get(table.name, (None, ""))
    for row in rows:
        shown = ", ".join(f"{name} {_short(row[name])}" for name in _SHOWN if row.get(name) is not None)
        own = row.get("created_at") or row.get("reported_at")
        what = f"row{f' ({shown})' if shown else ''}{f', written by {run}' if run else ''}"
        found.add(own if isinstance(own, datetime) else at, table.name, what, 2)
    if not rows:
        found.absent.append(table.name)


def players_of(sources: TraceSources, day: date) -> list[str]:
    """Return the players of a date that the warehouse knows, nobody where it cannot be read."""
    names: set[str] = set()
    for table in (PLAYERS, "nba_analytics.upcoming_player_game_context", "nba_raw.player_boxscores"):
        with suppress(NbactlError):
            query = f"SELECT DISTINCT player_lookup FROM `{table}` WHERE game_date = @day"  # noqa: S608 - as above
            names |= {str(row["player_lookup"]) for row in _rows(sources, query, {"day": day})}
    return sorted(names)


def refused_records(sources: TraceSources, found: Collecting, player: str, day: date) -> None:
    """Tell of records of a player that were refused."""
    for table in ("nba_raw.player_boxscores_quarantine", "nba_raw.injuries_quarantine", "nba_raw.odds_quarantine"):
        with suppress(NotFoundError):
            query = f"SELECT reason, message, origin, payload FROM `{table}` WHERE game_date = @day LIMIT 2000"  # noqa: S608
            for row in _rows(sources, query, {"day": day}):
                if player in plain_name(str(row["payload"])):
                    found.add(None, table, f"refused, {row['reason']}: {row['message']} ({row['origin']})", 1)


def raw_records(sources: TraceSources, found: Collecting, player: str, day: date) -> None:
    """Tell of the raw records of a player that this machine has, with where they stood in the source."""
    store = sources.raw()
    for dataset in ("player_boxscores", "injuries", "odds_player_props"):
        path = store.path(dataset, day)
        if not path.is_file():
            continue
        for record in store.read(dataset, day):
            if player in plain_name(json.dumps(record.payload, ensure_ascii=False)):
                found.add(_changed(path), str(path), f"raw record from {record.origin} ({record.shape})")


def exported(sources: TraceSources, found: Collecting, player: str, day: date) -> None:
    """Tell whether the file for the site has the player."""
    path = sources.exports() / f"{day}.json"
    if not path.is_file():
        found.not_looked_at.append(f"{path}: there is no such file on this machine")
        return
    players = json.loads(path.read_bytes()).get("players", [])
    has = [one for one in players if one.get("player_lookup") == player]
    stats = ", ".join(sorted(has[0].get("predictions", {}))) if has else ""
    found.add(_changed(path), str(path), f"exported: {stats}" if has else "exported without this player", 3)


def log_lines(sources: TraceSources, found: Collecting, run_id: str) -> None:
    """Tell of the warnings and errors in the log of a run."""
    path = run_log_path(sources.logs, run_id)
    if not path.is_file():
        found.not_looked_at.append(f"the log of {run_id}: there is no {path} on this machine")
        return
    quiet = 0
    for entry in _entries(path):
        if entry.get("severity") in _LOUD and isinstance(entry.get("time"), str):
            found.add(
                datetime.fromisoformat(entry["time"]), str(path), f"{entry['severity']}: {entry.get('message')}", 2
            )
        else:
            quiet += 1
    if quiet:
        found.not_looked_at.append(f"{quiet} other lines of {path}: nbactl runs logs {run_id}")


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # a killed process left it unfinished
            if isinstance(entry, dict):
                yield entry


def _rows(sources: TraceSources, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    return sources.warehouse().query(sql, parameters, timeout=sources.timeout, labels=_LABELS).dicts()


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
