"""Phase 1: collect one dataset of a game date into raw files, as the source gives it."""

from __future__ import annotations

from datetime import date
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, get_args

from nbactl.errors import ConfigError, DataError
from nbactl.pipeline.games import games_of
from nbactl.pipeline.past import unlike_source
from nbactl.pipeline.sources.base import Dataset, LineSource, RawRecord, uncovered
from nbactl.pipeline.sources.digests import records_digest
from nbactl.pipeline.versions import versions_before
from nbactl.ports.compute import TaskOutcome, Versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.pipeline.processor import ProcessorResources
    from nbactl.pipeline.sources.base import GameSource
    from nbactl.ports.compute import TaskCall, TaskContext


def collect(resources: ProcessorResources, context: TaskContext) -> TaskOutcome:
    """Write the raw file of the task's dataset and game date; returns the number of records.

    From a source with a cheap history, earlier dates without a file are collected as well, so that what looks
    back has a past, and those that it has changed since: some dates at a time, so that memory does not grow with them.
    Nothing is written unless the date itself could be read.
    """
    dataset = _dataset(context.parameters)
    source, raw, day = resources.source(), resources.raw, context.call.game_date
    supplied = dataset in source.datasets()
    past = [other for other in unlike_source(source, raw, dataset) if other < day]
    records = list(source.collect(dataset, [day])) if supplied else []
    if supplied and not records:
        _check_there_is_nothing(source, dataset, context.call)
    version = source.versions(dataset, [*past, day]) if supplied else {}
    earlier = 0
    for start in range(0, len(past), _TOGETHER):
        by_day = _of_days(source, dataset, past[start : start + _TOGETHER])
        earlier += raw.fill_in(dataset, by_day, source=source.name, fence=context.fence, given=version)
    versions = versions_before(resources, context)
    rows = raw.write(dataset, day, records, source=source.name, fence=context.fence, given=version.get(day))
    detail: dict[str, Any] = {"file": str(raw.path(dataset, day))}
    if past:
        detail |= {"earlier_dates": len(past), "earlier_records": earlier}
    if not supplied:
        detail["reason"] = f"{source.name} has no {dataset}"
    elif not rows:
        detail["reason"] = f"{source.name} has no {dataset} on {day}"
    if source.notes:
        detail["notes"] = list(source.notes)
    given = f"source:{dataset}"  # a server is not asked for a version: what it answered has one
    reads = {given: records_digest(records), **versions.reads}
    writes = {f"raw:{dataset}": raw.versions(dataset, [day])[day]}
    return TaskOutcome(rows, detail, Versions(versions.code, reads, writes))


_TOGETHER: Final = 100
"""Dates whose records are in memory at once."""


def _of_days(source: GameSource, dataset: Dataset, days: Sequence[date]) -> Mapping[date, Sequence[RawRecord] | bytes]:
    if isinstance(source, LineSource):
        return {day: source.lines(dataset, day) for day in days}
    by_day: dict[date, list[RawRecord]] = {day: [] for day in days}
    for record in source.collect(dataset, days):
        by_day[record.game_date].append(record)
    return by_day


_LATER: Final = "Run it again later: box scores may come after the final score."
_SCORES_ONLY: Final = (
    "Add players' logs or box scores to it, or load the games alone with `nbactl run phase2 --only p2_schedule`; "
    "--upstream skip runs a later phase without box scores."
)


def _check_there_is_nothing(source: GameSource, dataset: Dataset, call: TaskCall) -> None:
    """Raise DataError if the source should have records of the date after all (invariant 15)."""
    day = call.game_date
    if dataset == "schedule":
        if source.game_dates(day, day):
            raise DataError(
                f"{source.name} gave no games of {day}, though its calendar has some",
                next_step="Run it again later; what was collected before stays.",
            )
        uncovered(source, [day])
    elif dataset == "player_boxscores":
        games = games_of(day, source.collect("schedule", [day]), call.source).games.values()
        if over := sum(game.claim.final for game in games):
            scores_only = source.has_history and not any(source.collect(dataset, source.game_dates(date.min, date.max)))
            raise DataError(
                f"{source.name} gave no box scores of {day}",
                cause=f"{over} of {len(games)} games are over"
                + (", and it has scores only: no file has a player's row." if scores_only else "."),
                next_step=_SCORES_ONLY if scores_only else _LATER,
            )


def _dataset(parameters: Mapping[str, Any]) -> Dataset:
    known: tuple[Dataset, ...] = get_args(Dataset)
    given = parameters.get("dataset")
    for name in known:
        if given == name:
            return name
    near = get_close_matches(str(given), known, n=1)
    raise ConfigError(
        f"'{given}' is not a dataset of phase 1",
        cause="The task's `with: {dataset: …}` in workflows.yaml says what to collect.",
        next_step=f"Did you mean '{near[0]}'?" if near else f"Give one of: {', '.join(known)}.",
    )
