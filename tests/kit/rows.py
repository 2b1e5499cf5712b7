"""Bookkeeping rows: a small table, and a buffer for it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.lease.holder import process_identity
from nbactl.ports.warehouse import Column, TableSchema
from nbactl.warehouse.buffer import BufferTimes, RowBuffer

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.warehouse import Warehouse

TABLE: Final = TableSchema(
    "nba_test.log",
    (Column("id", "STRING", required=True), Column("at", "TIMESTAMP", required=True), Column("note", "STRING")),
    partition_by="at",
    cluster_by=("note",),
)
AT: Final = datetime(2024, 1, 15, 23, 59, tzinfo=UTC)
TIMES: Final = BufferTimes(age=300.0, flush=20.0, at_end=1.0, lease=60.0)
_numbers = itertools.count()


def buffer_of(store: DocumentStore, warehouse: Warehouse, clock: Clock) -> RowBuffer:
    """Return a buffer in front of a warehouse; it makes TABLE where that is missing."""
    return RowBuffer(
        store,
        clock,
        TIMES,
        place=lambda: "here",
        owner=lambda: process_identity(f"flush-{next(_numbers)}"),
        warehouse=lambda: warehouse,
        create=lambda made, _: made.create_table(TABLE),
    )


def row(number: int, **more: Any) -> dict[str, Any]:
    """Return a row of TABLE."""
    return {"id": f"r{number:03}", "at": AT, "note": f"note {number}", **more}


def ids(warehouse: Warehouse) -> list[str]:
    """Return the ids in TABLE, one for each row."""
    return [found for (found,) in warehouse.query("SELECT id FROM nba_test.log ORDER BY id", timeout=20.0).rows]
