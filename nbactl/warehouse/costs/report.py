"""What jobs cost in a time, beside the time before: one pass over the history, in memory that does not grow with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from nbactl.core._support.gamedate import EASTERN
from nbactl.frozen import frozen
from nbactl.warehouse.costs.anomaly import WEEKS, Anomaly, judge
from nbactl.warehouse.costs.usage import CACHED, NONE, OTHER, Groups, GroupUsage, Usage, is_own_look, names_by

if TYPE_CHECKING:
    from datetime import date

    from nbactl.ports.warehouse import JobHistory
    from nbactl.warehouse.costs.usage import By

RETAINED: Final = timedelta(days=180)
"""How long BigQuery keeps jobs: https://cloud.google.com/bigquery/docs/information-schema-jobs."""
_TOP: Final = 20
"""Queries whose text is asked for."""


@frozen
class CostRequest:
    """The jobs of the last `since` seconds, in groups. `label` is the key of the label where `by` is `label`."""

    since: float
    by: By = "label"
    label: str = "task"


@frozen
class CostReport:
    """What jobs cost from `since` to `until`; `before` is the usage of as much time before it.

    `own` of the jobs are those of `nbactl bq` itself, which a look at any location leaves there.
    `groups` and `queries` are ranked by bytes billed; `texts` are those of the first queries by hash. `first_day` is
    the first day that the history is known of, None if it has no job at all.
    """

    request: CostRequest
    since: datetime
    until: datetime
    total: Usage
    before: Usage
    groups: tuple[GroupUsage, ...]
    queries: tuple[GroupUsage, ...]
    texts: dict[str, str]
    anomalies: tuple[Anomaly, ...]
    first_day: date | None
    own: int


def measure_costs(history: JobHistory, request: CostRequest, *, now: datetime, timeout: float) -> CostReport:
    """Return what the jobs of the history cost. Raises what the history raises."""
    window = timedelta(seconds=request.since)
    since = now - window
    first = max(min(since - window, since - timedelta(weeks=WEEKS, days=1)), now - RETAINED)
    first_day = _day(first)
    days = (_day(now) - first_day).days + 1
    names, total, before = names_by(request.by, request.label), Usage(), Usage()
    groups = Groups(days)
    queries = groups if request.by == "query" else Groups(0)
    day_of = _DayIndex(first_day)
    seen = [False] * days
    own = 0
    for job in history.jobs(first, now, timeout=timeout):
        day = day_of(job.created_at)
        seen[day] = True
        in_window, in_before = job.created_at >= since, since - window <= job.created_at < since
        if in_window:
            total.add(job)
            own += is_own_look(job)
        elif in_before:
            before.add(job)
        for name in names(job):
            group = groups.get(name)
            group.days[day] += job.bytes_billed
            if in_window:
                group.now.add(job)
            elif in_before:
                group.before.add(job)
        if queries is not groups and job.query_hash is not None and (in_window or in_before):
            query = queries.get(job.query_hash)
            (query.now if in_window else query.before).add(job)
    known_from = seen.index(True) if True in seen else days
    ranked = groups.ranked()
    top = [query for query in queries.ranked() if query.name not in (CACHED, NONE, OTHER)]
    texts = history.query_texts([query.name for query in top[:_TOP]], since, now, timeout=timeout)
    return CostReport(
        request,
        since,
        now,
        total,
        before,
        tuple(ranked),
        tuple(top),
        dict(texts),
        tuple(_anomalies(ranked, first_day, (_day(since) - first_day).days, known_from + 1)),
        first_day + timedelta(days=known_from) if known_from < days else None,
        own,
    )


def _anomalies(groups: list[GroupUsage], first_day: date, start: int, known_from: int) -> list[Anomaly]:
    """Return the anomalies of the days from index `start`; days before `known_from` are not known whole."""
    found = []
    for group in groups:
        for day in range(start, len(group.days)):
            weeks = range(day - 7, max(known_from, day - 7 * WEEKS) - 1, -7)
            anomaly = judge(
                group.name, first_day + timedelta(days=day), group.days[day], [group.days[index] for index in weeks]
            )
            if anomaly is not None:
                found.append(anomaly)
    return sorted(found, key=lambda anomaly: anomaly.median - anomaly.billed)


def _day(instant: datetime) -> date:
    return instant.astimezone(EASTERN).date()


class _DayIndex:
    """The day in Eastern time as a number from the first day; an hour is looked up once."""

    def __init__(self, first: date) -> None:
        self._first = first
        self._hours: dict[int, int] = {}

    def __call__(self, instant: datetime) -> int:
        hour = int(instant.timestamp()) // 3600
        found = self._hours.get(hour)
        if found is None:
            found = self._hours[hour] = (_day(instant) - self._first).days
        return found
