"""The processors that are one SQL statement each: phases 3 and 4."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError, NbactlError, PreconditionError
from nbactl.pipeline.games import games_of
from nbactl.pipeline.sets import days_of, fence_of, labels_of
from nbactl.pipeline.statements import date_parameters, table_sql, windows
from nbactl.pipeline.status import NOT_PLAYED
from nbactl.pipeline.versions import versions_before_set
from nbactl.ports.compute import TaskOutcome
from nbactl.ports.warehouse import Select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from nbactl.pipeline.processor import ProcessorResources
    from nbactl.ports.compute import TaskContext, Versions
    from nbactl.ports.warehouse import Replaced

_READ: Final = (
    "nba_raw.games",
    "nba_raw.player_boxscores",
    "nba_analytics.upcoming_player_game_context",
    "nba_analytics.upcoming_team_game_context",
)
# Players who played for a team within a fortnight are expected by upcoming_player_game_context: no team plays more
# than the ten games in that time that it looks back on.
_COUNT: Final = """
SELECT
  (
    SELECT COUNT(*) FROM nba_raw.games
    WHERE game_date = @game_date AND game_status NOT IN ('postponed', 'cancelled', 'forfeited')
  ) AS games,
  (SELECT COUNT(*) FROM nba_raw.games WHERE game_date = @game_date AND game_status = 'final') AS games_over,
  (
    SELECT COUNT(*)
    FROM nba_raw.player_boxscores AS box
    JOIN nba_raw.games AS game ON game.game_date = box.game_date AND game.game_id = box.game_id
    WHERE box.game_date = @game_date AND game.game_date = @game_date AND game.game_status = 'final'
  ) AS box_scores,
  (
    SELECT COUNT(DISTINCT box.player_lookup)
    FROM nba_raw.player_boxscores AS box
    JOIN nba_raw.games AS before ON before.game_date = box.game_date AND before.game_id = box.game_id
    JOIN nba_raw.games AS today
      ON today.game_date = @game_date AND today.game_status NOT IN ('postponed', 'cancelled', 'forfeited')
      AND box.team_abbr IN (today.home_team_abbr, today.away_team_abbr)
    WHERE box.game_date BETWEEN DATE_SUB(@game_date, INTERVAL 14 DAY) AND DATE_SUB(@game_date, INTERVAL 1 DAY)
      AND before.game_status = 'final' AND COALESCE(before.season_type, 'regular') <> 'preseason'
  ) AS recent_players,
  (SELECT COUNT(*) FROM nba_analytics.upcoming_team_game_context WHERE game_date = @game_date) AS team_contexts,
  (SELECT COUNT(*) FROM nba_analytics.upcoming_player_game_context WHERE game_date = @game_date) AS player_contexts
"""
_TEAMS: Final = "team_contexts"
_PLAYERS: Final = "player_contexts"
_MADE_OF: Final = {
    "nba_analytics.team_offense_game_summary": ("games_over",),
    "nba_analytics.team_defense_game_summary": ("games_over",),
    "nba_analytics.player_game_summary": ("box_scores", "games_over"),
    "nba_analytics.upcoming_team_game_context": ("games",),
    "nba_analytics.upcoming_player_game_context": ("recent_players",),
    "nba_precompute.team_defense_zone_analysis": (_TEAMS,),
    "nba_precompute.player_shot_zone_analysis": (_PLAYERS,),
    "nba_precompute.player_daily_cache": (_PLAYERS,),
    "nba_precompute.player_composite_factors": (_PLAYERS,),
    "nba_precompute.ml_feature_store": (_PLAYERS,),
}
"""What each table has rows for: while there is some of it, no rows are a fault."""


@dataclass(frozen=True, slots=True)
class _Inputs:
    """How much of each input the warehouse has of a date."""

    games: int
    games_over: int
    box_scores: int
    recent_players: int
    team_contexts: int
    player_contexts: int


def why_empty(
    resources: ProcessorResources, table: str, day: date, *, task: str, labels: Mapping[str, str] | None = None
) -> str:
    """Return why it is right that `table`, which `task` fills or reads, has no row on the day.

    Raises DataError if it should have some, PreconditionError if what comes before it was not run.
    """
    resources.ensure_tables(*_READ)
    timeout = resources.timeouts["warehouse.query"]
    (row,) = resources.warehouse().query(_COUNT, {"game_date": day}, timeout=timeout, labels=labels).rows
    there = _Inputs(*row)
    if not there.games:
        _refuse_without_phase2(resources, day, table)
        return f"no games on {day}"
    if table.startswith("nba_precompute.") and not there.team_contexts:
        raise PreconditionError(
            f"{task} has nothing to read: {_READ[-1]} is empty for {day}",
            cause=f"{there.games} games are on {day}, and phase 3 has not computed their contexts",
            next_step=f"Compute them: {resources.raw.rerun('phase3', day)}",
        )
    counts = asdict(there)
    if found := {name: counts[name] for name in _MADE_OF[table] if counts[name]}:
        raise DataError(
            f"{table} has no row of {day} though it should",
            cause=f"The date has {', '.join(f'{_plain(name)}: {count}' for name, count in found.items())}.",
            next_step="Run the tasks whose tables it reads first. If they have rows, its statement is wrong.",
            details=found,
        )
    return _reason(there, table, day)


def _reason(there: _Inputs, table: str, day: date) -> str:
    if "games_over" in _MADE_OF[table]:
        return f"{there.games} games are scheduled for {day}, none is over"
    if table.startswith("nba_precompute."):
        return f"no player is expected to play on {day}"
    return f"no player has played recently for the teams of {day}"


def _refuse_without_phase2(resources: ProcessorResources, day: date, table: str) -> None:
    """Raise PreconditionError unless phase 1 collected the schedule and found no game that is played on the day."""
    collected = resources.raw.read("schedule", day)
    found = games_of(day, collected, "")
    played = [game for game in found.games.values() if game.claim.status not in NOT_PLAYED]
    if played or found.outcome.quarantined:
        raise PreconditionError(
            f"{table} has nothing to read: nba_raw.games is empty for {day}",
            cause=f"Phase 1 collected {len(collected)} records of games, and phase 2 has not written them.",
            next_step=f"Write them: {resources.raw.rerun('phase2', day)}",
        )


def _plain(name: str) -> str:
    return name.replace("_", " ")


def transform(resources: ProcessorResources, contexts: Sequence[TaskContext]) -> Sequence[TaskOutcome | Exception]:
    """Replace the partitions of all these dates by one statement, in one transaction."""
    table, days = str(contexts[0].call.work.target), days_of(contexts)
    resources.ensure_tables(table, *sorted(windows(table)))
    before = versions_before_set(resources, contexts)
    written = resources.warehouse().replace_partitions(
        table,
        days,
        Select(table_sql(table), date_parameters(days)),
        fence=fence_of(contexts),
        timeout=resources.timeouts["warehouse.query_large"],
        labels=labels_of(contexts),
    )
    return [_outcome(resources, context, before[context.call.game_date], written) for context in contexts]


def _outcome(
    resources: ProcessorResources, context: TaskContext, before: Versions, written: Replaced
) -> TaskOutcome | Exception:
    call = context.call
    table, made = str(call.work.target), written.versions[call.game_date]
    detail = {}
    if not made.rows:
        try:
            detail["reason"] = why_empty(resources, table, call.game_date, task=call.task, labels=call.labels)
        except NbactlError as error:
            return error
    return TaskOutcome(made.rows, detail, replace(before, writes={table: made.digest}))
