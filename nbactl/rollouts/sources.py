"""Numbers for guards: from the history of runs, and from a Prometheus server.

Source: prometheus.io/docs/prometheus/latest/querying/api, instant queries.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Protocol

from nbactl.core.calls.deadline import remaining
from nbactl.core.calls.http import check_response, translated
from nbactl.errors import DataError
from nbactl.rollouts.guards import MetricReading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_ENDED: Final = ("succeeded", "partial", "failed")
_FAILED: Final = ("failed", "timed_out")


class MeasuredTask(Protocol):
    """A task of a run, as far as it is measured."""

    @property
    def status(self) -> str:
        """Its state, such as `failed`."""
        ...

    @property
    def finished_at(self) -> datetime | None:
        """When it ended, None if it has not."""
        ...


class MeasuredRun(Protocol):
    """A run, as far as it is measured."""

    @property
    def status(self) -> str:
        """Its state, such as `failed`."""
        ...

    @property
    def started_at(self) -> datetime:
        """When it began."""
        ...

    @property
    def finished_at(self) -> datetime | None:
        """When it ended, None if it has not."""
        ...

    @property
    def tasks(self) -> Sequence[MeasuredTask]:
        """Its tasks."""
        ...


class RunHistory(Protocol):
    """The ledger, as far as guards need it."""

    def list(self, *, since: datetime, limit: None) -> Sequence[MeasuredRun]:
        """Return all runs that began at `since` or later."""
        ...


class LedgerSource:
    """Failure rates and the 95th percentile of durations of the runs that began within a time and have ended."""

    name = "ledger"

    def __init__(self, ledger: RunHistory) -> None:
        self._ledger = ledger

    def read(self, number: str, since: datetime, until: datetime) -> MetricReading | None:
        """Return a number over a time, None for one that the runs do not have."""
        if number not in ("workflow_failure_rate", "error_rate", "p95"):
            return None
        runs = [
            run
            for run in self._ledger.list(since=since, limit=None)
            if run.started_at < until and run.finished_at is not None and run.status in _ENDED
        ]
        if number == "p95":
            return _p95(runs)
        if number == "error_rate":
            states = [task.status for run in runs for task in run.tasks if task.finished_at is not None]
            return _share(sum(state in _FAILED for state in states), len(states))
        return _share(sum(run.status == "failed" for run in runs), len(runs))


def _share(part: int, whole: int) -> MetricReading:
    return MetricReading(part / whole if whole else 0.0, whole)


def _p95(runs: Sequence[MeasuredRun]) -> MetricReading:
    took = sorted((run.finished_at - run.started_at).total_seconds() for run in runs if run.finished_at is not None)
    return MetricReading(took[math.ceil(0.95 * len(took)) - 1] if took else 0.0, len(took))


VARIABLE: Final = "NBACTL_PROMETHEUS_URL"

_RUNS = "sum(increase(nbactl_runs_total{status=~'succeeded|partial|failed'}[$t]))"
_TASKS = "sum(increase(nbactl_tasks_total[$t]))"
_COMPLETIONS = "sum(increase(nbactl_completions_total[$t]))"
_QUERIES = "sum(increase(nbactl_warehouse_queries_total[$t]))"
QUERIES: Final = {
    "workflow_failure_rate": (f"sum(increase(nbactl_runs_total{{status='failed'}}[$t])) / {_RUNS}", _RUNS),
    "error_rate": (f"sum(increase(nbactl_tasks_total{{status=~'failed|timed_out'}}[$t])) / {_TASKS}", _TASKS),
    "p95": ("histogram_quantile(0.95, sum by (le) (increase(nbactl_run_duration_seconds_bucket[$t])))", _RUNS),
    "duplicate_rate": (
        f"sum(increase(nbactl_completions_total{{outcome='duplicate'}}[$t])) / {_COMPLETIONS}",
        _COMPLETIONS,
    ),
    "cost": (f"sum(increase(nbactl_warehouse_query_bytes_total[$t])) / {_QUERIES}", _QUERIES),
}
"""For each number the query for its value and the one for its sample; `$t` is the time."""


class PrometheusSource:
    """Asks a server; a number without samples is None. `timeout` is in seconds."""

    name = "Prometheus"

    def __init__(self, url: str, now: datetime, *, timeout: float) -> None:
        self._url = url.rstrip("/") + "/api/v1/query"
        self._now = now
        self._timeout = timeout

    def read(self, number: str, since: datetime, until: datetime) -> MetricReading | None:
        """Return a number over a time. Raises UnavailableError, and DataError for an invalid answer."""
        if number not in QUERIES:
            return None
        value, sample = (self._ask(query, since, until) for query in QUERIES[number])
        if sample is None:
            return None
        return MetricReading(value or 0.0, int(sample))

    def _ask(self, query: str, since: datetime, until: datetime) -> float | None:
        import httpx2

        seconds = max(1, math.ceil((until - since).total_seconds()))
        asked = {"query": query.replace("$t", f"{seconds}s"), "time": str(until.timestamp())}
        with translated("Prometheus"):
            answer = httpx2.get(self._url, params=asked, timeout=remaining(self._timeout))
        check_response("Prometheus", answer, self._now)
        try:
            return _number(answer.json())
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise DataError("Prometheus did not answer with a number", cause=str(error)) from error


def _number(content: Any) -> float | None:  # noqa: ANN401 - JSON from outside
    """Return the value of an instant query with one series; None if there is no series, or no number (0 by 0)."""
    result = content["data"]["result"]
    if not result:
        return None
    value = float(result[0]["value"][1])
    return None if math.isnan(value) else value
