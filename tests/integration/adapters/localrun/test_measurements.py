"""What the processes of `up` counted, by revision, and what waits in the embedded bus."""

from __future__ import annotations

import math
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.localrun.measurements import LocalMeasurements, quantile
from nbactl.adapters.localrun.running import read_running
from nbactl.core.observe.metrics import METRICS
from nbactl.errors import UnavailableError
from nbactl.ports.bus import Subscription
from nbactl.ports.measurements import Backlog, RequestStats
from nbactl.ports.services import ServiceEdit, Traffic
from nbactl.testing import FakeClock
from tests.kit.bus import bus_at
from tests.kit.local_up import LocalUp, open_services

if TYPE_CHECKING:
    from pathlib import Path

ONE = "one"


def measurements(folder: Path) -> LocalMeasurements:
    return LocalMeasurements(running=lambda: read_running(folder / "up.json"), backlogs=dict, request=2.0)


def ask(folder: Path, path: str, times: int) -> None:
    up = read_running(folder / "up.json")
    assert up is not None
    for _ in range(times):
        connection = HTTPConnection("127.0.0.1", up.services[ONE].port, timeout=10)
        with closing(connection):
            connection.request("GET", path)
            connection.getresponse().read()


def test_requests_and_errors_are_those_of_the_processes_of_each_revision(tmp_path: Path) -> None:
    measured, services = measurements(tmp_path), open_services(tmp_path)
    began = datetime.now(UTC)
    with LocalUp(tmp_path) as up:
        up.deploy(ONE)
        now = datetime.now(UTC)
        assert measured.requests(ONE, began, now) == {}, "it had none"
        ask(tmp_path, "/work", 3)
        ask(tmp_path, "/fail", 1)
        [process] = up.supervisor.services[ONE].running.processes
        found = measured.requests(ONE, began, now)
        assert found == {
            "one-00001": RequestStats(4, 1, found["one-00001"].p50, found["one-00001"].p95, process.started_at)
        }
        assert found["one-00001"].error_rate == 0.25
        assert found["one-00001"].p50 == pytest.approx(2 / 3 * 0.1)
        assert measured.requests(ONE, began, process.started_at - timedelta(seconds=1)) == {}, "it came later"
        services.change(ONE, ServiceEdit(settings={"min_instances": 2}), expected_version="1")
        ask(tmp_path, "/work", 5)
        assert {name: stats.requests for name, stats in measured.requests(ONE, began, datetime.now(UTC)).items()} == {
            "one-00002": 5
        }
        assert measured.instances(ONE, began, datetime.now(UTC)) == 2.0
        services.change(ONE, ServiceEdit(traffic=[Traffic(100, "one-00001")]), expected_version="2")
        assert measured.requests(ONE, began, datetime.now(UTC)) == {}, "what ended processes counted is lost"
        assert measured.instances("two", began, datetime.now(UTC)) is None
    assert measured.instances(ONE, began, datetime.now(UTC)) is None
    assert measured.requests(ONE, began, datetime.now(UTC)) == {}


def test_a_process_that_does_not_answer_is_not_taken_for_one_without_requests(tmp_path: Path) -> None:
    with LocalUp(tmp_path) as up:
        up.deploy(ONE)
        quick = LocalMeasurements(running=lambda: read_running(tmp_path / "up.json"), backlogs=dict, request=0.05)
        up.supervisor.services[ONE].serving[0].process.send_signal(19)
        try:
            with pytest.raises(UnavailableError, match="of one-00001 does not say what it counted"):
                quick.requests(ONE, datetime.now(UTC), datetime.now(UTC))
        finally:
            up.supervisor.services[ONE].serving[0].process.send_signal(18)


def test_the_series_that_are_read_are_those_that_services_have() -> None:
    series = {name for metric in METRICS for name in metric.series}
    assert {"nbactl_http_requests_total", "nbactl_http_request_duration_seconds_bucket"} <= series


@pytest.mark.parametrize(
    ("buckets", "share", "found"),
    [
        ({}, 0.5, None),
        ({1.0: 0.0, math.inf: 0.0}, 0.5, None),
        ({1.0: 4.0, 2.0: 8.0, math.inf: 8.0}, 0.5, 1.0),
        ({1.0: 4.0, 2.0: 8.0, math.inf: 8.0}, 0.75, 1.5),
        ({1.0: 4.0, 2.0: 8.0, math.inf: 10.0}, 0.95, 2.0),
        ({1.0: 0.0, 2.0: 10.0, math.inf: 10.0}, 0.95, 1.95),
    ],
)
def test_quantiles_are_those_of_prometheus(buckets: dict[float, float], share: float, found: float | None) -> None:
    assert quantile(buckets, share) == (None if found is None else pytest.approx(found))


def test_the_backlog_of_each_subscription_of_the_bus_is_counted_with_its_oldest_message(tmp_path: Path) -> None:
    clock = FakeClock()
    with closing(bus_at(tmp_path / "bus.db", "work", "dead", clock=clock)) as bus:
        for name in ("busy", "idle"):
            bus.create_subscription(
                Subscription(name, "work", "dead", most_attempts=5, ack_deadline=10.0, least_backoff=0.0)
            )
        for _ in range(3):
            bus.publish("work", b"x")
            clock.sleep(10)
        bus.ack("idle", [one.ack_id for one in bus.pull("idle", limit=10, timeout=0)])
        [first] = bus.pull("busy", limit=1, timeout=0)
        assert bus.backlogs() == {"busy": Backlog(3, 30.0), "idle": Backlog(0, None)}, "what is delivered waits still"
        bus.ack("busy", [first.ack_id])
        assert bus.backlogs()["busy"] == Backlog(2, 20.0)
