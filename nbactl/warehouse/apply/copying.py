"""Copying the rows of one table into another while others write: ranges are copied until both tables agree.

A range is deleted and inserted in one transaction, so that it can be copied as often as it is needed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from nbactl.core._support.row_digests import ROW_HASH, digest_of_rows, row_hash
from nbactl.errors import ContentionError
from nbactl.frozen import frozen
from nbactl.migrations.work import Meter
from nbactl.ports.column_types import canonical
from nbactl.warehouse.apply.ranges import (
    Key,
    Range,
    as_start,
    everything_of,
    key_of,
    left_after,
    ranges_of,
    start_text,
)
from nbactl.warehouse.apply.rewrite import partitions_of
from nbactl.warehouse.plan import ddl
from nbactl.warehouse.plan.steps import PARTITIONS_OF_A_JOB

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from nbactl.migrations.model import Checkpoint
    from nbactl.ports.warehouse import ColumnType, TableLayout, TableSchema
    from nbactl.warehouse.apply.ranges import Start
    from nbactl.warehouse.apply.work import TableWork

_PASSES: Final = 12
_CALM: Final = 4
HOT: Final = 4
"""Partitions that may still differ when the tables are swapped: today's and its neighbours."""
_SHOWN: Final = 10


@frozen
class Copy:
    """A copy of the rows of `source` into `target`, two tables of one dataset.

    `key` says by which ranges rows are compared and copied again, `first` by which they are copied at first. Partitions
    that begin before `expired` and that only the target has are no difference: they have expired in the source.
    """

    source: TableSchema
    target: TableSchema
    key: Key | None
    first: Key | None
    expired: date | None = None

    def named(self, source: str, target: str) -> Copy:
        """Return the same copy between tables of other names."""
        return replace(self, source=replace(self.source, name=source), target=replace(self.target, name=target))


def copy_of(source: TableSchema, target: TableSchema) -> Copy:
    """Return the copy of one table into another: by the partitions of the source, else by those of the target."""
    first = key_of(source, ddl.copy_key(source, target), source.partition_unit)
    key = first or key_of(target, ddl.copy_key(target, source), target.partition_unit)
    return Copy(source, target, key, first)


def copy_all(table: TableWork, copy: Copy, *, fill: bool = True, hot: int = 0) -> str | None:
    """Copy until both tables agree; returns the state of the source that the last comparison has seen.

    Without `fill` the target has rows already, so that a comparison comes first. At most `hot` partitions that differ
    after some passes, because they are written to all the time, are left to be copied when nobody can write: then it
    returns None. Raises ContentionError if more of them never agree.
    """
    fresh: dict[str, Any] = {"pass": 1 if fill else 2, "after": None, "ranges": 0, "rows": 0}
    checkpoint = table.work.begin("copy", table.job.run, cursor=fresh)
    if checkpoint.cursor["pass"] == 1:
        found = table.find(copy.source.name)
        partitions = left_after(partitions_of(table, copy.source, copy.first), checkpoint.cursor["after"])
        ranges = ranges_for(table, copy.first, partitions, found) if partitions else []
        checkpoint = _copy_ranges(table, copy, ranges, checkpoint)
        checkpoint = table.work.save(checkpoint, {**checkpoint.cursor, "pass": 2, "after": None}, {"pass": 1})
    for number in range(2, _PASSES + 2):
        table.pause_point()
        state = state_of(table.find(copy.source.name))
        different = differing(table, copy)
        if not different:
            return state
        if number > _CALM and len(different) <= hot:
            return None
        ranges = ranges_for(table, copy.key, [(start, rows) for start, rows in different.items()], None)
        checkpoint = _copy_ranges(table, copy, ranges, replace(checkpoint, cursor={**checkpoint.cursor, "after": None}))
        checkpoint = table.work.save(
            checkpoint, {**checkpoint.cursor, "pass": number + 1, "after": None}, {"pass": number}
        )
    raise ContentionError(
        f"after {_PASSES} passes {copy.source.name} still differs from its copy",
        cause=f"It is written to without a pause: {shown(different)}.",
        next_step="Let the writers pause for a minute, then run the same command again.",
    )


