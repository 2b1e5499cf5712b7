"""Failures where they end, and who is told of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbactl.core.observe.context import Trace, bound
from nbactl.core.observe.failures import LOGGED, Failure, Failures, failure_of, log_failure
from nbactl.errors import DataError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable


def fail(error: Exception, cause: Exception | None) -> None:
    raise error from cause


def raised(make: Callable[[], Exception], cause: Exception | None = None) -> Exception:
    try:
        fail(make(), cause)
    except Exception as error:  # noqa: BLE001 - what was raised is what a test wants
        return error
    raise AssertionError


def test_inv_17_a_failure_keeps_cause_context_and_traceback() -> None:
    heard: list[Failure] = []
    trace = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)
    error = raised(
        lambda: DataError("no points", cause="the file is empty", next_step="Load it again."), OSError("disk full")
    )
    with bound(run_id="run-1", task="t", game_date="2024-01-15", correlation_id="cor-1", trace=trace):
        told = Failures(heard.append).report(error, "push /push", status=400)
    assert heard == [told]
    assert (told.type, told.message, told.code, told.retryable) == ("DataError", "no points", "data", False)
    assert (told.cause, told.next_step, told.fields) == ("the file is empty", "Load it again.", {"status": 400})
    assert told.labels == {"run_id": "run-1", "task": "t", "game_date": "2024-01-15", "correlation_id": "cor-1"}
    assert told.trace == trace
    assert told.error is error
    for piece in ("OSError: disk full", "DataError: no points", "in fail", "direct cause"):
        assert piece in told.traceback


def test_failures_of_one_kind_have_one_fingerprint_whatever_they_say() -> None:
    def read(player: str) -> None:
        raise DataError(f"no points of {player}")

    def write(player: str) -> None:
        raise DataError(f"no points of {player}")

    def fingerprint(work: Callable[[str], None], player: str) -> str:
        try:
            work(player)
        except DataError as error:
            return failure_of(error, "push /push", {}).fingerprint
        raise AssertionError

    assert fingerprint(read, "a") == fingerprint(read, "b")
    assert fingerprint(read, "a") != fingerprint(write, "a")
    bare = [Failure("task t", "DataError", text, "", retryable=False) for text in ("a", "b")]
    assert bare[0].fingerprint == bare[1].fingerprint


def test_inv_28_secrets_are_masked_in_all_that_a_sink_is_given() -> None:
    error = raised(
        lambda: DataError("password=hunter2", cause="https://u:hunter2@h/", next_step="use token=hunter2"),
    )
    told = failure_of(error, "push /push", {"headers": {"Authorization": "hunter2"}})
    assert "hunter2" not in repr(told)
    assert "***" in told.message


def test_a_sink_that_fails_keeps_neither_the_others_nor_the_work_back(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Failure] = []

    def broken(_: Failure) -> None:
        raise ZeroDivisionError("the sink")

    failures = Failures(broken, heard.append)
    with caplog.at_level(logging.ERROR, "nbactl.failures"):
        told = failures.report(raised(lambda: DataError("x")), "push /push")
    assert heard == [told]
    [record] = caplog.records
    assert told.fingerprint in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (DataError("no"), logging.ERROR),
        (UnavailableError("down"), logging.WARNING),
        (TimeoutError("late"), logging.WARNING),
        (ValueError("bug"), logging.ERROR),
    ],
)
def test_what_may_succeed_later_is_a_warning_and_all_else_an_error(
    error: Exception, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    LOGGED.report(raised(lambda: error), "push /push", status=500)
    [record] = caplog.records
    assert record.levelno == level
    assert record.getMessage() == f"push /push failed: {error}"
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    told = record.__dict__["failure"]
    assert (told["what"], told["type"], told["status"]) == ("push /push", type(error).__name__, 500)


def test_a_failure_of_another_process_is_logged_with_the_traceback_it_had_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log_failure(Failure("task t", "DataError", "no", "Traceback …", retryable=False))
    [record] = caplog.records
    assert record.__dict__["stack_trace"] == "Traceback …"


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_error_that_cannot_say_what_it_is_is_reported_all_the_same() -> None:
    told = failure_of(raised(MuteError), "push /push", {})
    assert (told.type, told.message) == ("MuteError", "<MuteError that has no text: RuntimeError>")
    assert failure_of(raised(ValueError), "x", {}).message == "ValueError"


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.binary() | st.none()))
def test_whatever_an_error_says_it_can_be_reported(message: str, fields: dict[str, object]) -> None:
    told = failure_of(raised(lambda: ValueError(message)), message, fields)
    log_failure(told)
    assert len(told.fingerprint) == 16
