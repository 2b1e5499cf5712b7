"""The versions of what processors read and write, as they are now: recorded by a run, compared by the next."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from dataclasses import replace
from datetime import date
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from nbactl.pipeline.past import collected_before, filled_in, to_fill_in, unlike_source
from nbactl.pipeline.recipes import recipe_of
from nbactl.pipeline.sets import days_of, labels_of
from nbactl.pipeline.statements import Window
from nbactl.ports.compute import Versions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from nbactl.pipeline.processor import ProcessorResources
    from nbactl.pipeline.recipes import Recipe
    from nbactl.pipeline.sources.base import Dataset
    from nbactl.ports.compute import TaskContext, Work
    from nbactl.ports.warehouse import PartitionVersion

_MISSING: Final = "missing"
"""The version of a raw file that is not there, or damaged."""
_MODULUS: Final = 2**128
_LABELS: Final = {"task": "freshness"}
"""Of the query that compares finished tasks with what is there, for no run yet."""


class PipelineVersions:
    """What tasks would read now, and what is there of what they wrote; only processors are known here."""

    def __init__(self, resources: ProcessorResources) -> None:
        self._resources = resources

    def current(self, works: Mapping[str, Work], days: Sequence[date]) -> Mapping[tuple[str, date], Versions]:
        """Return the versions by task name and date: one query for all tables and dates."""
        recipes = {
            task: recipe for task, work in works.items() if (recipe := recipe_of(work, self._resources.schema_of))
        }
        snapshot = Snapshot(self._resources, recipes.values(), days)
        return {
            (task, day): Versions(
                recipe.code,
                {**snapshot.reads(recipe, day), **snapshot.changed_past(recipe, day)},
                snapshot.writes(recipe, day),
            )
            for task, recipe in recipes.items()
            for day in days
        }

    def changed(self, work: Work, day: date, since: datetime) -> Sequence[str]:
        """Return the partitions that the task reads and that changed after `since`, oldest first."""
        recipe = recipe_of(work, self._resources.schema_of)
        if recipe is None:
            return ()
        tables = Snapshot(self._resources, [recipe], [day]).tables
        return [
            f"{table} {partition}"
            for partition, table in sorted(
                (partition, table)
                for table, window in recipe.tables.items()
                for partition, version in tables[table].between(*_days(window, day)).items()
                if version.changed_at > since
            )
        ]

    def changed_in_source(self, works: Collection[Work]) -> date | None:
        """Return the first date that a run collected and of which the source now has something else."""
        source, raw = self._resources.source(), self._resources.raw
        recipes = [recipe_of(work, self._resources.schema_of) for work in works]
        collected = {recipe.collects for recipe in recipes if recipe is not None and recipe.collects is not None}
        return min((day for dataset in collected for day in collected_before(source, raw, dataset)), default=None)


def versions_before(resources: ProcessorResources, context: TaskContext) -> Versions:
    """Return what a processor is about to read, asked before it reads: a change meanwhile makes its result stale."""
    return versions_before_set(resources, [context])[context.call.game_date]


def versions_before_set(resources: ProcessorResources, contexts: Sequence[TaskContext]) -> dict[date, Versions]:
    """Return by date what a processor is about to read, asked before it reads."""
    recipe, snapshot = snapshot_before(resources, contexts)
    return {day: Versions(recipe.code, snapshot.reads(recipe, day)) for day in days_of(contexts)}


def written(resources: ProcessorResources, context: TaskContext) -> dict[str, str]:
    """Return the versions of what a processor has just written, asked after it wrote."""
    recipe = replace(_recipe(resources, context), tables={}, raw=())
    return Snapshot(resources, [recipe], [context.call.game_date], context.call.labels).writes(
        recipe, context.call.game_date
    )


def snapshot_before(resources: ProcessorResources, contexts: Sequence[TaskContext]) -> tuple[Recipe, Snapshot]:
    """Return what a processor is, and the versions of what it is about to read for these dates."""
    recipe = _recipe(resources, contexts[0])
    return recipe, Snapshot(resources, [recipe], days_of(contexts), labels_of(contexts))


def _recipe(resources: ProcessorResources, context: TaskContext) -> Recipe:
    recipe = recipe_of(context.call.work, resources.schema_of)
    if recipe is None:
        raise ValueError(f"{context.call.work.target} is not a processor")
    return recipe


class Snapshot:
    """The versions of all that some processors read and write on some dates."""

    def __init__(
        self,
        resources: ProcessorResources,
        recipes: Collection[Recipe],
        days: Sequence[date],
        labels: Mapping[str, str] = _LABELS,
    ) -> None:
        """`labels` are those of the query that it takes."""
        self._labels = labels
        self.tables: dict[str, _Table] = {}
        self._raw: dict[Dataset, Mapping[date, str]] = {}
        self._source: dict[Dataset, Mapping[date, str]] = {}
        self._unlike: dict[Dataset, Sequence[date]] = {}
        self._aliases = ""
        self._filled_in: dict[str, dict[date, str]] = {}
        """What the filled-in dates of a table are made of now."""
        self._resources = resources
        if not days:
            return
        if any(recipe.aliases for recipe in recipes):
            self._aliases = _digest(sorted(resources.aliases().by_alias.items()))
        for recipe in recipes:
            if recipe.raw:
                found = filled_in(recipe, resources.raw, self._aliases if recipe.aliases else "")
                self._filled_in[recipe.writes[0]] = {day: made for day, made in found.items() if day < max(days)}
        self._ask_warehouse(resources, recipes, days)
        for recipe in recipes:
            for dataset in recipe.raw:
                if dataset not in self._raw:
                    self._raw[dataset] = resources.raw.versions(dataset, days)
            if (collected := recipe.collects) is not None and collected not in self._source:
                self._source[collected] = resources.source().versions(collected, days)
                self._raw[collected] = resources.raw.versions(collected, days)

    def reads(self, recipe: Recipe, day: date) -> dict[str, str]:
        """Return a digest of each thing that the processor reads for the date."""
        found = {f"raw:{dataset}": self._raw[dataset].get(day, _MISSING) for dataset in recipe.raw}
        if recipe.aliases:
            found["aliases"] = self._aliases
        for table, window in recipe.tables.items():
            found[table] = self.tables[table].digest(*_days(window, day))
        if (collected := recipe.collects) is not None and (version := self._source[collected].get(day)):
            found[f"source:{collected}"] = version
        return found

    def changed_past(self, recipe: Recipe, day: date) -> dict[str, str]:
        """Return a resource for the first earlier date that is to be filled in again before the task is fresh."""
        if recipe.collects is not None:
            kind, past = f"source:{recipe.collects}", self._unlike_source(recipe.collects)
        elif recipe.raw:
            kind, past = f"raw:{recipe.raw[0]}", self.to_fill_in(recipe.writes[0])
        else:
            return {}
        return {f"{kind} {past[0]}": "changed"} if past and past[0] < day else {}

    def _unlike_source(self, dataset: Dataset) -> Sequence[date]:
        """Return the dates to collect again; only a comparison of finished tasks asks for them."""
        if dataset not in self._unlike:
            self._unlike[dataset] = unlike_source(self._resources.source(), self._resources.raw, dataset)
        return self._unlike[dataset]

    def made_of(self, table: str) -> Mapping[date, str]:
        """Return the dates of a raw table that are filled in, with a digest of what they are made of now."""
        return self._filled_in[table]

    def to_fill_in(self, table: str) -> Sequence[date]:
        """Return the dates whose rows in a raw table are not what phase 2 would fill in now."""
        made, partitions = self._filled_in[table], self.tables[table].between(date.min, date.max)
        return to_fill_in(made, self._resources.raw.notes(table), partitions)

    def writes(self, recipe: Recipe, day: date) -> dict[str, str]:
        """Return the digest of each thing that is there of what the processor writes for the date."""
        partition = _shifted(day, recipe.writes_at)
        found = {table: version.digest for table in recipe.writes if (version := self.tables[table].get(partition))}
        if recipe.exports and (exported := _digest_of(self._resources.exports / f"{day}.json")):
            found["export"] = exported
        if (collected := recipe.collects) is not None and (written := self._raw[collected].get(day)):
            found[f"raw:{collected}"] = written
        return found

    def _ask_warehouse(self, resources: ProcessorResources, recipes: Collection[Recipe], days: Sequence[date]) -> None:
        tables = {table for recipe in recipes for table in (*recipe.tables, *recipe.writes)}
        if not tables:
            return
        spans = [_days(window, day) for recipe in recipes for window in recipe.tables.values() for day in _ends(days)]
        past = [min(made) for made in self._filled_in.values() if made]
        spans += [_days(Window(recipe.writes_at, recipe.writes_at), day) for recipe in recipes for day in _ends(days)]
        first, last = min([*days, *past, *(first for first, _ in spans)]), max([*days, *(last for _, last in spans)])
        partitions: dict[str, dict[date, PartitionVersion]] = {table: {} for table in tables}
        asked = resources.warehouse().versions(
            sorted(tables), first, last, timeout=resources.timeouts["warehouse.query"], labels=self._labels
        )
        for (table, day), version in asked.items():
            partitions[table][day] = version
        self.tables = {table: _Table(found) for table, found in partitions.items()}


class _Table:
    """The partitions of a table. A range of them has one digest, the sum of theirs, in whatever order they came."""

    def __init__(self, partitions: Mapping[date, PartitionVersion]) -> None:
        self._partitions = partitions
        # For a reader an empty partition is the same as one that was never written.
        self._days = sorted(day for day, version in partitions.items() if version.rows)
        self._sums = [0, *accumulate(_weight(day, partitions[day].digest) for day in self._days)]

    def get(self, day: date) -> PartitionVersion | None:
        """Return the version of one partition."""
        return self._partitions.get(day)

    def between(self, first: date, last: date) -> dict[date, PartitionVersion]:
        """Return the versions of a range of partitions."""
        return {day: version for day, version in self._partitions.items() if first <= day <= last}

    def digest(self, first: date, last: date) -> str:
        """Return the digest of a range of partitions."""
        start, end = bisect_left(self._days, first), bisect_right(self._days, last)
        return f"{(self._sums[end] - self._sums[start]) % _MODULUS:032x}"


@lru_cache(maxsize=2**16)
def _weight(day: date, digest: str) -> int:
    return int(_digest(f"{day} {digest}")[:32], 16)


def _digest(value: object) -> str:
    return hashlib.sha256(str(value).encode()).hexdigest()


def _digest_of(path: Path) -> str | None:
    """Return a digest of a file, None if there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _ends(days: Sequence[date]) -> tuple[date, date]:
    return min(days), max(days)


def _days(window: Window, day: date) -> tuple[date, date]:
    """Return the first and the last partition of a window, within the calendar."""
    return _shifted(day, window.first), _shifted(day, window.last)


def _shifted(day: date, days: int) -> date:
    return date.fromordinal(min(max(day.toordinal() + days, date.min.toordinal()), date.max.toordinal()))
