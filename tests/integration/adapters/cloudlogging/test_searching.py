"""Cloud Logging through Google's protocol: pages, old forms of entries, errors by their number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest

from nbactl.errors import DataError, NbactlError, NotAuthorisedError, TimedOutError, UnavailableError
from nbactl.ports.logs import LogQuery
from tests.kit.service_logs import CloudEngine, cloud_engine, cloud_logs

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime.now(UTC) - timedelta(days=3)
ALL = LogQuery(since=START - timedelta(days=1))
Code = grpc.StatusCode


@pytest.fixture
def engine() -> Iterator[CloudEngine]:
    with cloud_engine() as made:
        yield made


def test_many_records_are_read_page_by_page_and_no_more_than_wanted(engine: CloudEngine) -> None:
    for number in range(2_050):
        engine.add("worker", str(number), at=START + timedelta(seconds=number))
    found = list(engine.logs.search(ALL, limit=1_500, newest_first=True))
    assert [record.message for record in found] == [str(number) for number in range(2_049, 549, -1)]
    assert engine.server.calls["list"] == 2
    assert len(list(engine.logs.search(ALL, limit=5_000))) == 2_050
    assert engine.server.calls["list"] == 5


def test_empty_pages_do_not_end_a_search(engine: CloudEngine) -> None:
    engine.add("worker", "rare", at=START)
    engine.server.empty_pages = 3
    assert [record.message for record in engine.logs.search(ALL, limit=5)] == ["rare"]


def test_every_search_has_a_bound_of_time(engine: CloudEngine) -> None:
    list(engine.logs.search(ALL, limit=5))
    (text,) = engine.server.filters
    assert f'timestamp>="{ALL.since.isoformat(timespec="microseconds").replace("+00:00", "Z")}"' in text


def test_plain_text_and_requests_are_shown_as_what_they_are(engine: CloudEngine) -> None:
    request = {
        "requestMethod": "POST",
        "requestUrl": "https://worker-abc.a.run.app/predict?batch=1",
        "status": 500,
        "latency": "1.234s",
        "userAgent": "APIs-Google",
    }
    engine.server.add(
        "old", "Traceback (most recent call last):\n  File\nKeyError: 'x'\n", severity="DEFAULT", at=START
    )
    engine.server.add("worker", "", request=request, severity="ERROR", at=START + timedelta(seconds=1))
    engine.server.add("odd", {"rows": 3}, at=START + timedelta(seconds=2))
    engine.server.add("odd", {"msg": "loaded", "time": "x"}, at=START + timedelta(seconds=3))
    text, served, odd, other = engine.logs.search(ALL, limit=9)
    assert (text.severity, text.message) == ("DEFAULT", "Traceback (most recent call last):\n  File\nKeyError: 'x'")
    assert served.message == "POST /predict?batch=1 500 in 1.23s"
    assert served.fields["httpRequest"] == {
        "method": "POST",
        "url": "https://worker-abc.a.run.app/predict?batch=1",
        "status": 500,
        "seconds": 1.234,
        "agent": "APIs-Google",
    }
    assert (odd.message, odd.fields) == ('{"rows": 3}', {})
    assert (other.message, other.fields) == ("loaded", {})


@pytest.mark.parametrize(
    ("code", "text", "kind", "says"),
    [
        (
            Code.PERMISSION_DENIED,
            "Permission 'logging.logEntries.list' denied on resource (or it may not exist).",
            NotAuthorisedError,
            ["permission logging.logEntries.list is missing", "roles/logging.viewer"],
        ),
        (
            Code.PERMISSION_DENIED,
            "Cloud Logging API has not been used in project 1 before or it is disabled.",
            NotAuthorisedError,
            ["is not enabled", "gcloud services enable logging.googleapis.com --project nba-props-platform"],
        ),
        (Code.UNAUTHENTICATED, "", NotAuthorisedError, ["who is calling", "gcloud auth"]),
        (Code.NOT_FOUND, "Project does not exist", NotAuthorisedError, ["--project"]),
        (Code.INVALID_ARGUMENT, "Unparseable filter", DataError, ["does not accept the query"]),
    ],
)
def test_an_error_that_stays_is_not_tried_again(
    engine: CloudEngine, code: grpc.StatusCode, text: str, kind: type[NbactlError], says: list[str]
) -> None:
    engine.server.failures = [(code, text)] * 2
    with pytest.raises(kind) as caught:
        list(engine.logs.search(ALL, limit=1))
    assert all(part in f"{caught.value.message} {caught.value.next_step}" for part in says), caught.value
    assert engine.server.calls["list"] == 1


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (Code.RESOURCE_EXHAUSTED, UnavailableError, "over its quota"),
        (Code.UNAVAILABLE, UnavailableError, "cannot be reached"),
        (Code.INTERNAL, UnavailableError, "failed"),
        (Code.DEADLINE_EXCEEDED, TimedOutError, "did not answer in time"),
    ],
)
def test_an_error_that_passes_is_tried_again(
    engine: CloudEngine, code: grpc.StatusCode, kind: type[NbactlError], says: str
) -> None:
    engine.add("worker", "here", at=START)
    engine.server.failures = [(code, "for a while")] * 2
    assert [record.message for record in engine.logs.search(ALL, limit=5)] == ["here"]
    engine.server.failures = [(code, "for long")] * 9
    with pytest.raises(kind, match=says):
        list(engine.logs.search(ALL, limit=5))


def test_a_server_that_is_not_there_is_unavailable() -> None:
    logs, channel = cloud_logs("127.0.0.1:9", attempts=1)
    with pytest.raises(UnavailableError, match="cannot be reached"):
        list(logs.search(ALL, limit=1))
    channel.close()


def test_a_query_that_is_too_long_is_not_sent(engine: CloudEngine) -> None:
    with pytest.raises(DataError, match="characters"):
        list(engine.logs.search(LogQuery(ALL.since, ids=[f"run-{number:09}" for number in range(500)]), limit=1))
    with pytest.raises(DataError, match="not a name"):
        engine.logs.filter_of(LogQuery(ALL.since, labels={'a="b" OR labels.c': "1"}))
    assert not engine.server.calls
