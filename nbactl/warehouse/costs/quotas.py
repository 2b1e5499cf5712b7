"""How near each table is to BigQuery's limits, from the jobs of the last 24 hours: limits in quotas.yaml."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from nbactl.config.base import Strict, above
from nbactl.config.problems import config_error
from nbactl.config.source import read_positions
from nbactl.config.validate import validate
from nbactl.frozen import frozen
from nbactl.warehouse.costs.usage import STAGING
from nbactl.warehouse.prices import as_date

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from nbactl.ports.warehouse import JobHistory, WarehouseJob

QUOTAS_FILE: Final = Path(__file__).with_name("quotas.yaml")
DAY: Final = timedelta(hours=24)
"""Load jobs are refilled within a rolling day: https://cloud.google.com/bigquery/docs/optimize-load-jobs."""
MUTATING: Final = frozenset({"UPDATE", "DELETE", "MERGE"})
REFUSED: Final = frozenset({"quotaExceeded", "rateLimitExceeded", "jobRateLimitExceeded"})
"""Reasons of jobs that failed at a limit: https://cloud.google.com/bigquery/docs/error-messages."""
NO_TABLE: Final = "queries that write no table"
_RATE_WINDOW: Final = 10.0
LimitName = Literal[
    "load_jobs", "table_modifications", "partition_modifications", "insert_statements", "dml_in_flight",
    "dml_in_10_seconds",
]  # fmt: skip
QuotaState = Literal["ok", "warn", "exceeded"]


class Limit(Strict):
    """A limit for one table. `counts` says what counts, `source` where Google says so."""

    limit: Annotated[int, above(0)]
    source: str
    counts: str


class QuotasFile(Strict):
    """quotas.yaml."""

    as_of: Annotated[date, as_date]
    warn_percent: Annotated[int, above(0)]
    limits: dict[LimitName, Limit]


@frozen
class QuotaUse:
    """How much of a limit a table has used."""

    table: str
    name: LimitName
    used: int
    limit: int
    state: QuotaState

    @property
    def percent(self) -> float:
        """The share of the limit that is used."""
        return 100 * self.used / self.limit


@frozen
class QuotaReport:
    """The uses of all tables that were written to from `since` to `until`, the nearest to its limit first.

    `refused` counts by table, or as NO_TABLE, the jobs that failed at a limit.
    """

    since: datetime
    until: datetime
    as_of: date
    uses: tuple[QuotaUse, ...]
    refused: dict[str, int]

    @property
    def near(self) -> tuple[QuotaUse, ...]:
        """The uses that are near their limit or above it."""
        return tuple(use for use in self.uses if use.state != "ok")


@cache
def load_quotas(path: Path = QUOTAS_FILE) -> QuotasFile:
    """Return the limits. Raises ConfigError that names every problem of the file with line and column."""
    positions, problems = read_positions(path)
    if positions is None:
        raise config_error(problems)
    file, _, more = validate(QuotasFile, positions)
    if more or problems or file is None:
        raise config_error([*problems, *more])
    return file


def measure_quotas(history: JobHistory, partitioned: Collection[str], *, now: datetime, timeout: float) -> QuotaReport:
    """Count what the last 24 hours used of the limits; `partitioned` are the tables known to be partitioned.

    Raises what the history raises.
    """
    return count_quotas(history.jobs(now - DAY, now, timeout=timeout), partitioned, now=now)


def count_quotas(jobs: Iterable[WarehouseJob], partitioned: Collection[str], *, now: datetime) -> QuotaReport:
    """Count what the jobs of the last 24 hours used of the limits."""
    limits, counted = load_quotas(), _Counted(partitioned)
    counted.add_all(jobs, now)
    uses = [
        QuotaUse(table, name, used, limits.limits[name].limit, _state(used, limits.limits[name].limit, limits))
        for (table, name), used in counted.totals().items()
    ]
    uses.sort(key=lambda use: (-use.percent, use.table, use.name))
    return QuotaReport(now - DAY, now, limits.as_of, tuple(uses), dict(counted.refused))


def _state(used: int, limit: int, file: QuotasFile) -> QuotaState:
    if used >= limit:
        return "exceeded"
    return "warn" if 100 * used >= file.warn_percent * limit else "ok"


class _Counted:
    """Counts by table and limit, and when the DML statements of each table were there, in seconds since 1970."""

    def __init__(self, partitioned: Collection[str]) -> None:
        self._partitioned = partitioned
        self._counts: Counter[tuple[str, LimitName]] = Counter()
        self._sent: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self._began: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self._ended: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self.refused: Counter[str] = Counter()

    def add_all(self, jobs: Iterable[WarehouseJob], now: datetime) -> None:
        for job in jobs:
            if job.error in REFUSED:
                self.refused[job.destination or NO_TABLE] += 1
            if job.destination is not None and STAGING not in job.destination:
                self._add(job, job.destination, now)

    def _add(self, job: WarehouseJob, table: str, now: datetime) -> None:
        if job.kind == "load":
            self._counts[table, "load_jobs"] += 1
        if job.kind in ("load", "copy") or job.statement in ("SELECT", "CREATE_TABLE_AS_SELECT"):
            if job.kind == "load" or job.error is None:
                kind: LimitName = "partition_modifications" if table in self._partitioned else "table_modifications"
                self._counts[table, kind] += 1
            return
        if job.statement == "INSERT":
            self._counts[table, "insert_statements"] += 1
        elif job.statement in MUTATING:
            self._began[table].append(job.created_at.timestamp())
            self._ended[table].append((job.finished_at or now).timestamp())
        else:
            return
        self._sent[table].append(job.created_at.timestamp())

    def totals(self) -> dict[tuple[str, LimitName], int]:
        peaks: dict[tuple[str, LimitName], int] = {}
        for table, began in self._began.items():
            peaks[table, "dml_in_flight"] = _most_at_once(began, self._ended[table])
        for table, sent in self._sent.items():
            peaks[table, "dml_in_10_seconds"] = _most_within(sent, _RATE_WINDOW)
        return {**self._counts, **peaks}


def _most_at_once(began: array[float], ended: array[float]) -> int:
    """Return how many spans there were at most at one moment; one that ends when another begins is over."""
    starts, ends = sorted(began), sorted(ended)
    most = over = 0
    for number, start in enumerate(starts, 1):
        while over < len(ends) and ends[over] <= start:
            over += 1
        most = max(most, number - over)
    return max(most, 1)


def _most_within(moments: array[float], seconds: float) -> int:
    ordered = sorted(moments)
    most = first = 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
