"""How phase 2 writes a set of dates: what is normalised one after the other is replaced in one transaction.

A date is written with every earlier one that was collected but never normalised, or that was filled in from something
else than is there now, so that whatever looks back finds its past. Records in = rows + quarantined + set aside; the
task's detail says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from nbactl.errors import DataError, NbactlError
from nbactl.pipeline import quarantine
from nbactl.pipeline.names import PLAYERS, Names
from nbactl.pipeline.past import note_of
from nbactl.pipeline.quarantine import quarantine_table
from nbactl.pipeline.sets import days_of, fence_of, labels_of
from nbactl.pipeline.versions import snapshot_before
from nbactl.ports.compute import TaskOutcome, Versions
from nbactl.ports.warehouse import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from nbactl.pipeline.lookup import Lookups
    from nbactl.pipeline.processor import ProcessorResources
    from nbactl.pipeline.quarantine import Normalised
    from nbactl.pipeline.sources.base import Dataset
    from nbactl.ports.compute import TaskContext
    from nbactl.ports.warehouse import Fence, PartitionVersion


@dataclass(frozen=True, slots=True)
class Target:
    """A table, the datasets it is made of, and how."""

    table: str
    columns: tuple[str, ...]
    datasets: tuple[Dataset, ...]
    normalise: Callable[[date, Callable[[], Lookups]], Normalised]
    """Takes a date, and what gives the names that are known then."""
    why_empty: Callable[[date], str]
    """Says why a date has no rows. Raises DataError if it should have some (invariant 15)."""
    lacks: Callable[[date, Sequence[tuple[Any, ...]]], Sequence[str]] = lambda _day, _rows: ()
    """Names what a date and its rows lack for the day to be over."""


@dataclass(slots=True)
class _Made:
    """What was normalised for a date: its own records, and those of the earlier dates to fill in before it."""

    outcome: Normalised
    past: list[tuple[date, Normalised]] = field(default_factory=list)


def write_set(
    resources: ProcessorResources, contexts: Sequence[TaskContext], target: Target
) -> list[TaskOutcome | Exception]:
    """Write the partitions of all these dates; returns for each what it gives or raises."""
    return _Writing(resources, contexts, target).write()


class _Writing:
    """The writing of one table for a set of dates."""

    def __init__(self, resources: ProcessorResources, contexts: Sequence[TaskContext], target: Target) -> None:
        self._resources = resources
        self._contexts = contexts
        self._target = target
        self._days = days_of(contexts)
        resources.ensure_tables(target.table, quarantine_table(target.table))
        self._recipe, self._snapshot = snapshot_before(resources, contexts)
        collected = set.intersection(*(set(resources.raw.dates(dataset)) for dataset in target.datasets))
        self._earlier = {day for day in collected if day < self._days[-1]} - set(self._days)
        self._there = self._what_is_there(min([*self._earlier, *self._days]))
        self._to_fill_in = self._earlier.intersection(self._snapshot.to_fill_in(target.table))

    def write(self) -> list[TaskOutcome | Exception]:
        versions = {day: Versions(self._recipe.code, self._snapshot.reads(self._recipe, day)) for day in self._days}
        made = self._normalise()
        past = [each for of_day in made.values() if isinstance(of_day, _Made) for each in of_day.past]
        self._write_past(past)
        ready = [(day, of_day.outcome) for day, of_day in made.items() if isinstance(of_day, _Made)]
        written = self._replace(ready, fence=fence_of(self._contexts)) if ready else {}
        found: list[TaskOutcome | Exception] = []
        for context in self._contexts:
            day = context.call.game_date
            of_day = made[day]
            writes = {table: of_table[day].digest for table, of_table in written.items() if day in of_table}
            found.append(
                of_day
                if isinstance(of_day, Exception)
                else self._outcome(day, of_day, Versions(versions[day].code, versions[day].reads, writes))
            )
        return found

    def _normalise(self) -> dict[date, _Made | Exception]:
        """Return what is to be written, by date; names are given as if the dates were written one after the other."""
        filled = sorted(
            (self._earlier - self._there.any - set(self._snapshot.made_of(self._target.table))) | self._to_fill_in
        )
        names = Names(self._resources, self._contexts, [*filled, *self._days])
        made: dict[date, _Made | Exception] = {}
        for day in self._days:
            before = [other for other in filled if other < day]
            filled = filled[len(before) :]
            lookups = cache(partial(names.at, day))
            past = [(other, self._target.normalise(other, lookups)) for other in before]
            try:
                of_day = _Made(self._target.normalise(day, lookups))
            except NbactlError as error:
                if past:
                    raise  # what is filled in belongs to the date that fails
                made[day] = error
                continue
            of_day.past = [
                (other, outcome)
                for other, outcome in past
                if outcome.rows or outcome.quarantined or other in self._there.any
            ]
            made[day] = of_day
            if self._target.table == PLAYERS:
                for other, outcome in (*of_day.past, (day, of_day.outcome)):
                    names.replaced(other, outcome.rows)
        return made

    def _write_past(self, past: Sequence[tuple[date, Normalised]]) -> None:
        written: Mapping[date, PartitionVersion] = {}
        if past:
            # The past is the same in every run, and the run that holds an earlier date's lease must not be locked
            # out of it: so it is written unfenced, by a holder that is still in its right.
            fence_of(self._contexts).guard(lambda: None)
            written = self._replace(past, fence=None).get(self._target.table, {})
        if self._to_fill_in:
            made_of = self._snapshot.made_of(self._target.table)
            news = {other: note_of(made_of[other], written.get(other)) for other in self._to_fill_in}
            self._resources.raw.note(self._target.table, news)

    def _outcome(self, day: date, made: _Made, versions: Versions) -> TaskOutcome | Exception:
        target, outcome, past = self._target, made.outcome, made.past
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
            return DataError(
                f"none of {outcome.records} records of {day} is fit for {target.table}",
                cause=f"The first: {outcome.quarantined[0].message} ({outcome.quarantined[0].record.origin}).",
                next_step=f"See reason and origin of each: nbactl quarantine list --date {day} --table {target.table}",
                details=detail,
            )
        try:
            if not outcome.rows:
                detail["reason"] = target.why_empty(day)
            lacking = tuple(target.lacks(day, outcome.rows))
        except NbactlError as error:
            return error
        return TaskOutcome(len(outcome.rows), detail, versions, lacking)

    def _what_is_there(self, first: date) -> _There:
        table = self._target.table
        found = self._resources.warehouse().query(
            f"SELECT DISTINCT FALSE AS bad, game_date FROM {table} "  # noqa: S608 - the names are ours
            "WHERE game_date BETWEEN @first AND @last UNION ALL SELECT DISTINCT TRUE AS bad, game_date "
            f"FROM {quarantine_table(table)} WHERE game_date BETWEEN @first AND @last",
            {"first": first, "last": self._days[-1]},
            timeout=self._resources.timeouts["warehouse.query"],
            labels=labels_of(self._contexts),
            cache=False,
        )
        return _There({day for bad, day in found.rows if not bad}, {day for bad, day in found.rows if bad})

    def _replace(
        self, outcomes: Sequence[tuple[date, Normalised]], *, fence: Fence | None
    ) -> dict[str, Mapping[date, PartitionVersion]]:
        """Replace the partitions of these dates, quarantine first: a row is never there without what was left out.

        Returns the versions by table.
        """
        versions = {}
        target = self._target
        bad = [record.row() for _, outcome in outcomes for record in outcome.quarantined]
        bad_days = [day for day, outcome in outcomes if outcome.quarantined or day in self._there.quarantined]
        good = [row for _, outcome in outcomes for row in outcome.rows]
        for table, days, rows in (
            (quarantine_table(target.table), bad_days, Rows(quarantine.COLUMNS, bad)),
            (target.table, [day for day, _ in outcomes], Rows(target.columns, good)),
        ):
            if days:
                written = self._resources.warehouse().replace_partitions(
                    table,
                    days,
                    rows,
                    fence=fence,
                    timeout=self._resources.timeouts["warehouse.load"],
                    labels=labels_of(self._contexts),
                )
                versions[table] = written.versions
        return versions


@dataclass(frozen=True, slots=True)
class _There:
    """The dates that a table and its quarantine have something of."""

    rows: set[date]
    quarantined: set[date]

    @property
    def any(self) -> set[date]:
        """The dates that either has something of."""
        return self.rows | self.quarantined
