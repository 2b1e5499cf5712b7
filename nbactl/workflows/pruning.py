"""Removes old runs from the ledger, with their tasks; never one that a later decision or an undo still reads.

Of the runs of a game date these stay: one that is recorded as running, or was dismissed (`runs dismiss --undo`); of
each name and source the last one and the last one that ended well, which say whether the date is done, fresh or failed;
and each that a run that stays has resumed or carries tasks from.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final

from nbactl.core.retention.model import Removal
from nbactl.errors import DataError, NotFoundError, PreconditionError
from nbactl.ports.documents import MAX_WRITES, Delete, Filter, Order, Query
from nbactl.workflows.model import RunRecord, RunStatus
from nbactl.workflows.reading import Unreadable, is_newer, read_run, read_task
from nbactl.workflows.writing import RUNS, task_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from nbactl.ports.documents import Document, DocumentStore

_AHEAD: Final = timedelta(days=7)
"""Game dates so long after the time are examined too: a run may be of a later date than its start."""
_ENDED_WELL: Final = (RunStatus.SUCCEEDED, RunStatus.PARTIAL, RunStatus.DETACHED)


class OldRuns:
    """Removes runs that were started before a time, game date by game date. Ids are those of game dates."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    def prune(self, before: datetime, at_most: int, *, start: str | None, dry_run: bool) -> Removal:
        removed = examined = 0
        last = start
        for day, documents in self._dates(before, start):
            if examined >= at_most:
                return Removal(removed, examined, None, last)
            removable = self._removable(documents, before)
            examined += len(documents)
            removed += len(removable) if dry_run else self._remove(removable)
            last = day
        return Removal(removed, examined)

    def _dates(self, before: datetime, start: str | None) -> Iterator[tuple[str, list[Document]]]:
        filters = [Filter("game_date", "<=", (before + _AHEAD).date().isoformat())]
        if start is not None:
            filters.append(Filter("game_date", ">", start))
        found = self._store.query(Query(RUNS, tuple(filters), (Order("game_date"),)))
        for day, documents in groupby(found, key=lambda document: str(document.data["game_date"])):
            yield day, list(documents)

    def _removable(self, documents: Sequence[Document], before: datetime) -> list[Document]:
        """Return the runs of a game date that nothing needs; none where one cannot be read that may name others."""
        entries = [read_run(document) for document in documents]
        runs = {entry.run_id: entry for entry in entries if isinstance(entry, RunRecord)}
        by_id = {document.id: document for document in documents}
        old = {run_id for run_id, run in runs.items() if _is_over(run, before)} - _last_ones(runs.values())
        if not old or any(isinstance(entry, Unreadable) for entry in entries):
            return []
        reading = [run_id for run_id in runs if run_id not in old]
        while reading:
            named = self._named([by_id[run_id] for run_id in reading], runs)
            if named is None:
                return []
            reading = list(named & old)
            old.difference_update(reading)
        return [by_id[run_id] for run_id in runs if run_id in old]

    def _named(self, documents: Sequence[Document], runs: dict[str, RunRecord]) -> set[str] | None:
        """Return the runs that these resumed or carry tasks from; None if a task cannot be read."""
        paths = [task_path(document.id, task) for document in documents for task in document.data["task_order"]]
        found = {resumed for document in documents if (resumed := runs[document.id].resumed_from) is not None}
        for task in self._store.get_all(paths):
            try:
                if task is None:
                    return None
                if (carried := read_task(task).carried_from) is not None:
                    found.add(carried)
            except DataError:
                return None
        return found

    def _remove(self, documents: Sequence[Document]) -> int:
        """Remove runs with their tasks: several in one commit, or each by itself where another process changed one."""
        removed = 0
        batch: list[list[Delete]] = []
        for deletes in [*map(_deletes, documents), []]:
            if batch and (not deletes or sum(map(len, batch)) + len(deletes) > MAX_WRITES):
                if self._commit([delete for run in batch for delete in run]):
                    removed += len(batch)
                elif len(batch) > 1:
                    removed += sum(self._commit(run) for run in batch)
                batch = []
            if deletes:
                batch.append(deletes)
        return removed

    def _commit(self, deletes: list[Delete]) -> bool:
        while len(deletes) > MAX_WRITES:  # the run exists as long as its own document, which is the last
            self._store.commit(deletes[:MAX_WRITES])
            deletes = deletes[MAX_WRITES:]
        try:
            self._store.commit(deletes)
        except (PreconditionError, NotFoundError):
            return False
        return True


def _deletes(document: Document) -> list[Delete]:
    tasks = [Delete(task_path(document.id, task)) for task in document.data["task_order"]]
    return [*tasks, Delete(document.path, if_updated_at=document.update_time)]


def _is_over(run: RunRecord, before: datetime) -> bool:
    ended = run.finished_at or run.started_at
    return run.status is not RunStatus.RUNNING and run.dismissed is None and max(run.started_at, ended) < before


def _last_ones(runs: Iterable[RunRecord]) -> set[str]:
    """Return of each name and source the last run, and the last one that ended well."""
    last: dict[tuple[str, str, bool], RunRecord] = {}
    for run in runs:
        for ended_well in (False, run.status in _ENDED_WELL):
            key = (run.name, run.source, ended_well)
            if key not in last or is_newer(run, last[key]):
                last[key] = run
    return {run.run_id for run in last.values()}
