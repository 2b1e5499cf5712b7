from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug import Response

from nbactl.core.observe.metrics import METRICS
from nbactl.errors import DataError, UnavailableError
from nbactl.rollouts.guards import MetricReading
from nbactl.rollouts.sources import QUERIES, PrometheusSource

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer
    from werkzeug import Request

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)


def source(server: HTTPServer) -> PrometheusSource:
    return PrometheusSource(f"http://127.0.0.1:{server.port}/", NOW, timeout=5.0)


def series(*values: str) -> dict[str, Any]:
    result = [{"metric": {}, "value": [NOW.timestamp(), value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def test_a_number_and_its_sample_are_asked_for_over_the_time(httpserver: HTTPServer) -> None:
    asked: list[dict[str, str]] = []

    def answer(request: Request) -> Response:
        asked.append(request.args.to_dict())
        return Response(json.dumps(series("0.25" if " / " in request.args["query"] else "80.4")))

    httpserver.expect_request("/api/v1/query").respond_with_handler(answer)
    reading = source(httpserver).read("workflow_failure_rate", NOW - timedelta(hours=4), NOW)
    assert reading == MetricReading(0.25, 80)
    assert all("[14400s]" in each["query"] and "$t" not in each["query"] for each in asked)
    assert {each["time"] for each in asked} == {str(NOW.timestamp())}


def test_without_samples_there_is_no_number(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/v1/query").respond_with_json(series())
    assert source(httpserver).read("error_rate", NOW - timedelta(hours=1), NOW) is None
    assert source(httpserver).read("unheard_of", NOW - timedelta(hours=1), NOW) is None


def test_nothing_by_nothing_is_no_failure(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/v1/query").respond_with_json(series("NaN"))
    assert source(httpserver).read("error_rate", NOW - timedelta(hours=1), NOW) is None


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"data": {"result": [{"value": ["x"]}]}}', "<html>"])
def test_an_answer_that_is_none_is_refused(httpserver: HTTPServer, body: str) -> None:
    httpserver.expect_request("/api/v1/query").respond_with_data(body)
    with pytest.raises(DataError, match="did not answer with a number"):
        source(httpserver).read("p95", NOW - timedelta(hours=1), NOW)


def test_a_server_that_is_down_is_one_that_may_answer_later(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/v1/query").respond_with_data("", 503)
    with pytest.raises(UnavailableError):
        source(httpserver).read("p95", NOW - timedelta(hours=1), NOW)


def test_the_queries_ask_for_metrics_and_labels_that_there_are() -> None:
    known = {metric.name: {label.name for label in metric.labels} for metric in METRICS}
    for query in [each for pair in QUERIES.values() for each in pair]:
        for name, _, labels in re.findall(r"(nbactl_\w+)(\{([^}]*)\})?", query):
            assert name.removesuffix("_bucket") in known, name
            assert set(re.findall(r"(\w+)=", labels)) <= known[name.removesuffix("_bucket")]
