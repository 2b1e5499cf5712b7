from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbactl.core._support.gamedate import GameDate
from nbactl.core.observe.context import Trace, bound
from nbactl.core.observe.logging import CloudFormatter, configure_logging
from nbactl.core.observe.logging.cloud import LABELS, SAMPLED, SOURCE, SPAN, TRACE
from nbactl.core.observe.logging.payload import request_message
from nbactl.core.observe.logging.setup import HumanFormatter, PlainFormatter

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMATTER = CloudFormatter(service="worker", version="1.2.3", project="nba-props-platform")


def record(level: int = logging.INFO, message: object = "done", *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("nbactl.x", level, "/srv/x.py", 17, message, args, None, "work")
    made.__dict__.update(extra)
    return made


def failure(message: str) -> Any:
    error = ValueError(message)
    try:
        raise error
    except ValueError:
        return sys.exc_info()


def entry(made: logging.LogRecord) -> dict[str, Any]:
    line = FORMATTER.format(made)
    assert "\n" not in line
    told: dict[str, Any] = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return told


def test_a_record_has_the_shape_that_cloud_logging_lifts_its_fields_from() -> None:
    trace = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)
    made = record(logging.WARNING, "slow: %d s", 3, rows=229)
    made.created = 1705320000.25
    with bound(run_id="run-1", batch="b1", player="lebronjames", trace=trace):
        told = entry(made)
    assert told == {
        "time": "2024-01-15T12:00:00.250000Z",
        "severity": "WARNING",
        "message": "slow: 3 s",
        "logger": "nbactl.x",
        LABELS: {"run_id": "run-1", "batch": "b1", "player": "lebronjames"},
        SOURCE: {"file": "/srv/x.py", "line": "17", "function": "work"},
        TRACE: "projects/nba-props-platform/traces/0af7651916cd43dd8448eb211c80319c",
        SPAN: "b7ad6b7169203331",
        SAMPLED: True,
        "rows": 229,
    }


def test_an_error_is_one_that_error_reporting_groups() -> None:
    made = record(logging.ERROR, "failed")
    made.exc_info = failure("boom")
    told = entry(made)
    assert told["@type"].endswith("ReportedErrorEvent")
    assert told["serviceContext"] == {"service": "worker", "version": "1.2.3"}
    assert "ValueError: boom" in told["stack_trace"]
    bare = entry(record(logging.ERROR, "failed"))
    assert bare["context"]["reportLocation"] == {"filePath": "/srv/x.py", "lineNumber": 17, "functionName": "work"}
    assert "@type" not in entry(record(logging.WARNING))


@dataclass
class Row:
    player: str
    points: float


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (float("nan"), None),
        (float("inf"), None),
        (datetime(2024, 1, 15, 12, tzinfo=UTC), "2024-01-15T12:00:00Z"),
        (date(2024, 1, 15), "2024-01-15"),
        (GameDate(date(2024, 1, 15)), "2024-01-15"),
        (Decimal("25.5"), "25.5"),
        ({3, 1, 2}, [1, 2, 3]),
        (b"\xff\x00abc", "\\xff\x00abc"),
        (Row("lebronjames", 25.5), {"player": "lebronjames", "points": 25.5}),
        ({1: "one", None: 2}, {"1": "one", "null": 2}),
        (2**70, str(2**70)),
        ("\ud800", "\\ud800"),
        (Mute(), "<Mute that has no text: RuntimeError>"),
        (ValueError("x"), "x"),
    ],
)
def test_every_value_becomes_something_that_can_be_asked_for(value: object, told: object) -> None:
    assert entry(record(value=value))["value"] == told


class NoWords(Mute):
    __repr__ = Mute.__str__


@dataclass
class Locked:
    lock: Any


@pytest.mark.parametrize(
    ("message", "arguments", "told"),
    [
        (NoWords(), (), "<NoWords that has no text: RuntimeError>"),
        ("player %s", (NoWords(),), "player %s <NoWords that has no text: RuntimeError>"),
        ("player %d", ("x",), "player %d ('x',)"),
        ("player %(name)s", ({"name": NoWords()},), "player %(name)s <dict that has no text: RuntimeError>"),
        (NoWords(), (1,), "<NoWords that has no text: RuntimeError> 1"),
    ],
)
def test_a_message_without_text_is_one_line_of_json(message: object, arguments: tuple[Any, ...], told: str) -> None:
    made = record(logging.ERROR)
    made.msg, made.args = message, arguments[0] if arguments and isinstance(arguments[0], dict) else arguments
    assert entry(made)["message"] == told
    assert HumanFormatter().format(made).endswith(f": {told}")
    assert PlainFormatter().format(made).endswith(f": {told}")


