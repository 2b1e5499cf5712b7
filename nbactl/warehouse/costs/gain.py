"""What a change of a table has saved: the same queries on the same weekdays, before and after it."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import PreconditionError
from nbactl.frozen import frozen
from nbactl.warehouse.costs.baseline import BILLED, DAYS, JOBS, SLOT_MS, by_query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.ports.warehouse import JobHistory

WAIT: Final = timedelta(hours=48)
"""BigQuery clusters new data in the background, and a day alone says little."""
_TOP: Final = 10


@frozen
class QueryGain:
    """A query before and after. Bytes and slot milliseconds are those of a job, on the weekdays of both times.

    `expected` is what its jobs since the change would have been billed before it, `billed` what they were, in bytes.
    """

    query_hash: str
    jobs_before: int
    jobs_after: int
    bytes_before: float
    bytes_after: float
    slot_ms_before: float
    slot_ms_after: float
    expected: int
    billed: int


@frozen
class Gain:
    """What the change of a table has saved until `until`. Before `ready_at` nothing is compared.

    `only_before` and `only_after` count the queries that cannot be compared: they did not run, or not on the same
    weekdays, or their hash is another one, which a change of the columns makes of SELECT *.
    """

    table: str
    applied_at: datetime
    ready_at: datetime
    until: datetime
    queries: tuple[QueryGain, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    only_before: int = 0
    only_after: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether enough time has passed to compare."""
        return self.until >= self.ready_at

    @property
    def expected(self) -> int:
        """Bytes that the jobs since the change would have been billed before it."""
        return sum(query.expected for query in self.queries)

    @property
    def billed(self) -> int:
        """Bytes that they were billed."""
        return sum(query.billed for query in self.queries)


def measure_gain(history: JobHistory, baseline: Mapping[str, Any], *, now: datetime, timeout: float) -> Gain:
    """Compare a table's queries since its change with its baseline.

    Raises PreconditionError for a change that is not finished, or undone, and what the history raises.
    """
    table, applied_at = baseline["table"], baseline["applied_at"]
    if (undone_at := baseline.get("undone_at")) is not None:
        raise PreconditionError(
            f"the change of {table} was undone",
            cause=f"It was undone at {undone_at:%Y-%m-%d %H:%M} UTC, so that there is no gain to show.",
            next_step="Apply a plan again: nbactl bq apply",
        )
    if applied_at is None:
        raise PreconditionError(
            f"the change of {table} is not finished",
            cause=f"Its baseline was captured at {baseline['captured_at']:%Y-%m-%d %H:%M} UTC.",
            next_step="Run `nbactl bq apply` to its end.",
        )
    ready_at = applied_at + WAIT
    if now < ready_at:
        return Gain(table, applied_at, ready_at, now)
    since = max(applied_at, now - timedelta(days=DAYS))
    before = {query["query_hash"]: query["weekdays"] for query in baseline["queries"]}
    after = by_query(history.jobs(since, now, timeout=timeout), table)
    compared = [gain for key, days in after.items() if (gain := _compared(key, before.get(key, {}), days)) is not None]
    compared.sort(key=lambda gain: -abs(gain.expected - gain.billed))
    top = [gain.query_hash for gain in compared[:_TOP]]
    return Gain(
        table,
        applied_at,
        ready_at,
        now,
        tuple(compared),
        history.query_texts(top, since, now, timeout=timeout),
        len(before) - len(compared),
        len(after) - len(compared),
    )


def _compared(key: str, before: Mapping[str, list[int]], after: Mapping[str, list[int]]) -> QueryGain | None:
    both = before.keys() & after.keys()
    if not both:
        return None
    sums = [[sum(days[day][number] for day in both) for number in (JOBS, BILLED, SLOT_MS)] for days in (before, after)]
    (jobs, billed, slots), (jobs_now, billed_now, slots_now) = sums
    expected = sum(after[day][JOBS] * before[day][BILLED] / before[day][JOBS] for day in both)
    return QueryGain(
        key, jobs, jobs_now, billed / jobs, billed_now / jobs_now, slots / jobs, slots_now / jobs_now,
        round(expected), billed_now,
    )  # fmt: skip
