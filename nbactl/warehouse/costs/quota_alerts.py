"""An alert once a table and day for tables that are near a limit of BigQuery, looked for once an hour at most.

The hour is a document, so that of many processes that tick one asks, and each look is billed once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.ports.alerts import Alert
from nbactl.ports.documents import ArrayUnion, Set, Update
from nbactl.warehouse.costs.quotas import measure_quotas

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from nbactl.ports.documents import DocumentStore, Transaction
    from nbactl.ports.warehouse import JobHistory
    from nbactl.warehouse.costs.quotas import QuotaReport, QuotaUse

PATH: Final = "bq_quotas/check"


def alert_of_quotas(
    history: JobHistory,
    documents: DocumentStore,
    send: Callable[[Alert], None],
    partitioned: Collection[str],
    *,
    now: datetime,
    every: float,
    timeout: float,
) -> tuple[str, ...] | None:
    """Send the alerts that are due; returns the tables near a limit, None if it was looked less than `every` s ago.

    A table is recorded after its alert was sent: a kill between the two sends the alert again, which the window of
    alerts holds back. Raises what the history raises, and then looks again after `every` seconds.
    """
    day = str(GameDate.of(now))
    if (known := documents.transaction(lambda transaction: _claim(transaction, now, every, day))) is None:
        return None
    report = measure_quotas(history, partitioned, now=now, timeout=timeout)
    tables = tuple(dict.fromkeys(use.table for use in report.near))
    for table in tables:
        if table not in known:
            send(_alert(table, [use for use in report.near if use.table == table], report, day))
            documents.commit([Update(PATH, {"alerted": ArrayUnion((table,))})])
    return tables


def _claim(transaction: Transaction, now: datetime, every: float, day: str) -> Collection[str] | None:
    """Take this hour's look; returns the tables of which the day has had its alert, None if it was taken already."""
    found = transaction.get(PATH)
    before: dict[str, Any] = {} if found is None else found.data
    if before and before["checked_at"] > now - timedelta(seconds=every):
        return None
    alerted: list[str] = before["alerted"] if before.get("day") == day else []
    transaction.write(Set(PATH, {"checked_at": now, "day": day, "alerted": alerted}))
    return alerted


def _alert(table: str, uses: list[QuotaUse], report: QuotaReport, day: str) -> Alert:
    exceeded = any(use.state == "exceeded" for use in uses)
    worst = uses[0]
    return Alert(
        key=f"bq_quota/{table}/{day}",
        severity="critical" if exceeded else "warning",
        title=f"{table} has used {worst.used:,} of {worst.limit:,} {words(worst.name)} in 24 hours",
        text="At the limit BigQuery refuses further writes to the table until the oldest ones are a day old.",
        fields={
            **{words(use.name): f"{use.used:,} of {use.limit:,} ({use.percent:.0f} %)" for use in uses},
            **({"refused jobs": f"{report.refused[table]:,}"} if table in report.refused else {}),
        },
        next_step="nbactl bq quotas --target gcp",
    )


def words(name: str) -> str:
    """Return the name of a limit in words."""
    return name.replace("_", " ").replace("dml", "DML").replace("insert", "INSERT")
