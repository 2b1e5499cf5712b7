"""Phase 2: validate the raw files of a game date and write them to nba_raw, the unfit records to quarantine.

A date is written with every earlier one that was collected but never normalised, or that was filled in from something
else than is there now, so that whatever looks back finds its past. Records in = rows + quarantined + set aside; the
task's detail says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import DataError
from nbactl.pipeline import boxscores, incomplete, market, quarantine
from nbactl.pipeline import games as game_rules
from nbactl.pipeline.lookup import Lookups
from nbactl.pipeline.past import note_of
from nbactl.pipeline.quarantine import quarantine_table
from nbactl.pipeline.versions import snapshot_before
from nbactl.ports.compute import TaskOutcome, Versions
from nbactl.ports.warehouse import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from nbactl.pipeline.processor import ProcessorResources
    from nbactl.pipeline.quarantine import Normalised
    from nbactl.pipeline.sources.base import Dataset
    from nbactl.ports.compute import TaskContext
    from nbactl.ports.warehouse import Fence, PartitionVersion

_PLAYERS: Final = "nba_raw.player_boxscores"
_KNOWN_PLAYERS: Final = """
SELECT player_lookup, player_name, team_abbr, source_player_id, MAX(game_date) AS last_seen
FROM nba_raw.player_boxscores
WHERE game_date >= DATE '1946-11-01'
GROUP BY player_lookup, player_name, team_abbr, source_player_id
"""


@dataclass(frozen=True, slots=True)
class _Target:
    """A table, the datasets it is made of, and how."""

    table: str
    columns: tuple[str, ...]
    datasets: tuple[Dataset, ...]
    normalise: Callable[[date], Normalised]
    why_empty: Callable[[date], str]
    """Says why a date has no rows. Raises DataError if it should have some (invariant 15)."""
    lacks: Callable[[date, Sequence[tuple[Any, ...]]], Sequence[str]] = lambda _day, _rows: ()
    """Names what a date and its rows lack for the day to be over."""


def games(resources: ProcessorResources, context: TaskContext) -> TaskOutcome:
    """Write nba_raw.games."""
    kind = _kind(context)

    def normalise(day: date) -> Normalised:
        return game_rules.games_of(day, resources.raw.read("schedule", day), kind).outcome

    def why_empty(day: date) -> str:
        other = normalise(day).set_aside
        aside = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(other.items()))
        return f"no games of the thirty teams on {day}: {aside}" if aside else f"no games on {day}"

    target = _Target("nba_raw.games", game_rules.COLUMNS, ("schedule",), normalise, why_empty, incomplete.games_to_come)
    return _write(resources, context, target)


def player_boxscores(resources: ProcessorResources, context: TaskContext) -> TaskOutcome:
    """Write nba_raw.player_boxscores."""
    lookups = _remembered(resources, context)

    def normalise(day: date) -> Normalised:
        schedule = _games(resources, context, day)
        records = resources.raw.read("player_boxscores", day)
        return boxscores.boxscores_of(day, records, schedule, lookups)

    def why_empty(day: date) -> str:
        schedule = _games(resources, context, day).values()
        if not schedule:
            return f"no games on {day}"
        if not (over := sum(game.claim.final for game in schedule)):
            return f"{len(schedule)} games are scheduled for {day}, none is over"
        raise DataError(
            f"no player is in a box score of {day}",
            cause=f"{over} of {len(schedule)} games are over, but the files of phase 1 have no player who played.",
            next_step=f"nbactl run phase1 --date {day} --force collects again, once the source has them.",
        )

    def lacks(day: date, rows: Sequence[tuple[Any, ...]]) -> Sequence[str]:
        schedule = game_rules.games_of(day, resources.raw.read("schedule", day), _kind(context)).outcome
        return incomplete.teams_without_players(schedule.rows, rows)

    target = _Target(_PLAYERS, boxscores.COLUMNS, ("player_boxscores", "schedule"), normalise, why_empty, lacks)
    return _write(resources, context, target)


def injuries(resources: ProcessorResources, context: TaskContext) -> TaskOutcome:
    """Write nba_raw.injuries."""
    lookups = _remembered(resources, context)

    def normalise(day: date) -> Normalised:
        return market.injuries_of(day, resources.raw.read("injuries", day), lookups, _kind(context))

    target = _Target("nba_raw.injuries", market.INJURY_COLUMNS, ("injuries",), normalise, _nothing_collected)
    return _write(resources, context, target)


def referees(resources: ProcessorResources, context: TaskContext) -> TaskOutcome:
    """Write nba_raw.referees."""

    def normalise(day: date) -> Normalised:
        records = resources.raw.read("referees", day)
        return market.referees_of(day, records, _games(resources, context, day), _kind(context))

    target = _Target(
        "nba_raw.referees", market.REFEREE_COLUMNS, ("referees", "schedule"), normalise, _nothing_collected
    )
    return _write(resources, context, target)


def odds(resources: ProcessorResources, context: TaskContext) -> TaskOutcome:
    """Write nba_raw.odds: the lines on games and players."""
    lookups = _remembered(resources, context)
    datasets: tuple[Dataset, ...] = ("odds_player_props", "odds_game_lines")

    def normalise(day: date) -> Normalised:
        # Game lines are collected by a workflow of their own, and may not be there.
        there = [dataset for dataset in datasets if resources.raw.path(dataset, day).exists()] or datasets[:1]
        records = [record for dataset in there for record in resources.raw.read(dataset, day)]
        return market.odds_of(day, records, _games(resources, context, day), lookups, _kind(context))

    collected: tuple[Dataset, ...] = ("odds_player_props", "schedule")
    target = _Target("nba_raw.odds", market.ODDS_COLUMNS, collected, normalise, _nothing_collected)
    return _write(resources, context, target)


def _write(resources: ProcessorResources, context: TaskContext, target: _Target) -> TaskOutcome:
    day = context.call.game_date
    resources.ensure_tables(target.table, quarantine_table(target.table))
    recipe, snapshot = snapshot_before(resources, [context])
    versions = Versions(recipe.code, snapshot.reads(recipe, day))
    collected = set.intersection(*(set(resources.raw.dates(dataset)) for dataset in target.datasets))
    earlier = {other for other in collected if other < day}
    there = _there(resources, context, target, min(earlier, default=day))
    made_of, present = snapshot.made_of(target.table), there.rows | there.quarantined
    to_fill_in = earlier.intersection(snapshot.to_fill_in(target.table))
    unwritten = [(other, target.normalise(other)) for other in sorted((earlier - present - set(made_of)) | to_fill_in)]
    past = [(other, of_day) for other, of_day in unwritten if of_day.rows or of_day.quarantined or other in present]
    outcome = target.normalise(day)
    written: Mapping[date, PartitionVersion] = {}
    if past:
        # The past is the same in every run, and the run that holds an earlier date's lease must not be locked
        # out of it: so it is written unfenced, by a holder that is still in its right.
        context.fence.guard(lambda: None)
        written = _replace(resources, context, target, past, there, fence=None).get(target.table, {})
    if to_fill_in:
        news = {other: note_of(made_of[other], written.get(other)) for other in to_fill_in}
        resources.raw.note(target.table, news)
    writes = _replace(resources, context, target, [(day, outcome)], there, fence=context.fence)
    detail = outcome.detail()
    for name in ("warnings", "notes"):
        if remarks := [sentence for _, of_day in past for sentence in getattr(of_day, name)]:
            detail[name] = [*remarks, *detail.get(name, ())]
    if past:
        detail["earlier_dates"] = len(past)
        detail["earlier_rows"] = sum(len(of_day.rows) for _, of_day in past)
        detail["earlier_quarantined"] = sum(len(of_day.quarantined) for _, of_day in past)
    if outcome.quarantined:
        detail["quarantine"] = quarantine_table(target.table)
    if outcome.quarantined and not outcome.rows:
        raise DataError(
            f"none of {outcome.records} records of {day} is fit for {target.table}",
            cause=f"The first: {outcome.quarantined[0].message} ({outcome.quarantined[0].record.origin}).",
            next_step=f"See reason, message and origin of each in {quarantine_table(target.table)}.",
            details=detail,
        )
    if not outcome.rows:
        detail["reason"] = target.why_empty(day)
    made = {table: of_table[day].digest for table, of_table in writes.items()}
    lacking = tuple(target.lacks(day, outcome.rows))
    return TaskOutcome(len(outcome.rows), detail, replace(versions, writes=made), lacking)


@dataclass(frozen=True, slots=True)
class _There:
    """The dates that a table and its quarantine have something of."""

    rows: set[date]
    quarantined: set[date]


def _there(resources: ProcessorResources, context: TaskContext, target: _Target, first: date) -> _There:
    found = resources.warehouse().query(
        f"SELECT DISTINCT FALSE AS bad, game_date FROM {target.table} "  # noqa: S608 - the names are ours
        "WHERE game_date BETWEEN @first AND @day UNION ALL SELECT DISTINCT TRUE AS bad, game_date "
        f"FROM {quarantine_table(target.table)} WHERE game_date BETWEEN @first AND @day",
        {"first": first, "day": context.call.game_date},
        timeout=resources.timeouts["warehouse.query"],
        labels=context.call.labels,
        cache=False,
    )
    return _There({day for bad, day in found.rows if not bad}, {day for bad, day in found.rows if bad})


def _replace(
    resources: ProcessorResources,
    context: TaskContext,
    target: _Target,
    outcomes: Sequence[tuple[date, Normalised]],
    there: _There,
    *,
    fence: Fence | None,
) -> dict[str, Mapping[date, PartitionVersion]]:
    """Replace the partitions of these dates, quarantine first: a row is never there without what was left out.

    Returns the versions by table.
    """
    versions = {}
    bad = [record.row() for _, outcome in outcomes for record in outcome.quarantined]
    bad_days = [day for day, outcome in outcomes if outcome.quarantined or day in there.quarantined]
    good = [row for _, outcome in outcomes for row in outcome.rows]
    for table, days, rows in (
        (quarantine_table(target.table), bad_days, Rows(quarantine.COLUMNS, bad)),
        (target.table, [day for day, _ in outcomes], Rows(target.columns, good)),
    ):
        if days:
            written = resources.warehouse().replace_partitions(
                table,
                days,
                rows,
                fence=fence,
                timeout=resources.timeouts["warehouse.load"],
                labels=context.call.labels,
            )
            versions[table] = written.versions
    return versions


def _games(resources: ProcessorResources, context: TaskContext, day: date) -> dict[tuple[str, str], game_rules.Game]:
    return game_rules.games_of(day, resources.raw.read("schedule", day), _kind(context)).games


def _remembered(resources: ProcessorResources, context: TaskContext) -> Lookups:
    resources.ensure_tables(_PLAYERS)
    known = resources.warehouse().query(
        _KNOWN_PLAYERS, timeout=resources.timeouts["warehouse.query"], labels=context.call.labels, cache=False
    )
    lookups = Lookups(resources.aliases().player)
    lookups.remember(tuple(row) for row in known.rows)
    return lookups


def _nothing_collected(day: date) -> str:
    return f"the source has nothing for {day}"


def _kind(context: TaskContext) -> str:
    return context.call.source.partition(":")[0]
