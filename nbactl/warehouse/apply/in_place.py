"""Changes of metadata: what the plan has and the table lacks is done, in the order of the plan."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nbactl.core._support.faults import reach
from nbactl.errors import ContentionError, NotFoundError, PreconditionError
from nbactl.warehouse.apply.work import literal_time
from nbactl.warehouse.plan import ddl
from nbactl.warehouse.plan.changes import compare
from nbactl.warehouse.plan.steps import Target, in_place_steps, needs_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.ports.warehouse import TableLayout, TableSchema
    from nbactl.warehouse.apply.work import TableWork
    from nbactl.warehouse.plan.changes import Change

_ROUNDS: Final = 5
_RACES: Final = 20


def create(table: TableWork) -> None:
    """Create the table unless it is there as declared. Raises PreconditionError for another one."""
    found = table.find(table.job.table)
    if found is None:
        try:
            table.define(ddl.create_table(table.job.declared, table.job.table))
        except NotFoundError:  # its dataset is missing, which is created with the table, as by the pipeline
            table.warehouse.create_table(table.job.declared)
    elif any(change.how != "in_place" for change in compare(table.job.declared, found)):
        raise PreconditionError(
            f"{table.job.table} was created by another program meanwhile, otherwise than declared",
            next_step="Run nbactl bq plan again.",
        )


def keep_snapshot(table: TableWork) -> datetime | None:
    """Keep the table as it is, if the changes lose something; returns until when."""
    job = table.job
    if not needs_snapshot([change for change in job.made if change.how != "rebuild"]):
        return None
    until = job.started_at + timedelta(seconds=job.keep)
    if table.find(job.side.before) is None:
        table.define(ddl.snapshot(job.side.before, job.table, literal_time(until)))
    return until


def change_in_place(table: TableWork, declared: TableSchema, changes: Sequence[Change]) -> None:
    """Make those of `changes` that the table still lacks.

    Raises ContentionError if another program changes the table back again and again.
    """
    for _ in range(_ROUNDS):
        found = table.table()
        left = remaining(declared, found, changes)
        if not left:
            return
        for step in in_place_steps(declared, left, Target("", None)):
            table.pause_point()
            if step.kind == "cluster":
                _cluster(table, declared)
            else:
                table.define(*step.statements)
    raise ContentionError(
        f"{declared.name} is changed back again and again",
        cause=f"Left: {', '.join(_named(change) for change in left)}.",
        next_step="Find out who changes the table, then run the same command again.",
    )


def remaining(declared: TableSchema, layout: TableLayout, changes: Sequence[Change]) -> tuple[Change, ...]:
    """Return those of `changes` that are not made yet."""
    lacking = {_key(change) for change in compare(declared, layout, drop_columns=True)}
    return tuple(change for change in changes if _key(change) in lacking)


def _cluster(table: TableWork, declared: TableSchema) -> None:
    """Change the clustering of the table as it is now; one that a writer changed at this moment is read again."""
    for attempt in range(1, _RACES + 1):
        table.before_update()
        etag = table.table().etag
        reach("apply.before_statement")
        try:
            table.warehouse.set_clustering(declared.name, declared.cluster_by, etag=etag, timeout=table.limits.query)
        except PreconditionError:
            if attempt == _RACES:
                raise
            table.work.wait(min(0.05 * attempt, 1.0))
            continue
        reach("apply.statement_done")
        return


def _key(change: Change) -> tuple[str, str]:
    return change.kind, (change.column or "").lower()


def _named(change: Change) -> str:
    return change.kind.replace("_", " ") + (f" {change.column}" if change.column else "")
