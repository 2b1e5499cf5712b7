"""Undoing an applied plan: what was written since is kept, or the undo is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.errors import PreconditionError
from nbactl.warehouse.apply.copying import HOT, copy_all, copy_of, differing, shown
from nbactl.warehouse.apply.in_place import change_in_place
from nbactl.warehouse.apply.ranges import everything_of
from nbactl.warehouse.apply.rebuild import expire
from nbactl.warehouse.apply.swap import Swap, swap_names
from nbactl.warehouse.plan import ddl
from nbactl.warehouse.plan.changes import compare

if TYPE_CHECKING:
    from nbactl.ports.warehouse import TableLayout, TableSchema
    from nbactl.warehouse.apply.copying import Copy
    from nbactl.warehouse.apply.job import Job
    from nbactl.warehouse.apply.work import TableWork
    from nbactl.warehouse.plan.changes import Change

_REVERSED = {"missing_column": "extra_column", "extra_column": "missing_column"}


def check_undo(table: TableWork) -> None:
    """Raise PreconditionError if the undo would lose rows or values, or if what it needs has expired."""
    job = table.job
    if job.before is None:
        _check_no_rows(table)
        return
    if by_swap(table):
        _check_kept(table)
        _check_free(table)
        kept = job.side.old if table.find(job.side.old) is not None else job.side.before
        if table.find(job.table) is not None:
            _check_columns(table, undo_copy(job).named(job.table, kept))
    elif job.how != "rebuild":
        for change in reversible(job, table.table()):
            if change.kind == "extra_column":
                _check_empty(table, str(change.column))


def by_swap(table: TableWork) -> bool:
    """Say whether the old table has to take its name back, because the change cannot be made the other way round."""
    job = table.job
    if job.how == "rebuild":
        return job.kept_until is not None or table.find(job.side.old) is not None
    lost = {change.kind for change in job.made if change.lost}
    return any(
        change.how in ("rebuild", "refused") or change.kind == "missing_column" or change.kind in lost
        for change in reversible(job, table.table())
    )


def undo_without_swap(table: TableWork) -> None:
    """Undo what needs no other table: drop one that was created or filled, or change metadata back."""
    job = table.job
    if job.before is None:
        _check_no_rows(table)
        table.define(f"DROP TABLE IF EXISTS {ddl.quoted(job.table)}")
    elif job.how == "rebuild":
        table.define(f"DROP TABLE IF EXISTS {ddl.quoted(job.side.new)}")
    else:
        change_in_place(table, job.before, reversible(job, table.table()))


def reversible(job: Job, layout: TableLayout) -> tuple[Change, ...]:
    """Return the changes that lead back from the plan, as far as it was applied."""
    planned = {(change.kind, (change.column or "").lower()) for change in job.made}
    return tuple(
        change
        for change in compare(_before(job), layout, drop_columns=True)
        if (_REVERSED.get(change.kind, change.kind), (change.column or "").lower()) in planned
    )


def bring_back(table: TableWork) -> bool:
    """Make the table that was kept ready to take its name again; says whether it has it already.

    It expires no more, and a snapshot becomes a table.
    """
    job = table.job
    _check_kept(table)
    if table.find(job.side.old) is None:
        table.define(ddl.clone(job.side.old, job.side.before))
    table.define(expire(job.side.old, None))
    if table.find(job.table) is not None:
        return False
    # The swap of the rebuild stopped between its renames: nobody has written since.
    table.define(ddl.rename(job.side.old, job.table), f"DROP TABLE IF EXISTS {ddl.quoted(job.side.new)}")
    return True


def replay(table: TableWork) -> str | None:
    """Copy what was written since into the old table; returns what the last comparison has seen.

    Raises PreconditionError where the old table has a column that the rows written since lack.
    """
    copy = undo_copy(table.job)
    _check_columns(table, copy)
    return copy_all(table, copy, fill=False, hot=HOT)


def swap_back(table: TableWork) -> None:
    """Give the old table its name back; the other one is kept as `nbactl_undone_…`."""
    job = table.job
    swap_names(table, Swap(job.table, job.side.old, job.side.undone, undo_copy(job), job.compared))
    table.define(expire(job.side.undone, table.work.clock.now() + timedelta(seconds=job.keep)))


def undo_copy(job: Job) -> Copy:
    """Return the copy from the table into the old one."""
    copy = copy_of(replace(job.wanted, name=job.table), replace(_before(job), name=job.side.old))
    days = job.wanted.partition_expiration_days
    return copy if days is None else replace(copy, expired=(job.started_at - timedelta(days=days)).date())


def _check_columns(table: TableWork, copy: Copy) -> None:
    there = {one.name.lower() for one in copy.source.columns}
    lacking = [one.name for one in copy.target.columns if one.name.lower() not in there]
    if lacking and (different := differing(table, copy)):
        raise PreconditionError(
            f"{table.job.table} was written to since, in {shown(different)}",
            cause=f"The old table has {', '.join(lacking)}, which these rows lack: they cannot be taken along.",
            next_step=f"Copy these rows into {table.job.side.old} yourself, then run the same command again.",
            details={"partitions": [str(start) for start in different]},
        )


def _check_kept(table: TableWork) -> None:
    job = table.job
    kept = job.side.old if job.how == "rebuild" else job.side.before
    if table.find(job.side.old) is not None or table.find(kept) is not None:
        return
    until = "" if job.kept_until is None else f" It was kept until {job.kept_until.isoformat(timespec='minutes')}."
    raise PreconditionError(
        f"{kept} has expired: {job.table} cannot be changed back",
        cause=f"What was before is kept for the time that --keep says.{until}",
        next_step="Declare the table as it was, and plan that.",
    )


def _check_free(table: TableWork) -> None:
    name = table.job.side.undone
    if table.find(name) is not None:
        raise PreconditionError(
            f"{name} is there already",
            cause="An earlier undo keeps it.",
            next_step=f"If nobody needs it: DROP TABLE {ddl.quoted(name)}",
        )


def _check_no_rows(table: TableWork) -> None:
    found = table.find(table.job.table)
    if found is not None and (rows := found.rows or found.streaming_rows):
        raise PreconditionError(
            f"{table.job.table} has {rows:,} rows",
            cause="The plan created it empty; an undo would drop them.",
            next_step=f"Drop it yourself if they may go: DROP TABLE {ddl.quoted(table.job.table)}",
        )


def _check_empty(table: TableWork, column: str) -> None:
    name = ddl.quoted(table.job.table)
    where = everything_of(table.table().schema)
    rows = table.query(f"SELECT COUNT({ddl.quoted(column)}) FROM {name} {where}").scalar()
    if rows:
        raise PreconditionError(
            f"{column} of {table.job.table} has {rows:,} values",
            cause="The plan added the column; an undo would drop them.",
            next_step=f"Drop it yourself if they may go: ALTER TABLE {name} DROP COLUMN {ddl.quoted(column)}",
        )


def _before(job: Job) -> TableSchema:
    if job.before is None:
        raise AssertionError("a table that was not there is dropped")
    return job.before
