"""Retention, built from the container: what removes each kind of what accumulates."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import date

    from nbactl.bootstrap.container import Container
    from nbactl.core.retention.model import Pruner
    from nbactl.core.retention.retention import Retention
    from nbactl.ports.documents import Document
    from nbactl.workflows.model import RunRecord


def make_retention(app: Container) -> Retention:
    """Return what removes the kinds that the target has, as long as timeouts.yaml says that each is kept."""
    from nbactl.config.retention import KINDS
    from nbactl.core.retention.retention import KindSpec, Retention

    declared, timeouts = app.config.timeouts.retention, app.config.timeouts
    opened = {**_of_documents(app), **_of_files(app)}
    if (bus := app.target.bus_history(app)) is not None:
        opened["bus"] = lambda: bus
    kinds = {kind: KindSpec(declared[kind].keep, declared[kind].why, opened[kind]) for kind in KINDS if kind in opened}
    return Retention(kinds, lambda: app.documents, every=timeouts["retention.sweep"])


def _of_documents(app: Container) -> Mapping[str, Callable[[], Pruner]]:
    def runs() -> Pruner:
        from nbactl.workflows.pruning import OldRuns

        return OldRuns(app.documents)

    def flag_history() -> Pruner:
        from nbactl.core.retention.flags import OldFlagHistory

        return OldFlagHistory(app.documents)

    def migration_history() -> Pruner:
        from nbactl.migrations.pruning import OldMigrationSteps

        return OldMigrationSteps(app.documents)

    def by_time(collection: str, field: str, is_open: Callable[[Document], bool]) -> Pruner:
        from nbactl.core.retention.documents import OldDocuments

        return OldDocuments(app.documents, collection, field, is_open)

    return {
        "runs": runs,
        "flag_history": flag_history,
        "migration_history": migration_history,
        # One that was begun and not ended was killed; what it changed is not known.
        "audit": partial(by_time, "audit", "at", lambda entry: entry.data.get("outcome") == "started"),
        "decisions": partial(by_time, "workflow_decisions", "decided_at", lambda made: made.data.get("open") is True),
    }


def _of_files(app: Container) -> Mapping[str, Callable[[], Pruner]]:
    from nbactl.core.retention.files import OldFiles

    def raw_files() -> Pruner:
        from nbactl.bootstrap.runs import follow_last_source
        from nbactl.pipeline.pruning import OldRawFiles

        follow_last_source(app)
        return OldRawFiles(app.data_dir / "raw", lambda days: _to_be_made(app, days))

    def exports() -> Pruner:
        from nbactl.bootstrap.runs import follow_last_source

        follow_last_source(app)
        return OldFiles(app.data_dir / "exports", "*.json", lambda stems: _named_by_runs(app, stems))

    state = app.settings.state_dir
    return {
        "run_logs": lambda: OldFiles(state / "logs", "*.jsonl", lambda run_ids: _still_of_use(app, run_ids)),
        "raw_files": raw_files,
        "exports": exports,
        "crash_reports": lambda: OldFiles(state / "crash", "*.txt"),
    }


def _still_of_use(app: Container, run_ids: Sequence[str]) -> set[str]:
    """Return the runs whose log may be needed: those that run, and failures that were not made up for."""
    from nbactl.workflows.model import RunRecord, RunStatus
    from nbactl.workflows.reading import read_run
    from nbactl.workflows.writing import run_path

    documents = app.documents.get_all([run_path(run_id) for run_id in run_ids])
    entries = [read_run(document) for document in documents if document is not None]
    found = {entry.run_id for entry in entries if not isinstance(entry, RunRecord)}
    for run in entries:
        if not isinstance(run, RunRecord) or run.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL):
            continue
        newest = app.ledger.latest(run.name, run.game_date, run.source)
        if newest is None or newest.run_id == run.run_id:
            found.add(run.run_id)
    return found


def _to_be_made(app: Container, days: Sequence[date]) -> Collection[date]:
    """Return the dates whose raw files are needed: their tables are to be made again, or no run has made them.

    Those are dates with a file that no finished task has read, and those with a reader that is not fresh. Dates that
    phases 1 and 2 filled in for the sake of later ones have no run, so they stay.
    """
    from nbactl.pipeline.recipes import recipe_of
    from nbactl.workflows.works import work_of

    resources = app.processor_resources
    works = {name: work_of(task, "process") for name, task in app.config.workflows.tasks.items()}
    recipes = {name: recipe_of(work, resources.schema_of) for name, work in works.items() if work is not None}
    readers = {name: recipe.raw for name, recipe in recipes.items() if recipe is not None and recipe.raw}
    newest = [run for run in _newest_runs(app, days) if any(task.name in readers for task in run.tasks)]
    judged = app.freshness.judge(newest)
    needed = set(days)
    for day in days:
        runs = [run for run in newest if run.game_date.day == day]
        tried = {task.name for run in runs for task in run.tasks if task.name in readers}
        fresh = {name for run in runs for name, found in judged.get(run.run_id, {}).items() if found.state == "fresh"}
        unread = set(chain.from_iterable(readers.values())).difference(*(readers.get(name, ()) for name in fresh))
        if tried and tried <= fresh and not any(resources.raw.path(dataset, day).exists() for dataset in unread):
            needed.discard(day)
    return needed


def _named_by_runs(app: Container, stems: Sequence[str]) -> set[str]:
    """Return the dates of exports that the newest runs wrote."""
    from datetime import date

    newest = _newest_runs(app, [date.fromisoformat(stem) for stem in stems])
    return {
        str(run.game_date)
        for run in newest
        for task in run.tasks
        if task.versions is not None and "export" in task.versions.writes
    }


def _newest_runs(app: Container, days: Sequence[date]) -> list[RunRecord]:
    from nbactl.core._support.gamedate import GameDate

    names = {*app.config.workflows.phases, *app.config.workflows.workflows, *app.config.workflows.tasks}
    past = app.ledger.latest_between(names, GameDate(min(days)), GameDate(max(days)), app.source.key)
    return list(past.values())
