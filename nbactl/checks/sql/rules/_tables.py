"""What several rules ask of the reads of a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.checks.sql.relations import Read
    from nbactl.checks.sql.statement import Statement

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def unfiltered(statement: Statement) -> Iterator[Read]:
    """Yield the reads of partitioned tables that nothing limits."""
    for read in statement.facts.reads:
        if read.table.partition and not (read.filtered or read.excused or read.left_open):
            yield read


def named(read: Read) -> str:
    """Return the name of a table, with its size where that is known and the view that it is read through."""
    size = "" if read.table.bytes is None else f" ({_size(read.table.bytes)})"
    via = f", through the view {read.via}," if read.via else ""
    return f"{read.table.name}{size}{via}"


def _size(count: int) -> str:
    amount, unit = float(count), _UNITS[0]
    for larger in _UNITS[1:]:
        if amount < 1000:  # noqa: PLR2004 - SI
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