def differing(table: TableWork, copy: Copy) -> dict[Start | None, int]:
    """Return the partitions whose rows differ, with the rows of the source."""
    wanted, found = (digests(table, copy, of_source=of_source) for of_source in (True, False))
    return {
        start: wanted.get(start, ("", 0))[1]
        for start in wanted.keys() | found.keys()
        if wanted.get(start) != found.get(start) and not (start not in wanted and _has_expired(start, copy.expired))
    }


def _has_expired(start: Start | None, before: date | None) -> bool:
    day = start.date() if isinstance(start, datetime) else start
    return before is not None and day is not None and day < before


def digests(table: TableWork, copy: Copy, *, of_source: bool) -> dict[Start | None, tuple[str, int]]:
    """Return digest and rows by partition, over the columns that both tables have, as the target has them."""
    pairs = ddl.common(copy.target, copy.source)
    columns = [replace(one, type=cast("ColumnType", canonical(one.type))) for one, _ in pairs]
    read = copy.source if of_source else copy.target
    given = [
        f"{ddl.cast(one, found)} AS {ddl.quoted(one.name)}" if of_source else ddl.quoted(one.name)
        for one, found in pairs
    ]
    start = "NULL" if copy.key is None else copy.key.expression
    sql = (
        f"SELECT start, {digest_of_rows()} AS digest, COUNT(*) AS row_count\n"
        f"FROM (SELECT {start} AS start, {row_hash(columns)} AS {ROW_HASH}\n"
        f"FROM (SELECT {', '.join(given)}\nFROM {ddl.quoted(read.name)}\n{everything_of(read)}))\nGROUP BY start"
    )
    return {as_start(start): (digest, rows) for start, digest, rows in table.query(sql).rows}


def ranges_for(
    table: TableWork, key: Key | None, partitions: Sequence[tuple[Start | None, int]], found: TableLayout | None
) -> list[Range]:
    """Return the ranges in which partitions are copied; ranges of such that differ hold no others."""
    if key is None:
        return [Range(None, None, None, 1, sum(rows for _, rows in partitions), None if found is None else found.bytes)]
    most = table.range_bytes
    if found is None:
        return ranges_of(key, partitions, None, most=most, partitions=1)
    row_bytes = found.bytes / found.rows if found.bytes and found.rows else None
    return ranges_of(key, partitions, row_bytes, most=most, partitions=PARTITIONS_OF_A_JOB)


def state_of(found: TableLayout | None) -> str | None:
    """Return what changes with every write to a table; None where it cannot be known."""
    if found is None or found.modified is None or found.streaming_rows:
        return None
    return f"{found.modified.isoformat()} {found.rows}"


def shown(starts: Collection[Start | None]) -> str:
    """Return partitions for a message."""
    ordered = sorted(starts, key=lambda start: (start is not None, str(start)))
    texts = ["rows without a partition" if start is None else str(start) for start in ordered]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return f"{', '.join(texts[:_SHOWN])}{more}"


def _copy_ranges(table: TableWork, copy: Copy, ranges: Sequence[Range], checkpoint: Checkpoint) -> Checkpoint:
    cursor = dict(checkpoint.cursor)
    done = cursor["ranges"] if cursor["pass"] == 1 else 0
    total = done + len(ranges)
    table.rows = cursor["rows"]
    meter = Meter(table.work.clock, f"copy {table.job.table}", f"pass {cursor['pass']}", done=done, total=total)
    for number, one in enumerate(ranges, done + 1):
        table.pause_point(meter)
        began = table.work.clock.monotonic()
        written, read = (
            (everything_of(copy.target), everything_of(copy.source)) if one.key is None else (one.where,) * 2
        )
        statements = ddl.copy_range(copy.target, copy.source, written=written, read=read)
        table.change(statements, one.parameters, f"{checkpoint.stage}-{cursor['pass']}-{checkpoint.chunks}-{one.name}")
        cursor |= {"after": start_text(one.last), "ranges": cursor["ranges"] + 1, "rows": cursor["rows"] + one.rows}
        checkpoint = table.work.save(checkpoint, cursor, {"range": one.name, "rows": one.rows})
        table.rows = cursor["rows"]
        table.throttle(one.size or 0, table.work.clock.monotonic() - began)
        table.work.observe(meter.at(number, {"rows": cursor["rows"]}))
    return checkpoint
