"""A log record in the full shape of Cloud Logging, from the call to the line: CPU microseconds beside peers."""

from __future__ import annotations

import importlib
import io
import json
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks.measure import Line
from nbactl.core.observe.context import Trace, bound, current
from nbactl.core.observe.logging import CloudFormatter
from nbactl.core.observe.logging.cloud import LABELS, SAMPLED, SOURCE, SPAN, TRACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RECORDS = 10_000
_TRACE = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)


def measure(runs: int) -> Iterator[Line]:
    """Measure a record of ours, one of the standard library with json in the same shape, and one of Google's."""
    ours = _best(runs, _handler(CloudFormatter(service="bench", version="1", project="bench")))
    plain = _best(runs, _handler(_Json()))
    yield Line("log record: nbactl", ours, "µs CPU", 12.0, f"{ours / plain:.2f} of logging + json in the same shape")
    yield Line("log record: logging + json", plain, "µs CPU", None, "masks nothing, and fails on what json cannot say")
    google = _googles()
    if google is None:
        yield Line("log record: google", 0.0, "µs CPU", None, "google-cloud-logging is not installed")
        return
    theirs = _best(runs, google)
    yield Line("log record: google", theirs, "µs CPU", None, "StructuredLogHandler")
    yield Line("log record: beside google's", ours / theirs, "of google's", 1 / 2.5)


class _Json(logging.Formatter):
    """What a service writes that has no library for it."""

    def format(self, record: logging.LogRecord) -> str:
        context, trace = current(), current().trace or _TRACE
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "severity": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            LABELS: {name: value for name in ("run_id", "batch", "player") if (value := getattr(context, name))},
            SOURCE: {"file": record.pathname, "line": str(record.lineno), "function": record.funcName},
            TRACE: f"projects/bench/traces/{trace.trace_id}",
            SPAN: trace.span_id,
            SAMPLED: trace.sampled,
            "points": record.__dict__["points"],
            "rows": record.__dict__["rows"],
        }
        return json.dumps(entry)


def _handler(formatter: logging.Formatter) -> Callable[[io.StringIO], logging.Handler]:
    def make(stream: io.StringIO) -> logging.Handler:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        return handler

    return make


def _googles() -> Callable[[io.StringIO], logging.Handler] | None:
    try:
        handlers = importlib.import_module("google.cloud.logging_v2.handlers")
    except ImportError:
        return None

    def make(stream: io.StringIO) -> logging.Handler:
        made: logging.Handler = handlers.StructuredLogHandler(
            labels={"run_id": "run-1", "batch": "b1"}, stream=stream, project_id="bench"
        )
        return made

    return make


def _best(runs: int, make: Callable[[io.StringIO], logging.Handler]) -> float:
    """Return the CPU microseconds of a record in the best of some runs."""
    logger = logging.getLogger("bench.logs")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    best = float("inf")
    with bound(run_id="run-1m80ca9d02ys7exe", batch="2024-01-15-a", player="lebronjames", trace=_TRACE):
        for _ in range(runs):
            stream = io.StringIO()
            logger.handlers = [make(stream)]
            began = time.process_time()
            for number in range(_RECORDS):
                logger.info("predicted %d players", number, extra={"points": 25.5, "rows": 229})
            best = min(best, time.process_time() - began)
            if stream.getvalue().count("\n") < _RECORDS:
                raise RuntimeError("each record was to be a line")
    logger.handlers = []
    return best / _RECORDS * 1e6
