"""What a statement reads and what that costs: https://cloud.google.com/bigquery/pricing#on_demand_pricing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server

from nbactl.testing.bigquery import clustering, partitions, reads
from nbactl.testing.bigquery.errors import ApiError, invalid_query
from nbactl.testing.bigquery.information_schema import PREFIX
from nbactl.testing.bigquery.session import TEMP

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    than maximumBytesBilled. What a dry run says, and what is held to that limit, is an upper bound: which blocks of a
    clustered table are read is known when the query runs.
    https://cloud.google.com/bigquery/docs/best-practices-costs#restrict-bytes-billed
    """
    processed = billed = expected = 0
    views = {table.name for table in tree.find_all(exp.Table) if table.name.startswith(PREFIX)}
    if views:  # INFORMATION_SCHEMA costs the least amount that is billed, whatever it reads
        processed = billed = expected = limits.billed_minimum
    present: dict[Name, list[Partition]] = {}
    dry = bool(job.configuration.get("dryRun"))
    for read in reads.of(session, tree):
        if read.table.name[1] in views:
            continue
        _check_filter(session, read)
        most = _size(session, read, present)
        size = most if dry or not read.keys else _clustered_size(session, limits, read, present, most)
        processed += size
        billed += max(size, limits.billed_minimum) if size else 0
        expected += max(most, limits.billed_minimum) if most else 0
    limit = job.query.get("maximumBytesBilled")
    if limit is not None and (expected := -(-expected // _MIB) * _MIB) > int(limit):
        raise ApiError(
            "bytesBilledLimitExceeded",
            f"Query exceeded limit for bytes billed: {limit}. {expected} or higher required.",
        )
    job.bytes_processed, job.bytes_billed = processed, -(-billed // _MIB) * _MIB


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
    return sum(_read_bytes(read, one.bytes) for one in _left(session, read, present))


def _left(session: Session, read: Read, present: dict[Name, list[Partition]]) -> list[Partition]:
    if read.table.name not in present:
        look = partitions.known if _is_committed(session, read) else partitions.of
        present[read.table.name] = look(session.cursor, read.table)
    found = present[read.table.name]
    return found if read.test is None else [one for one in found if read.test(reads.span(read.table, one.id))]


def _clustered_size(
    session: Session, limits: Limits, read: Read, present: dict[Name, list[Partition]], most: int
) -> int:
    """Return the bytes of a read of the blocks that its filters by the clustering columns leave."""
    left = _left(session, read, present)
    if all(one.rows <= limits.block_rows for one in left):
        return most
    look = clustering.known if _is_committed(session, read) else clustering.of
    ids = {one.id for one in left}
    return sum(
        _read_bytes(read, block.bytes)
        for block in look(session.cursor, read.table, limits.block_rows)
        if block.partition in ids
        and (block.key is None or all(test(span) for test, span in zip(read.keys, block.key, strict=False)))
    )


def _is_committed(session: Session, read: Read) -> bool:
    return session.transaction is None and read.table.name[0] != TEMP


def _read_bytes(read: Read, sizes: Mapping[str, int]) -> int:
    return sum(size for name, size in sizes.items() if read.columns is None or name in read.columns)
