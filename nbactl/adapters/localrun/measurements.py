"""The measurements port on this machine: what the processes of `nbactl up` counted themselves, and its bus."""

from __future__ import annotations

import http.client
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from nbactl.adapters.localrun.running import LOOPBACK
from nbactl.errors import UnavailableError
from nbactl.ports.measurements import RequestStats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from nbactl.adapters.localrun.running import RunningProcess, UpState
    from nbactl.ports.measurements import Backlog

_REQUESTS: Final = "nbactl_http_requests_total"
_SECONDS: Final = "nbactl_http_request_duration_seconds_bucket"
_GOOD: Final = 200


class LocalMeasurements:
    """Asks the processes. They count from their start, so numbers may be from before the span; `since` says from when.

    What a process counted is lost with it. `request` is the limit of a question, in seconds.
    """

    lag: float = 0.0

    def __init__(
        self,
        *,
        running: Callable[[], UpState | None],
        backlogs: Callable[[], Mapping[str, Backlog]],
        request: float,
    ) -> None:
        self._running = running
        self._backlogs = backlogs
        self._request = request

    def requests(self, service: str, since: datetime, until: datetime) -> Mapping[str, RequestStats]:  # noqa: ARG002
        by_revision: defaultdict[str, list[RunningProcess]] = defaultdict(list)
        for process in self._processes(service):
            if process.started_at < until:
                by_revision[process.revision].append(process)
        found = {name: self._stats(processes) for name, processes in by_revision.items()}
        return {name: stats for name, stats in found.items() if stats.requests}

    def instances(self, service: str, since: datetime, until: datetime) -> float | None:  # noqa: ARG002
        processes = [process for process in self._processes(service) if process.started_at < until]
        return float(len(processes)) if processes else None

    def backlogs(self) -> Mapping[str, Backlog]:
        return self._backlogs()

    def _processes(self, service: str) -> Sequence[RunningProcess]:
        up = self._running()
        found = None if up is None else up.services.get(service)
        return () if found is None else found.processes

    def _stats(self, processes: Sequence[RunningProcess]) -> RequestStats:
        requests = errors = 0.0
        buckets: defaultdict[float, float] = defaultdict(float)
        for process in processes:
            for name, labels, value in self._samples(process):
                if name == _REQUESTS:
                    requests += value
                    errors += value if labels["status"] == "5xx" else 0
                elif name == _SECONDS:
                    buckets[float(labels["le"])] += value
        return RequestStats(
            int(requests),
            int(errors),
            p50=quantile(buckets, 0.5),
            p95=quantile(buckets, 0.95),
            since=min(process.started_at for process in processes),
        )

    def _samples(self, process: RunningProcess) -> list[tuple[str, Mapping[str, str], float]]:
        """Return what a process has counted; nothing if it has just ended."""
        from prometheus_client.parser import text_string_to_metric_families

        connection = http.client.HTTPConnection(LOOPBACK, process.port, timeout=self._request)
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            text = answer.read().decode()
        except ConnectionError:
            return []
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(
                f"process {process.pid} of {process.revision} does not say what it counted",
                cause=f"{type(error).__name__}: {error}",
            ) from error
        finally:
            connection.close()
        if answer.status != _GOOD:
            return []
        return [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """Return a quantile of a cumulative histogram, as Prometheus' `histogram_quantile` does; None if it is empty."""
    bounds = sorted(buckets)
    if not bounds or not buckets[bounds[-1]]:
        return None
    wanted = share * buckets[bounds[-1]]
    low = below = 0.0
    for bound in bounds:
        if buckets[bound] >= wanted and bound != float("inf"):
            return low + (bound - low) * (wanted - below) / (buckets[bound] - below)
        if bound != float("inf"):
            low, below = bound, buckets[bound]
    return low
