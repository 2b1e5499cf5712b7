"""What every engine of the logs port must do."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.ports.logs import LogQuery
from tests.kit.service_logs import CloudEngine, cloud_engine, local_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.logs import LogRecord
    from tests.kit.service_logs import LogEngine

NOW = datetime.now(UTC).replace(microsecond=123456)
START = NOW - timedelta(hours=3)
ALL = LogQuery(since=START - timedelta(days=5))
ODD_TEXTS = [
    '"',
    "\\",
    '" OR severity>="DEBUG',
    "line one\nline two",
    "(",
    "Dončić 🏀",
    "\x1b[31m",
    "'; --",
    "%2F*?",
    "\\u0041",
]


@pytest.fixture(params=["cloud", "local"])
def log_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogEngine]:
    if request.param == "cloud":
        with cloud_engine() as cloud:
            yield cloud
    else:
        with local_engine(tmp_path / "logs") as local:
            yield local


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _messages(log_engine: LogEngine, query: LogQuery) -> list[str]:
    return [record.message for record in log_engine.logs.search(query, limit=100)]


def test_records_of_all_services_come_in_the_order_of_time(log_engine: LogEngine) -> None:
    for second, service in ((3, "b"), (1, "a"), (2, "b"), (0, "c")):
        log_engine.add(service, f"{service}{second}", at=_at(second))
    assert _messages(log_engine, ALL) == ["c0", "a1", "b2", "b3"]
    newest = log_engine.logs.search(ALL, limit=2, newest_first=True)
    assert [record.message for record in newest] == ["b3", "b2"]
    assert [record.message for record in log_engine.logs.search(ALL, limit=1)] == ["c0"]


def test_a_record_has_what_was_logged(log_engine: LogEngine) -> None:
    log_engine.add(
        "worker",
        "predicted",
        at=_at(0),
        severity="WARNING",
        labels={"player": "lebronjames", "run_id": "run-1"},
        fields={
            "points": 25.5,
            "rows": 3,
            "failure": {"type": "DataError"},
            "ok": True,
            "list": [1, "a"],
            "none": None,
        },
        revision="worker-00007",
        trace="0af7651916cd43dd8448eb211c80319c",
    )
    (record,) = log_engine.logs.search(ALL, limit=9)
    assert (record.service, record.severity, record.message, record.at) == ("worker", "WARNING", "predicted", _at(0))
    assert record.labels == {"player": "lebronjames", "run_id": "run-1"}
    assert record.fields == {
        "points": 25.5,
        "rows": 3,
        "failure": {"type": "DataError"},
        "ok": True,
        "list": [1, "a"],
        "none": None,
    }
    assert (record.revision, record.trace) == ("worker-00007", "0af7651916cd43dd8448eb211c80319c")
    assert record.id
    assert next(iter(log_engine.logs.search(ALL, limit=1))).id == record.id


def test_each_filter_leaves_out_what_it_must(log_engine: LogEngine) -> None:
    log_engine.add("worker", "Odds TIMEOUT", at=_at(0), severity="ERROR", labels={"run_id": "run-1", "task": "odds"})
    log_engine.add("worker", "fine", at=_at(10), revision="worker-00002", labels={"player": "lebronjames"})
    log_engine.add("exporter", "late", at=_at(20), severity="NOTICE", fields={"correlation_id": "req-1"})
    log_engine.add("exporter", "lines", at=_at(30), severity="CRITICAL", trace="0af7651916cd43dd8448eb211c80319c")
    since = ALL.since
    cases: list[tuple[LogQuery, list[str]]] = [
        (LogQuery(since, services=["worker"]), ["Odds TIMEOUT", "fine"]),
        (LogQuery(since, services=["worker", "exporter"]), ["Odds TIMEOUT", "fine", "late", "lines"]),
        (LogQuery(since, services=["nobody"]), []),
        (LogQuery(since, severity="ERROR"), ["Odds TIMEOUT", "lines"]),
        (LogQuery(since, severity="NOTICE"), ["Odds TIMEOUT", "late", "lines"]),
        (LogQuery(since, text="timeout"), ["Odds TIMEOUT"]),
        (LogQuery(since, labels={"run_id": "run-1"}), ["Odds TIMEOUT"]),
        (LogQuery(since, labels={"run_id": "run"}), []),
        (LogQuery(since, labels={"run_id": "run-1", "task": "props"}), []),
        (LogQuery(since, labels={"correlation_id": "req-1"}), ["late"]),
        (LogQuery(since, revision="worker-00002"), ["fine"]),
        (LogQuery(since, ids=["req-1", "0af7651916cd43dd8448eb211c80319c"]), ["late", "lines"]),
        (LogQuery(since, ids=["run-1"]), ["Odds TIMEOUT"]),
        (LogQuery(_at(10)), ["fine", "late", "lines"]),
        (LogQuery(_at(10), until=_at(20)), ["fine"]),
    ]
    for query, expected in cases:
        assert _messages(log_engine, query) == expected, query
        assert log_engine.logs.filter_of(query)


@pytest.mark.parametrize("odd", ODD_TEXTS)
def test_a_text_is_looked_for_as_it_is_and_can_add_no_condition(log_engine: LogEngine, odd: str) -> None:
    log_engine.add("worker", f"before {odd} after", at=_at(0), labels={"task": odd})
    log_engine.add("worker", "something else", at=_at(1), severity="ERROR", labels={"task": "else"})
    found = [f"before {odd} after"]
    assert _messages(log_engine, LogQuery(ALL.since, text=odd)) == found
    assert _messages(log_engine, LogQuery(ALL.since, labels={"task": odd})) == found
    assert _messages(log_engine, LogQuery(ALL.since, ids=[odd])) == []
    assert _messages(log_engine, LogQuery(ALL.since, services=[odd])) == []


def test_records_older_than_a_day_are_found_as_well(log_engine: LogEngine) -> None:
    log_engine.add("worker", "old", at=START - timedelta(days=4))
    assert _messages(log_engine, ALL) == ["old"]


def test_following_shows_the_last_records_and_then_each_new_one_once(log_engine: LogEngine) -> None:
    for second in range(5):
        log_engine.add("worker", f"old {second}", at=_at(second))
    seen: list[LogRecord] = []
    ends = time.monotonic() + 10
    query = LogQuery(ALL.since, services=["worker"])
    groups = log_engine.logs.follow(query, lambda: len(seen) >= 5 or time.monotonic() > ends, last=2)
    seen += next(groups).records
    assert [record.message for record in seen] == ["old 3", "old 4"]
    if isinstance(log_engine, CloudEngine):
        log_engine.server.wait_for_streams()
    for number in range(3):
        log_engine.add("worker", f"new {number}")
        log_engine.add("exporter", "of another")
        log_engine.add("worker", "before --since", at=ALL.since - timedelta(seconds=1))
    for group in groups:
        seen += group.records
    assert [record.message for record in seen] == ["old 3", "old 4", "new 0", "new 1", "new 2"]


def test_following_ends_when_it_is_stopped_and_nothing_comes(log_engine: LogEngine) -> None:
    stopped: list[bool] = []
    groups = log_engine.logs.follow(ALL, lambda: bool(stopped), last=5)
    assert [list(next(groups).records) for _ in range(3)] == [[], [], []]
    stopped.append(True)
    assert list(groups) == []
