"""A server on loopback that speaks the REST face of Cloud Monitoring: it keeps samples, and aligns and reduces them.

It refuses what the real one refuses, in its words:
https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/list
"""

from __future__ import annotations

import json
import math
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from tests.kit.http_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PAGE = 2
"""Series of a page, so that clients have to ask for the next one."""
_RUN: Final = "run.googleapis.com/"
_PUBSUB: Final = "pubsub.googleapis.com/subscription/"
_METRICS: Final = {
    f"{_RUN}request_count": ("cloud_run_revision", "DELTA", "INT64"),
    f"{_RUN}request_latencies": ("cloud_run_revision", "DELTA", "DISTRIBUTION"),
    f"{_RUN}container/instance_count": ("cloud_run_revision", "GAUGE", "INT64"),
    f"{_PUBSUB}num_undelivered_messages": ("pubsub_subscription", "GAUGE", "INT64"),
    f"{_PUBSUB}oldest_unacked_message_age": ("pubsub_subscription", "GAUGE", "INT64"),
}
"""The resource, kind and type of the values of each metric: https://cloud.google.com/monitoring/api/metrics_gcp"""
_ALIGNERS: Final = {
    ("DELTA", "INT64"): {"ALIGN_DELTA", "ALIGN_SUM", "ALIGN_RATE"},
    ("DELTA", "DISTRIBUTION"): {"ALIGN_DELTA", "ALIGN_SUM", "ALIGN_PERCENTILE_50", "ALIGN_PERCENTILE_95"},
    ("GAUGE", "INT64"): {"ALIGN_MAX", "ALIGN_MEAN", "ALIGN_SUM", "ALIGN_NEXT_OLDER"},
}
_TERM: Final = re.compile(r'(metric\.type|resource\.type|(?:metric|resource)\.labels?\.\w+) = "([^"]*)"')
_CODES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_CODES |= {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
DENIED: Final = "Permission monitoring.timeSeries.list denied (or the resource may not exist)."
Labels = tuple[tuple[str, str], ...]


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Monitoring:
    """The samples of a project; tests add them with the time from which on they can be read."""

    project: str
    region: str = "us-west2"
    address: str = ""
    samples: dict[tuple[str, Labels, Labels], list[tuple[datetime, Any]]] = field(default_factory=dict)
    """By metric, labels of the metric and labels of the resource: when, and the value; a distribution as a list."""
    refusals: list[tuple[int, str]] = field(default_factory=list)
    """Status and message of the next answers."""
    queries: list[dict[str, list[str]]] = field(default_factory=list)

    def environ(self) -> dict[str, str]:
        """Return the variable that sends clients here."""
        return {"MONITORING_EMULATOR_HOST": self.address.removeprefix("http://")}

    def clear(self) -> None:
        """Forget everything."""
        self.samples.clear()
        self.refusals.clear()
        self.queries.clear()

    def answered(
        self,
        service: str,
        revision: str,
        at: datetime,
        latencies: Sequence[float],
        *,
        code: int = 200,
        region: str = "",
    ) -> None:
        """Add requests that a revision answered in the minute until `at`, each with its latency in milliseconds."""
        resource = self._revision(service, revision, region)
        labels = {"response_code": str(code), "response_code_class": f"{code // 100}xx"}
        self._add(f"{_RUN}request_count", labels, resource, at, len(latencies))
        self._add(f"{_RUN}request_latencies", labels, resource, at, list(latencies))

    def instances(self, service: str, revision: str, at: datetime, *, active: int, idle: int = 0) -> None:
        """Add how many instances a revision had at a time."""
        resource = self._revision(service, revision, "")
        for state, count in (("active", active), ("idle", idle)):
            self._add(f"{_RUN}container/instance_count", {"state": state}, resource, at, count)

    def backlog(self, subscription: str, at: datetime, undelivered: int, oldest: int | None = None) -> None:
        """Add what waited in a subscription at a time; `oldest` in seconds."""
        resource = {"project_id": self.project, "subscription_id": subscription}
        self._add(f"{_PUBSUB}num_undelivered_messages", {}, resource, at, undelivered)
        if oldest is not None:
            self._add(f"{_PUBSUB}oldest_unacked_message_age", {}, resource, at, oldest)

    def _revision(self, service: str, revision: str, region: str) -> dict[str, str]:
        place = {"project_id": self.project, "location": region or self.region}
        return {**place, "service_name": service, "revision_name": revision, "configuration_name": service}

    def _add(self, metric: str, labels: dict[str, str], resource: dict[str, str], at: datetime, value: Any) -> None:
        key = (metric, tuple(sorted(labels.items())), tuple(sorted(resource.items())))
        self.samples.setdefault(key, []).append((at, value))

    def answer(self, path: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
        if self.refusals:
            raise RefusedError(*self.refusals.pop(0))
        if path != f"/v3/projects/{self.project}/timeSeries":
            raise RefusedError(403, DENIED)
        self.queries.append(dict(query))
        found = [series for series in self._found(query) if series["points"]]
        first = int(query.get("pageToken", ["0"])[0])
        page: dict[str, Any] = {"timeSeries": found[first : first + PAGE]} if found else {}
        if first + PAGE < len(found):
            page["nextPageToken"] = str(first + PAGE)
        return page

    def _found(self, query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        terms = _terms(_one(query, "filter"))
        since, until = (datetime.fromisoformat(_one(query, f"interval.{end}Time")) for end in ("start", "end"))
        if since > until:
            raise RefusedError(400, "Field interval.startTime had an invalid value: it must be before the end time.")
        metric = terms.pop("metric.type", "")
        if metric not in _METRICS or not any(key[0] == metric for key in self.samples):
            raise RefusedError(
                404,
                f'Cannot find metric(s) that match type = "{metric}". If a metric was created recently, it could take '
                "up to 10 minutes to become available. Please try again soon.",
            )
        resource_type, kind, value_type = _METRICS[metric]
        raw: list[tuple[dict[str, str], list[tuple[datetime, Any]]]] = []
        for (name, metric_labels, resource_labels), samples in self.samples.items():
            labels = {f"metric.labels.{label}": value for label, value in metric_labels}
            labels |= {f"resource.labels.{label}": value for label, value in resource_labels}
            labels |= {"resource.type": resource_type}
            if name == metric and all(labels.get(term) == value for term, value in terms.items()):
                inside = [sample for sample in samples if since < sample[0] <= until]
                raw.append((labels, sorted(inside, key=lambda sample: sample[0], reverse=True)))
        aligner = query.get("aggregation.perSeriesAligner", ["ALIGN_NONE"])[0]
        if aligner == "ALIGN_NONE":
            return [_series(metric, labels, kind, value_type, samples) for labels, samples in raw]
        if aligner not in _ALIGNERS[kind, value_type]:
            raise RefusedError(
                400,
                f'Field aggregation.perSeriesAligner had an invalid value of "{aligner}": The aligner cannot be '
                f"applied to metrics with kind {kind} and value type {value_type}.",
            )
        period = int(_one(query, "aggregation.alignmentPeriod").removesuffix("s"))
        if period < 60:
            raise RefusedError(
                400, f'Field aggregation.alignmentPeriod had an invalid value of "{period}s": It must be at least 60 s.'
            )
        return _reduced(metric, raw, query, until, period)


def _reduced(
    metric: str,
    raw: list[tuple[dict[str, str], list[tuple[datetime, Any]]]],
    query: Mapping[str, list[str]],
    until: datetime,
    period: int,
) -> list[dict[str, Any]]:
    """Align each series to periods that end with `until`, then join the series of each group."""
    resource_type, kind, value_type = _METRICS[metric]
    aligner, reducer = query["aggregation.perSeriesAligner"][0], _one(query, "aggregation.crossSeriesReducer")
    groups: dict[Labels, dict[int, list[Any]]] = {}
    by = [name.replace(".label.", ".labels.") for name in query.get("aggregation.groupByFields", [])]
    for labels, samples in raw:
        group = groups.setdefault(tuple((name, labels.get(name, "")) for name in by), {})
        periods: dict[int, list[Any]] = {}
        for at, value in samples:
            periods.setdefault(int((until - at).total_seconds() // period), []).append(value)
        for number, values in periods.items():
            group.setdefault(number, []).append(_aligned(aligner, values))
    made = []
    for key, periods in groups.items():
        points = [(until - timedelta(seconds=period * n), _joined(reducer, periods[n])) for n in sorted(periods)]
        kept = "DOUBLE" if "PERCENTILE" in reducer else value_type
        labels = {**dict(key), "resource.type": resource_type}
        made.append(_series(metric, labels, "GAUGE" if kept == "DOUBLE" else kind, kept, points))
    return made


def _aligned(aligner: str, values: list[Any]) -> Any:
    if isinstance(values[0], list):
        return [one for value in values for one in value]
    return max(values) if aligner == "ALIGN_MAX" else sum(values)


def _joined(reducer: str, values: list[Any]) -> Any:
    if reducer.startswith("REDUCE_PERCENTILE_"):
        ordered = sorted(one for value in values for one in value)
        return ordered[math.ceil(len(ordered) * int(reducer[-2:]) / 100) - 1]
    if reducer == "REDUCE_SUM":
        return sum(values)
    raise RefusedError(400, f'Field aggregation.crossSeriesReducer had an invalid value of "{reducer}".')


def _series(
    metric: str, labels: Mapping[str, str], kind: str, value_type: str, samples: Sequence[tuple[datetime, Any]]
) -> dict[str, Any]:
    def of(place: str) -> dict[str, str]:
        begin = f"{place}.labels."
        return {name.removeprefix(begin): value for name, value in labels.items() if name.startswith(begin)}

    return {
        "metric": {"type": metric, **({"labels": of("metric")} if of("metric") else {})},
        "resource": {"type": labels["resource.type"], "labels": of("resource")},
        "metricKind": kind,
        "valueType": value_type,
        "points": [
            {
                "interval": {"startTime": at.astimezone(UTC).isoformat(), "endTime": at.astimezone(UTC).isoformat()},
                "value": {"int64Value": str(value)} if value_type == "INT64" else {"doubleValue": value},
            }
            for at, value in samples
        ],
    }


def _terms(text: str) -> dict[str, str]:
    terms: dict[str, str] = {}
    for term in text.split(" AND "):
        if not (match := _TERM.fullmatch(term)):
            raise RefusedError(400, f"Could not parse filter \"{text}\"; syntax error at '{term}'.")
        terms[match[1].replace(".label.", ".labels.")] = match[2]
    return terms


def _one(query: Mapping[str, list[str]], name: str) -> str:
    if name not in query:
        raise RefusedError(400, f"Field {name} had an invalid value: it is required.")
    return query[name][0]


@contextmanager
def monitoring_server(project: str) -> Iterator[Monitoring]:
    """Serve a project's measurements on a free port."""
    state = Monitoring(project)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            try:
                status, found = 200, state.answer(unquote(url.path), parse_qs(url.query))
            except RefusedError as error:
                status = error.status
                found = {"error": {"code": status, "message": str(error), "status": _CODES[status]}}
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = LoopbackServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
