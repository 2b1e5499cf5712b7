"""docs/logging.md: its examples run, its shape is what is logged, its queries find what they are for."""

from __future__ import annotations

import json
import logging
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.observe.context import Trace, bound
from nbactl.core.observe.events import Event, EventLog
from nbactl.core.observe.failures import LOGGED
from nbactl.core.observe.logging import CloudFormatter
from nbactl.errors import DataError, UnavailableError
from nbactl.workflows.observers import log_event
from tests.kit.paths import ROOT
from tests.kit.run_records import MIXED, events, run
from tests.unit.core.observe.log_query import log_entry, selects

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (ROOT / "docs" / "logging.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
QUERIES = re.findall(r"^([^\n]+):\n\n```\n(.*?)```", PAGE.partition("## Queries")[2], re.MULTILINE | re.DOTALL)
TRACE = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(CloudFormatter(service="prediction-worker", version="1.4.2", project="nba-props-platform"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def untouched() -> Iterator[None]:
    root, hook = logging.getLogger(), threading.excepthook
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before
    logging.captureWarnings(capture=False)
    threading.excepthook = hook


def fail(error: Exception) -> None:
    raise error


def report(error: Exception, what: str, **fields: Any) -> None:
    try:
        fail(error)
    except Exception as raised:  # noqa: BLE001 - what was raised is what is reported
        LOGGED.report(raised, what, **fields)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """A night in the log: some of all that the queries look for, and as much that they do not."""
    handler, root = Lines(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        for event in events(run(*MIXED.tasks, status="failed", end=2.6, run_id="run-1m80ca9d02ys7exe")):
            log_event(event)
        with bound(batch="2024-01-15-a", player="lebronjames", correlation_id="req-1m80ca", trace=TRACE):
            about = {"status": 400, "key": "2024-01-15-a/lebronjames", "message_id": "10"}
            report(DataError("no points"), "push /predict", **about)
            report(UnavailableError("down"), "push /predict", status=503)
        with bound(batch="2024-01-15-b", player="lebronjames", correlation_id="req-other"):
            report(DataError("no points"), "push /other", status=400)
            logging.getLogger("worker").info("predicted", extra={"points": 25.5})
        logging.getLogger("worker").info("too much", extra={"huge": "x" * 300_000})
        hear = EventLog(5.0)
        for path, seconds in (("/predict", 12.0), ("/predict", 0.1), ("/other", 6.0)):
            hear(Event("http.served", path, {"status": 204, "seconds": seconds}))
        hear(Event("warehouse.queried", "warehouse", {"answered_by": "engine", "bytes": 1, "seconds": 30.0}))
        for policy in ("critical_api", "slack"):
            hear(Event("retry.again", policy, {"attempt": 1, "error": "TimeoutError", "pause": 0.5}))
            hear(Event("retry.gave_up", policy, {"attempt": 4, "error": "TimeoutError", "reason": "attempts"}))
        hear(Event("breaker.open", "odds_api", {"before": "closed", "reason": "5 of 5 failed"}))
        for kind in ("replayed", "in_progress", "payload_mismatch", "claimed"):
            hear(Event(f"idempotency.{kind}", "2024-01-15-a/lebronjames"))
        hear(Event("outbox.failed", "phase3/2024-01-15/1", {"error": "UnavailableError", "attempts": 2}))
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    return handler.lines


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_hold(number: int) -> None:
    exec(compile(EXAMPLES[number], f"logging.md, example {number + 1}", "exec"), {})  # noqa: S102 - our own text


def test_the_shape_is_what_is_logged(lines: list[str]) -> None:
    [shown] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    told = json.loads(shown)
    [logged] = [each for line in lines if (each := json.loads(line))["message"] == told["message"]]
    assert told.keys() == logged.keys()
    assert told["failure"].keys() == logged["failure"].keys()
    changing = {"time", "logging.googleapis.com/sourceLocation", "stack_trace", "failure"}
    assert {name: told[name] for name in told.keys() - changing} == {
        name: logged[name] for name in told.keys() - changing
    }


FOUND = {
    "Everything about one run, in all services": 14,
    "Everything that one request or message set off (the answer's header `x-correlation-id` names it)": 2,
    "The same by trace, beside the load balancer's own records": 2,
    "One player of a batch": 2,
    "What failed for a game date and will not get better by itself": 2,
    "Tasks that failed, from the log of runs": 1,
    "Messages of an endpoint that were not acknowledged; those that can never succeed": 1,
    "All failures of one kind, such as those behind an entry of Sentry": 2,
    "Slow requests and queries (`log.slow` in timeouts.yaml says from when on they are logged)": 2,
    "Calls of a dependency that were tried again or given up, and why": 2,
    "Breakers that opened": 1,
    "Duplicates: messages whose work was done before, or was under way": 2,
    "Keys that were used for two different payloads": 1,
    "Messages of the outbox that could not be published": 1,
    "Records that were too long and lost something": 1,
}


def test_every_query_finds_what_it_is_for_and_nothing_else(lines: list[str]) -> None:
    entries = [log_entry(line) for line in lines]
    [kind] = {
        entry["jsonPayload"]["failure"]["fingerprint"]
        for entry in entries
        if entry["jsonPayload"].get("failure", {}).get("type") == "DataError"
    }
    found = {
        heading: sum(selects(query.replace("5b1c9a7d40e2f318", kind), entry) for entry in entries)
        for heading, query in QUERIES
    }
    assert found == FOUND
