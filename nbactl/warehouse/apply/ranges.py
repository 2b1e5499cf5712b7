"""Ranges of partitions: what one statement reads or writes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.frozen import frozen
from nbactl.ports.column_types import base
from nbactl.warehouse.plan import ddl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nbactl.ports.warehouse import TableSchema

Start = date | datetime
"""The beginning of a partition."""
_MICROSECOND: Final = timedelta(microseconds=1)
_MONTHS: Final = 12
_NULL: Final = "null"


@frozen
class Key:
    """The column by whose ranges a table is read: `unit` says what is one partition."""

    column: str
    kind: str
    unit: str

    @property
    def expression(self) -> str:
        """The SQL for the partition of a row."""
        name = ddl.quoted(self.column)
        if self.kind == "DATE":
            return name if self.unit == "DAY" else f"DATE_TRUNC({name}, {self.unit})"
        return f"TIMESTAMP_TRUNC({name}, {self.unit})"

    def last(self, start: Start) -> Start:
        """Return the last value of the partition that begins at `start`."""
        if self.unit in ("HOUR", "DAY"):
            following = start + (timedelta(hours=1) if self.unit == "HOUR" else timedelta(days=1))
        elif self.unit == "MONTH":
            following = start.replace(year=start.year + start.month // _MONTHS, month=start.month % _MONTHS + 1)
        else:
            following = start.replace(year=start.year + 1)
        return following - (timedelta(days=1) if self.kind == "DATE" else _MICROSECOND)


@frozen
class Range:
    """Rows that one statement handles: those of partitions, those without one (`first` is None), or all (no key).

    `size` is an estimate of its bytes, None where the engine does not know any.
    """

    key: Key | None
    first: Start | None
    last: Start | None
    partitions: int
    rows: int
    size: int | None

    @property
    def where(self) -> str:
        """The condition."""
        if self.key is None:
            return "WHERE TRUE"
        name = ddl.quoted(self.key.column)
        return f"WHERE {name} IS NULL" if self.first is None else f"WHERE {name} BETWEEN @first AND @last"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of the condition."""
        if self.key is None or self.first is None or self.last is None:
            return {}
        return {"first": self.first, "last": self.key.last(self.last)}

    @property
    def name(self) -> str:
        """The range as part of the key of a statement: letters, digits and `-`."""
        if self.key is None:
            return "all"
        if self.first is None or self.last is None:
            return "null"
        return f"{_plain(self.first)}-{_plain(self.last)}"


def key_of(schema: TableSchema, column: str | None, unit: str) -> Key | None:
    """Return the key for a column of a table; None for none, or for a type without ranges."""
    for one in schema.columns:
        if column is not None and one.name.lower() == column.lower() and base(one.type) in ("DATE", "TIMESTAMP"):
            return Key(one.name, base(one.type), unit)
    return None


def everything_of(schema: TableSchema) -> str:
    """Return a condition that all rows meet, and that a table accepts which requires a filter by its partitions."""
    key = key_of(schema, schema.partition_by, schema.partition_unit)
    if key is None:
        return "WHERE TRUE"
    name = ddl.quoted(key.column)
    least = "DATE '0001-01-01'" if key.kind == "DATE" else "TIMESTAMP '0001-01-01 00:00:00+00'"
    return f"WHERE {name} >= {least} OR {name} IS NULL"


def ranges_of(
    key: Key | None, found: Iterable[tuple[Start | None, int]], row_bytes: float | None, *, most: int, partitions: int
) -> list[Range]:
    """Return the ranges of partitions with these rows, in order; each has at most so many bytes and partitions.

    A partition that is larger is a range of its own. Rows without a partition come last.
    """
    ordered = sorted(found, key=lambda item: (item[0] is None, item[0] or date.min))
    return list(_grouped(key, ordered, row_bytes, most=most, partitions=partitions))


def _grouped(
    key: Key | None, ordered: list[tuple[Start | None, int]], row_bytes: float | None, *, most: int, partitions: int
) -> Iterator[Range]:
    open_: Range | None = None
    for start, rows in ordered:
        size = None if row_bytes is None else round(rows * row_bytes)
        one = Range(key, start, start, 1, rows, size)
        if open_ is None:
            open_ = one
            continue
        both = None if open_.size is None or size is None else open_.size + size
        if start is None or open_.partitions >= partitions or (both or 0) > most:
            yield open_
            open_ = one
        else:
            open_ = Range(key, open_.first, start, open_.partitions + 1, open_.rows + rows, both)
    if open_ is not None:
        yield open_


def left_after(partitions: Iterable[tuple[Start | None, int]], after: str | None) -> list[tuple[Start | None, int]]:
    """Return the partitions that come after the one that a cursor names, all without one.

    They are what is left, however large the ranges were that were done before.
    """
    return [
        (start, rows)
        for start, rows in partitions
        if after is None or (after != _NULL and (start is None or start_text(start) > after))
    ]


def start_text(start: Start | None) -> str:
    """Return the beginning of a partition as a cursor has it."""
    return _NULL if start is None else start.isoformat()


def as_start(value: Any) -> Start | None:  # noqa: ANN401 - a cell
    """Return the beginning of a partition from a cell."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _plain(start: Start) -> str:
    return start.strftime("%Y%m%d") if not isinstance(start, datetime) else start.strftime("%Y%m%dT%H")
