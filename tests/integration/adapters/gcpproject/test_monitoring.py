"""Cloud Monitoring as measurements, asked of a server that keeps samples and aggregates them as Google's does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.bootstrap import Container
from nbactl.config.settings import load_settings
from nbactl.errors import DataError, NotAuthorisedError, UnavailableError
from nbactl.ports.measurements import Backlog, RequestStats
from nbactl.testing.clock import FakeClock
from tests.kit.monitoring_server import DENIED, monitoring_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.measurements import Measurements
    from tests.kit.monitoring_server import Monitoring

PROJECT = "test-project"
SERVICE = "prediction-worker"
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
SINCE = NOW - timedelta(minutes=10)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


@pytest.fixture(scope="module")
def google() -> Iterator[Monitoring]:
    with monitoring_server(PROJECT) as server:
        yield server


@pytest.fixture
def server(google: Monitoring) -> Monitoring:
    google.clear()
    return google


@pytest.fixture
def measurements(server: Monitoring, tmp_path: Path) -> Iterator[Measurements]:
    given = {"state_dir": str(tmp_path / "state"), "target": "gcp", "project": PROJECT, "region": "us-west2"}
    settings = load_settings(given, {}, tmp_path)
    with Container(settings, clock=FakeClock(NOW), environ=server.environ()) as app:
        yield app.target.measurements(app)


def test_requests_are_counted_by_revision_and_errors_are_answers_of_500_and_more(
    server: Monitoring, measurements: Measurements
) -> None:
    server.answered(SERVICE, "worker-2", ago(1), [100.0] * 6)
    server.answered(SERVICE, "worker-2", ago(4), [100.0] * 3)
    server.answered(SERVICE, "worker-2", ago(2), [9000.0], code=503)
    server.answered(SERVICE, "worker-1", ago(3), [50.0, 70.0], code=404)
    server.answered(SERVICE, "worker-0", ago(11), [50.0])  # before the span
    server.answered("another", "another-1", ago(1), [50.0])
    server.answered(SERVICE, "worker-east", ago(1), [50.0], region="us-east1")
    assert measurements.requests(SERVICE, SINCE, NOW) == {
        "worker-1": RequestStats(2, 0, 0.05, 0.07),
        "worker-2": RequestStats(10, 1, 0.1, 9.0),
    }
    assert measurements.requests(SERVICE, SINCE, NOW)["worker-2"].error_rate == 0.1


def test_a_percentile_is_that_of_all_requests_whatever_their_answer(
    server: Monitoring, measurements: Measurements
) -> None:
    # The mean of the percentiles of each kind of answer would be 3.05 s.
    server.answered(SERVICE, "worker-1", ago(1), [100.0] * 97)
    server.answered(SERVICE, "worker-1", ago(2), [6000.0] * 3, code=500)
    found = measurements.requests(SERVICE, SINCE, NOW)["worker-1"]
    assert (found.p50, found.p95) == (0.1, 0.1)


def test_nothing_measured_is_no_revision_and_no_instance(server: Monitoring, measurements: Measurements) -> None:
    # A metric that nothing has written yet is answered with 404.
    assert measurements.requests(SERVICE, SINCE, NOW) == {}
    assert measurements.instances(SERVICE, SINCE, NOW) is None
    assert measurements.backlogs() == {}
    server.answered("another", "another-1", ago(1), [50.0])
    assert measurements.requests(SERVICE, SINCE, NOW) == {}


def test_a_span_of_less_than_a_minute_is_asked_for_as_one(server: Monitoring, measurements: Measurements) -> None:
    server.answered(SERVICE, "worker-1", ago(0.5), [50.0])
    assert measurements.requests(SERVICE, ago(0.2), NOW)["worker-1"].requests == 1


def test_instances_are_the_most_of_all_revisions_and_states_at_once(
    server: Monitoring, measurements: Measurements
) -> None:
    server.instances(SERVICE, "worker-1", ago(3), active=4, idle=1)
    server.instances(SERVICE, "worker-2", ago(3), active=2)
    server.instances(SERVICE, "worker-1", ago(2), active=6)
    assert measurements.instances(SERVICE, SINCE, NOW) == 7.0


def test_a_backlog_is_the_newest_sample_of_each_subscription_on_every_page(
    server: Monitoring, measurements: Measurements
) -> None:
    server.backlog("old", ago(11), 5, 300)  # too old to say anything
    for number in range(5):
        server.backlog(f"sub-{number}", ago(3), 900, 9000)
        server.backlog(f"sub-{number}", ago(2), number, 60 * number)
    server.backlog("new", ago(1), 3)
    expected = {f"sub-{number}": Backlog(number, 60.0 * number) for number in range(5)}
    assert measurements.backlogs() == {**expected, "new": Backlog(3, None)}


def test_measurements_say_how_late_they_are(measurements: Measurements) -> None:
    assert measurements.lag == 240.0


def test_a_refusal_names_the_role(server: Monitoring, measurements: Measurements) -> None:
    server.refusals = [(403, DENIED)]
    with pytest.raises(NotAuthorisedError) as refused:
        measurements.backlogs()
    assert refused.value.next_step == "Ask for the role roles/monitoring.viewer in this project."
    assert DENIED in (refused.value.cause or "")


def test_an_interface_that_is_not_enabled_says_how_to_enable_it(server: Monitoring, measurements: Measurements) -> None:
    message = f"Cloud Monitoring API has not been used in project {PROJECT} before or it is disabled."
    server.refusals = [(403, message)]
    with pytest.raises(NotAuthorisedError) as refused:
        measurements.backlogs()
    assert refused.value.next_step == "gcloud services enable monitoring.googleapis.com"


def test_a_quota_is_waited_for_and_an_outage_is_given_up(server: Monitoring, measurements: Measurements) -> None:
    server.backlog("sub", ago(2), 1, 60)
    server.refusals = [(429, "Quota exceeded for quota metric 'Time series queries'."), (503, "Try again.")]
    assert measurements.backlogs() == {"sub": Backlog(1, 60.0)}
    server.refusals = [(503, "The service is currently unavailable.")] * 8
    with pytest.raises(UnavailableError):
        measurements.backlogs()


def test_a_question_that_is_wrong_is_not_an_empty_answer(server: Monitoring, measurements: Measurements) -> None:
    server.refusals = [(400, "Field filter had an invalid value.")]
    with pytest.raises(DataError):
        measurements.backlogs()
