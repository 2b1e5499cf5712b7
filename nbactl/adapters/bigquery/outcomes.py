"""What jobs did: the rows they changed, the partitions they wrote, and why a script refused to write."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbactl.adapters.bigquery import scripts
from nbactl.adapters.bigquery.calls import NO_RETRY
from nbactl.adapters.bigquery.errors import raised_text
from nbactl.core._support.warehouse_values import null_in_required, outside_partitions, stale_fence
from nbactl.core.calls.deadline import time_for
from nbactl.ports.warehouse import Modified, PartitionVersion

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from google.cloud import bigquery

    from nbactl.errors import DataError, NbactlError
    from nbactl.ports.warehouse import Fence, TableSchema

_LONGEST = 3600.0
"""Seconds; the limit of the call is in force."""


def wait(job: bigquery.QueryJob) -> None:
    """Wait for a statement without a result. Raises its error."""
    job.result(page_size=1, retry=NO_RETRY, job_retry=None, timeout=time_for("a statement", _LONGEST))


def modified(client: bigquery.Client, job: bigquery.QueryJob) -> Modified:
    """Wait for a job and return what it did; the rows of a script are those of its statements."""
    wait(job)
    if job.ended is None:
        job.reload(retry=NO_RETRY, timeout=None)
    one = job.statement_type != "SCRIPT"
    jobs = [job] if one else client.list_jobs(parent_job=job.job_id, retry=NO_RETRY, timeout=None)
    return Modified(
        rows=sum(part.num_dml_affected_rows or 0 for part in jobs),
        bytes_processed=job.total_bytes_processed,
        bytes_billed=job.total_bytes_billed,
        seconds=(job.ended - job.started).total_seconds(),
        job_id=job.job_id,
    )


def days_of(schema: TableSchema, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> set[date | None]:
    """Return the partitions that rows belong to."""
    if schema.partition_by not in columns:
        return set()
    number = columns.index(schema.partition_by)
    return {_day(row[number]) for row in rows}


def _day(value: date | datetime | None) -> date | None:
    return value.astimezone(UTC).date() if isinstance(value, datetime) else value


def version_of(row: list[Any], modified: datetime) -> PartitionVersion:
    """Return the version of a partition from its rows and its record; what has no record changed by `modified`."""
    digest, rows, kept, changed_at = row
    present = digest or scripts.EMPTY
    return PartitionVersion(present, rows or 0, changed_at if kept == present else modified)


def refusal_of(error: DataError, schema: TableSchema, days: Sequence[date], fence: Fence | None) -> NbactlError:
    """Return what a script of ours found, or the error as it is."""
    if text := raised_text(error, scripts.OUTSIDE):
        return outside_partitions(schema, days, text.split())
    if text := raised_text(error, scripts.NULLS):
        name, count, *_ = text.split()
        return null_in_required(schema, name, int(count))
    if fence is not None and (text := raised_text(error, scripts.STALE)):
        day, token, *holder = text.split(" ", 2)
        return stale_fence(schema.name, day, fence, int(token), "".join(holder))
    return error
