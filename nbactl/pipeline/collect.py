"""Phase 1: collect one dataset of a game date into raw files, as the source gives it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from nbactl.errors import ConfigError, DataError
from nbactl.pipeline.sources.base import Dataset, RawRecord
from nbactl.ports.compute import TaskOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.pipeline.processor import Services
    from nbactl.ports.compute import TaskContext


def collect(services: Services, context: TaskContext) -> TaskOutcome:
    """Write the raw file of the task's dataset and game date; returns the number of records.

    From a source with a cheap history, earlier dates without a file are collected as well, so that what looks
    back has a past. Nothing is written unless all of it could be read.
    """
    dataset = _dataset(context.parameters)
    source, raw, day = services.source(), services.raw, context.call.game_date
    supplied = dataset in source.datasets()
    past: list[date] = []
    if supplied and source.has_history:
        present = set(raw.dates(dataset))
        past = [other for other in source.game_dates(date.min, day) if other != day and other not in present]
    by_day: defaultdict[date, list[RawRecord]] = defaultdict(list)
    if supplied:
        for record in source.collect(dataset, [*past, day]):
            by_day[record.game_date].append(record)
    if dataset == "schedule" and supplied and not by_day[day] and source.game_dates(day, day):
        raise DataError(
            f"{source.name} gave no games of {day}, though its calendar has some",
            next_step="Run it again later; what was collected before stays.",
        )
    earlier = raw.fill_in(dataset, {when: by_day[when] for when in past}, source=source.name, fence=context.fence)
    rows = raw.write(dataset, day, by_day[day], source=source.name, fence=context.fence)
    detail: dict[str, Any] = {"file": str(raw.path(dataset, day))}
    if past:
        detail |= {"earlier_dates": len(past), "earlier_records": earlier}
    if not supplied:
        detail["reason"] = f"{source.name} has no {dataset}"
    elif not rows:
        detail["reason"] = f"{source.name} has no {dataset} on {day}"
    if source.notes:
        detail["notes"] = list(source.notes)
    return TaskOutcome(rows, detail)


def _dataset(parameters: Mapping[str, Any]) -> Dataset:
    known: tuple[Dataset, ...] = get_args(Dataset)
    given = parameters.get("dataset")
    for name in known:
        if given == name:
            return name
    near = get_close_matches(str(given), known, n=1)
    raise ConfigError(
        f"'{given}' is no dataset of phase 1",
        cause="The task's `with: {dataset: …}` in workflows.yaml says what to collect.",
        next_step=f"Did you mean '{near[0]}'?" if near else f"Give one of: {', '.join(known)}.",
    )
