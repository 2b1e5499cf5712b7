"""What a statement reads and what that costs: https://cloud.google.com/bigquery/pricing#on_demand_pricing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server

from nbactl.testing.bigquery import partitions, reads
from nbactl.testing.bigquery.errors import ApiError, invalid_query
from nbactl.testing.bigquery.information_schema import PREFIX
from nbactl.testing.bigquery.session import TEMP

if TYPE_CHECKING:
    from nbactl.testing.bigquery.job import Job
    from nbactl.testing.bigquery.limits import Limits
    from nbactl.testing.bigquery.partitions import Partition
    from nbactl.testing.bigquery.reads import Read
    from nbactl.testing.bigquery.session import Session
    from nbactl.testing.bigquery.store import Name

_MIB: Final = 2**20


def charge(session: Session, limits: Limits, job: Job, tree: exp.Expr) -> None:
    """Note the bytes that a statement processes and is billed.

    Raises ApiError for a table that requires a filter on its partitions and has none, and if more would be billed
    than maximumBytesBilled.
    """
    processed = billed = 0
    views = {table.name for table in tree.find_all(exp.Table) if table.name.startswith(PREFIX)}
    if views:  # INFORMATION_SCHEMA costs the least amount that is billed, whatever it reads
        processed = billed = limits.billed_minimum
    present: dict[Name, list[Partition]] = {}
    for read in reads.of(session, tree):
        if read.table.name[1] in views:
            continue
        _check_filter(session, read)
        size = _size(session, read, present)
        processed += size
        billed += max(size, limits.billed_minimum) if size else 0
    billed = -(-billed // _MIB) * _MIB
    limit = job.query.get("maximumBytesBilled")
    if limit is not None and billed > int(limit):
        raise ApiError(
            "bytesBilledLimitExceeded",
            f"Query exceeded limit for bytes billed: {limit}. {billed} or higher required.",
        )
    job.bytes_processed, job.bytes_billed = processed, billed


def _check_filter(session: Session, read: Read) -> None:
    if read.table.resource.get("requirePartitionFilter") and read.test is None and read.table.partition_field:
        raise invalid_query(
            f"Cannot query over table '{session.store.project}.{'.'.join(read.table.name)}' without a filter over "
            f"column(s) '{read.table.partition_field}' that can be used for partition elimination"
        )


def _size(session: Session, read: Read, present: dict[Name, list[Partition]]) -> int:
    """Return the bytes of a read; `present` keeps the partitions of tables that were looked at for the statement."""
    if not read.table.fields:
        return 0
    if read.table.name not in present:
        alone = session.transaction is None and read.table.name[0] != TEMP
        look = partitions.known if alone else partitions.of
        present[read.table.name] = look(session.cursor, read.table)
    found = present[read.table.name]
    if read.test is not None:
        found = [one for one in found if read.test(reads.span(read.table, one.id))]
    return sum(
        size for one in found for name, size in one.bytes.items() if read.columns is None or name in read.columns
    )
