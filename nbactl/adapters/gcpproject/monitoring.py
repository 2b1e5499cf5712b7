"""The measurements port on Cloud Monitoring, read through its REST interface.

Metrics and their delays: https://cloud.google.com/monitoring/api/metrics_gcp
"""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.gcpproject.api import endpoint_of
from nbactl.errors import NotFoundError
from nbactl.frozen import frozen
from nbactl.ports.measurements import Backlog, RequestStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from nbactl.adapters.gcpproject.api import GoogleApi
    from nbactl.core.calls.policy import CallPolicy

_REQUESTS: Final = "run.googleapis.com/request_count"
_LATENCIES: Final = "run.googleapis.com/request_latencies"
_INSTANCES: Final = "run.googleapis.com/container/instance_count"
_UNDELIVERED: Final = "pubsub.googleapis.com/subscription/num_undelivered_messages"
_OLDEST: Final = "pubsub.googleapis.com/subscription/oldest_unacked_message_age"
_SAMPLED: Final = 60
"""Seconds between two samples, and the shortest period that samples can be aligned to."""
_MILLISECONDS: Final = 1_000.0
_UNKNOWN: Final = "Cannot find metric"
"""What Cloud Monitoring says (404) of a metric that nothing in the project has written yet."""
ROLE: Final = "roles/monitoring.viewer"


@frozen
class Delays:
    """Seconds: when a sample can be read at the latest, and how old the newest one of a subscription may be."""

    lag: float
    newest: float


class CloudMonitoring:
    """Cloud Run's and Pub/Sub's metrics of a project.

    `region_of` returns the region of a service: services of one name in other regions are other services. `environ`
    may send the interface elsewhere, as `endpoint_of` says. Not for several threads.
    """

    def __init__(
        self,
        project: str,
        api: GoogleApi,
        policy: CallPolicy,
        *,
        region_of: Callable[[str], str],
        delays: Delays,
        environ: Mapping[str, str],
    ) -> None:
        self.lag = delays.lag
        self._path = f"v3/projects/{project}/timeSeries"
        self._api = api
        self._policy = policy
        self._region_of = region_of
        self._newest = delays.newest
        self._endpoint = endpoint_of("monitoring", environ, role=ROLE)

    def requests(self, service: str, since: datetime, until: datetime) -> dict[str, RequestStats]:
        span = _one_period(since, until)
        by_class = "metric.label.response_code_class"
        counts = list(self._of_service(_REQUESTS, service, span, "ALIGN_DELTA", "REDUCE_SUM", by_class))
        if not counts:
            return {}
        # The percentile of all requests: that of each kind of answer cannot be joined afterwards.
        p50, p95 = (
            {
                _revision(series): _values(series)[0] / _MILLISECONDS
                for series in self._of_service(_LATENCIES, service, span, "ALIGN_DELTA", f"REDUCE_PERCENTILE_{rank}")
            }
            for rank in ("50", "95")
        )
        requests: dict[str, int] = {}
        errors: dict[str, int] = {}
        for series in counts:
            revision, count = _revision(series), round(sum(_values(series)))
            requests[revision] = requests.get(revision, 0) + count
            if series["metric"].get("labels", {}).get("response_code_class") == "5xx":
                errors[revision] = errors.get(revision, 0) + count
        return {
            revision: RequestStats(count, errors.get(revision, 0), p50.get(revision), p95.get(revision))
            for revision, count in sorted(requests.items())
            if count
        }

    def instances(self, service: str, since: datetime, until: datetime) -> float | None:
        span = {**_interval(since, until), "aggregation.alignmentPeriod": f"{_SAMPLED}s"}
        found = self._of_service(_INSTANCES, service, span, "ALIGN_MAX", "REDUCE_SUM", group_revisions=False)
        return max((value for series in found for value in _values(series)), default=None)

    def backlogs(self) -> dict[str, Backlog]:
        now = self._policy.clock.now()
        span = _interval(now - timedelta(seconds=self._newest), now)
        resource = {"resource.type": "pubsub_subscription"}
        undelivered, oldest = (
            {
                series["resource"]["labels"]["subscription_id"]: _values(series)[0]  # the newest comes first
                for series in self._series({"metric.type": metric, **resource}, span)
            }
            for metric in (_UNDELIVERED, _OLDEST)
        )
        return {
            name: Backlog(round(undelivered[name]) if name in undelivered else None, oldest.get(name))
            for name in sorted({*undelivered, *oldest})
        }

    def _of_service(
        self,
        metric: str,
        service: str,
        span: Mapping[str, str],
        aligner: str,
        reducer: str,
        *labels: str,
        group_revisions: bool = True,
    ) -> Iterator[dict[str, Any]]:
        """Yield a service's series of a metric, one for each revision and value of the labels."""
        wanted = {
            "metric.type": metric,
            "resource.type": "cloud_run_revision",
            "resource.labels.service_name": service,
            "resource.labels.location": self._region_of(service),
        }
        groups = [*(["resource.label.revision_name"] if group_revisions else []), *labels]
        aggregation = {"aggregation.perSeriesAligner": aligner, "aggregation.crossSeriesReducer": reducer}
        return self._series(wanted, {**span, **aggregation, "aggregation.groupByFields": groups})

    def _series(self, wanted: Mapping[str, str], parameters: Mapping[str, str | list[str]]) -> Iterator[dict[str, Any]]:
        """Yield the series that have points, page by page; none of a metric that nothing has written yet.

        https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/list
        """
        asked = {"filter": " AND ".join(f"{name} = {json.dumps(value)}" for name, value in wanted.items())}
        while True:
            try:
                page = self._policy.call(self._api.get, self._endpoint, self._path, **asked, **parameters)
            except NotFoundError as error:
                if _UNKNOWN in (error.cause or ""):
                    return
                raise
            yield from (series for series in page.get("timeSeries", ()) if series.get("points"))
            if not page.get("nextPageToken"):
                return
            asked["pageToken"] = page["nextPageToken"]


def _interval(since: datetime, until: datetime) -> dict[str, str]:
    return {"interval.startTime": since.isoformat(), "interval.endTime": until.isoformat()}


def _one_period(since: datetime, until: datetime) -> dict[str, str]:
    """Return a span that is aligned to one point: the whole of it, or the minute that Cloud Monitoring asks for."""
    seconds = max(_SAMPLED, math.ceil((until - since).total_seconds()))
    span = _interval(until - timedelta(seconds=seconds), until)
    return {**span, "aggregation.alignmentPeriod": f"{seconds}s"}


def _revision(series: Mapping[str, Any]) -> str:
    return str(series["resource"]["labels"]["revision_name"])


def _values(series: Mapping[str, Any]) -> list[float]:
    """Return the numbers of a series, the newest first. Whole numbers come as text."""
    values = [point["value"] for point in series["points"]]
    return [float(value.get("int64Value", value.get("doubleValue", 0))) for value in values]