@pytest.mark.parametrize("value", [{NoWords(), 1}, Locked(threading.Lock()), [NoWords()], {"a": {NoWords()}}, NoWords])
def test_a_field_without_text_costs_no_record(value: object) -> None:
    assert "value" in entry(record(value=value))


def test_a_structure_that_contains_itself_ends_somewhere() -> None:
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    assert "value" in entry(record(value=loop))


def test_what_a_caller_passes_cannot_pose_as_the_records_own() -> None:
    posing: dict[str, Any] = {"severity": "EMERGENCY", "@type": "x", "context": 1}
    told = entry(record(**posing))
    assert told["severity"] == "INFO"
    assert (told["_severity"], told["_@type"], told["_context"]) == ("EMERGENCY", "x", 1)


def test_inv_28_secrets_are_masked_in_message_fields_and_traceback() -> None:
    made = record(logging.ERROR, "to https://u:hunter2@h/", api_key="hunter2", headers={"Cookie": "hunter2"})
    made.exc_info = failure("password=hunter2")
    assert "hunter2" not in FORMATTER.format(made)


@pytest.mark.parametrize("text", ["x" * 1_000_000, "é" * 300_000, '"' * 400_000])
def test_a_record_that_cloud_logging_would_refuse_is_cut_and_says_so(text: str) -> None:
    line = FORMATTER.format(record(logging.ERROR, text, huge=text, many=dict.fromkeys(range(50_000)), rows=3))
    assert len(line.encode()) < 256 * 1024
    told = json.loads(line)
    assert told["cut"] is True
    assert (told["severity"], told["rows"]) == ("ERROR", 3)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


@given(st.text(), st.dictionaries(st.text(min_size=1).filter(lambda name: name not in vars(record())), VALUES))
def test_whatever_is_logged_becomes_one_line_of_json(message: str, extra: dict[str, Any]) -> None:
    told = entry(record(message=message.replace("%", "%%"), **extra))
    assert {"time", "severity", "message", LABELS, SOURCE} <= told.keys()


@pytest.fixture
def untouched() -> Iterator[None]:
    root, hook = logging.getLogger(), threading.excepthook
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before
    logging.captureWarnings(capture=False)
    threading.excepthook = hook


@pytest.mark.usefixtures("untouched")
def test_a_service_logs_everything_in_one_form() -> None:
    stream = io.StringIO()
    configure_logging(service="worker", version="1", stream=stream)
    logging.getLogger("somebody.else").info("theirs", extra={"n": 1})
    logging.getLogger("uvicorn.error").warning("the server's")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old call", DeprecationWarning, stacklevel=1)
    thread = threading.Thread(target=lambda: 1 / 0, name="t1")
    thread.start()
    thread.join()
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["message"].split("\n")[0] for line in told if "old call" not in line["message"]] == [
        "theirs", "the server's", "the thread t1 died"
    ]  # fmt: skip
    assert "ZeroDivisionError" in told[-1]["stack_trace"]
    assert any("old call" in line["message"] for line in told)


@pytest.mark.usefixtures("untouched")
def test_the_flag_decides_record_by_record_whether_it_is_json() -> None:
    stream, on = io.StringIO(), False
    configure_logging(service="worker", version="1", stream=stream, structured=lambda: on)
    logging.getLogger("a").info("plain password=hunter2")
    on = True
    logging.getLogger("a").info("json")
    plain, structured = stream.getvalue().splitlines()
    assert plain.endswith("INFO a: plain password=***")
    assert json.loads(structured)["message"] == "json"


@pytest.mark.usefixtures("untouched")
def test_a_stream_that_is_broken_does_not_stop_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    configure_logging(service="worker", version="1", stream=Full())
    logging.getLogger("a").info("lost")
    assert "No space left" in capsys.readouterr().err


def test_arguments_that_do_not_fit_cost_no_record() -> None:
    assert entry(record(logging.INFO, "%d rows of %s", "three"))["message"] == "%d rows of %s ('three',)"


def test_a_request_to_an_address_that_cannot_be_read_is_shown_as_it_is() -> None:
    assert request_message("GET", "http://[half/x", 400, None) == "GET http://[half/x 400"
