"""Fencing tokens of partitions: a write that comes from an older lease is refused (INVARIANTS 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.errors import StaleFenceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from duckdb import DuckDBPyConnection

    from nbactl.ports.warehouse import Fence


def check_and_record(cursor: DuckDBPyConnection, table: str, days: Sequence[date], fence: Fence) -> None:
    """Refuse if a partition was written under a greater token, else record this one, in the caller's transaction."""
    here = {"name": table, "days": list(days)}
    cursor.execute(
        "SELECT day, token, holder FROM nbactl_internal.partition_fences "
        "WHERE table_name = $name AND list_contains(CAST($days AS DATE[]), day) AND token > $token",
        {**here, "token": fence.token},
    )
    if newer := cursor.fetchall():
        day, token, holder = max(newer, key=lambda fence: fence[1])
        raise StaleFenceError(
            f"{table} of {day} was written by a later run",
            cause=f"{holder} wrote it under token {token}; this write by {fence.holder} carries {fence.token}",
            next_step="Nothing was changed. The later run's data stand; see `nbactl runs list`.",
            details={"table": table, "day": day.isoformat(), "holder": holder, "token": token},
        )
    cursor.execute(
        "DELETE FROM nbactl_internal.partition_fences "
        "WHERE table_name = $name AND list_contains(CAST($days AS DATE[]), day)",
        here,
    )
    cursor.execute(
        "INSERT INTO nbactl_internal.partition_fences "
        "SELECT $name, UNNEST(CAST($days AS DATE[])), CAST($token AS BIGINT), $holder",
        {**here, "token": fence.token, "holder": fence.holder},
    )
