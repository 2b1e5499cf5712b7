"""Errors by kind: what is alike, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nbactl.ports.logs import LogRecord
from nbactl.reporting.errors import error_kinds, exception_type, normalised

START = datetime(2026, 1, 15, 12, tzinfo=UTC)
TRACEBACK = """Traceback (most recent call last):
  File "/app/worker.py", line 12, in predict
    raise google.api_core.exceptions.NotFound("x")
google.api_core.exceptions.NotFound: 404 there is no table
  more of it
"""


def record(minute: int, message: str, *, service: str = "worker", **given: Any) -> LogRecord:
    return LogRecord(START + timedelta(minutes=minute), "ERROR", service, message, **given)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("batch 2024-01-15-a has 3 of 450 players", "batch 2024-01-16-b has 449 of 450 players"),
        ("no player 'lebronjames'", "no player 'stephencurry'"),
        ("run run-1m80ca failed after 1.5s", "run run-9zzzzz failed after 12s"),
        ("message 8f14e45fceea167a was lost", "message 45c48cce2e2d7fbd was lost"),
        ("5b1c9a7d-40e2-4318-9a7d-40e2f3185b1c is gone", "00000000-40e2-4318-9a7d-40e2f3185b1c is gone"),
        ("at 2026-01-15T12:00:01Z: late", "at 2026-01-16T09:10:11Z: late"),
        ("first line\nof 2", "first line\nof 3"),
    ],
)
def test_details_do_not_tell_kinds_apart(left: str, right: str) -> None:
    assert normalised(left) == normalised(right)


def test_a_plain_traceback_is_known_by_its_exception_and_a_request_by_its_path_and_status() -> None:
    (kind,) = error_kinds([record(1, TRACEBACK)])
    assert (kind.type, kind.message) == ("NotFound", "google.api_core.exceptions.NotFound: N there is no table")
    request = {"httpRequest": {"method": "POST", "status": 500}}
    slow, slower = (
        record(1, "POST /predict?a=1 500 in 1.2s", fields=request),
        record(2, "POST /predict?a=2 500 in 9s", fields=request),
    )
    assert [kind.message for kind in error_kinds([slow, slower])] == ["POST /predict 500"]


def test_words_do() -> None:
    assert normalised("the odds API did not answer") != normalised("the props API did not answer")
    assert "answer" in normalised("the odds API did not answer in 30 s")


@pytest.mark.parametrize(
    ("fields", "message", "expected"),
    [
        ({"failure": {"type": "DataError"}, "stack_trace": TRACEBACK}, "x", "DataError"),
        ({"stack_trace": TRACEBACK}, "x", "NotFound"),
        ({}, TRACEBACK, "NotFound"),
        ({}, "plain: text", None),
        ({"failure": None, "stack_trace": 3}, "x", None),
        ({"stack_trace": "KeyboardInterrupt"}, "x", "KeyboardInterrupt"),
    ],
)
def test_the_exception_is_that_of_the_failure_or_of_the_traceback(
    fields: dict[str, Any], message: str, expected: str | None
) -> None:
    assert exception_type(fields, message) == expected


def test_kinds_have_count_first_last_and_the_newest_as_example() -> None:
    found = error_kinds(
        [
            record(5, "no row 3", revision="worker-00002"),
            record(1, "no row 1", revision="worker-00001"),
            record(3, "no row 2", service="exporter"),
            record(4, "no row 9", fields={"failure": {"type": "DataError"}}),
        ]
    )
    first, *others = found
    assert (first.service, first.type, first.message, first.count) == ("worker", None, "no row N", 2)
    assert (first.first, first.last) == (START + timedelta(minutes=1), START + timedelta(minutes=5))
    assert (first.example.message, first.revisions) == ("no row 3", ("worker-00001", "worker-00002"))
    assert [(kind.service, kind.type) for kind in others] == [("exporter", None), ("worker", "DataError")]
