"""A rebuild: a new table is filled and compared with the old one while others write, and takes its name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.errors import PreconditionError
from nbactl.warehouse.apply.copying import HOT, Copy, copy_all, copy_of
from nbactl.warehouse.apply.swap import Swap, swap_names
from nbactl.warehouse.apply.work import literal_time
from nbactl.warehouse.plan import ddl
from nbactl.warehouse.plan.document import schema_digest
from nbactl.warehouse.plan.steps import expiration, unexpiring

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.warehouse.apply.job import Job
    from nbactl.warehouse.apply.work import TableWork


def fill_new_table(table: TableWork) -> str | None:
    """Create the new table and copy the rows until both agree; returns what the last comparison has seen."""
    job = table.job
    wanted = replace(unexpiring(job.wanted), name=job.side.new)
    found = table.find(job.side.new)
    if found is None:
        table.define(ddl.create_table(wanted, job.side.new))
    elif schema_digest(found.schema) != schema_digest(wanted):
        raise PreconditionError(
            f"{job.side.new} was changed by another program",
            next_step=f"Drop it, then run the same command again: DROP TABLE {ddl.quoted(job.side.new)}",
        )
    return copy_all(table, rebuild_copy(job), hot=HOT)


def take_name(table: TableWork) -> datetime:
    """Give the new table the name of the old one, which is kept; returns until when."""
    job = table.job
    swap_names(table, Swap(job.table, job.side.new, job.side.old, rebuild_copy(job), job.compared))
    until = table.work.clock.now() + timedelta(seconds=job.keep)
    table.define(*expiration(job.wanted), expire(job.side.old, until))
    return until


def rebuild_copy(job: Job) -> Copy:
    """Return the copy from the table into the new one."""
    if job.before is None:
        raise AssertionError("a table that was not there is not rebuilt")
    return copy_of(job.before, replace(job.wanted, name=job.side.new))


def expire(name: str, until: datetime | None) -> str:
    """Return the statement after which a table expires at a time, or never."""
    text = None if until is None else literal_time(until)
    return ddl.alter(name, [ddl.set_options({"expiration_timestamp": text})])
