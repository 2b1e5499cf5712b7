"""Log records in Cloud Logging's shape, one JSON object a line.

The names are those that the logging agent of Cloud Run lifts out of a line (cloud.google.com/logging/docs/
structured-logging); all others become the entry's payload. From ERROR on a record is one that Error Reporting groups
(cloud.google.com/error-reporting/docs/formatting-error-messages).
"""

from __future__ import annotations

import json
import logging
import math
import traceback
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime, time
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.observe.context import current
from nbactl.core.observe.masking import MASK, as_text, is_secret_name, mask, mask_within

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

SEVERITIES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@cache
def severity_of(level: int) -> str:
    """Return the severity of a level number of `logging`."""
    return SEVERITIES[min(max(level // 10 - 1, 0), len(SEVERITIES) - 1)]


_STANDARD: Final = len(vars(logging.makeLogRecord({})))
"""Attributes that every record is made with; what was added to one comes after them."""
_LATE: Final = frozenset({"message", "asctime"})
"""What formatters add to a record."""
_PLAIN: Final = frozenset({int, float, bool, type(None)})


def fields_of(record: logging.LogRecord, ours: Collection[str]) -> dict[str, Any]:
    """Return the fields with secrets masked; a name that is among `ours` gets an underscore in front."""
    fields: dict[str, Any] = {}
    for name, value in islice(record.__dict__.items(), _STANDARD, None):
        if name in _LATE:
            continue
        if _is_secret(name):
            shown = MASK
        elif type(value) is str:
            shown = mask(value)
        elif type(value) in _PLAIN:
            shown = value
        else:
            shown = mask_within(value)
        fields[f"_{name}" if name in ours else name] = shown
    return fields


_is_secret = lru_cache(maxsize=1024)(is_secret_name)


PREFIX: Final = "logging.googleapis.com/"
LABELS, TRACE, SPAN, SAMPLED, SOURCE = (
    f"{PREFIX}{name}" for name in ("labels", "trace", "spanId", "trace_sampled", "sourceLocation")
)
_REPORTED: Final = "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent"
OURS: Final = frozenset(
    {"severity", "message", "time", "logger", "serviceContext", "context", "@type", "httpRequest", "cut"}
)
_LONGEST: Final = 240 * 1024
"""Bytes of a line. Cloud Logging refuses entries of more than 256 KiB, in a form of its own that is a little longer."""
_KEPT: Final = 16 * 1024
_LONGEST_FIELD: Final = 1024
_DEEPEST: Final = 32


class CloudFormatter(logging.Formatter):
    """Formats a record as one line of JSON, whatever is in it. `project` completes the names of traces."""

    def __init__(self, *, service: str = "nbactl", version: str | None = None, project: str | None = None) -> None:
        super().__init__()
        self._dumps = _fast_dumps()
        self._traces = "" if project is None else f"projects/{project}/traces/"
        self._service = {"service": service} if version is None else {"service": service, "version": version}

    def format(self, record: logging.LogRecord) -> str:
        context = current()
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "severity": severity_of(record.levelno),
            "message": mask(message_of(record)),
            "logger": record.name,
            LABELS: context.labels(),
            SOURCE: _source(record.pathname, record.lineno, record.funcName),
        }
        if (trace := context.trace) is not None:
            entry[TRACE] = self._traces + trace.trace_id
            entry[SAMPLED] = trace.sampled
            if trace.span_id is not None:
                entry[SPAN] = trace.span_id
        entry.update(fields_of(record, OURS))
        if record.exc_info and record.exc_info[0] is not None:
            entry["stack_trace"] = mask("".join(traceback.format_exception(*record.exc_info)))
        elif record.stack_info:
            entry["stack_trace"] = mask(record.stack_info)
        if record.levelno >= logging.ERROR:
            entry["@type"] = _REPORTED
            entry["serviceContext"] = self._service
            if "stack_trace" not in entry:  # otherwise the traceback says where it happened
                place = {"filePath": record.pathname, "lineNumber": record.lineno, "functionName": record.funcName}
                entry["context"] = {"reportLocation": place}
        line = self._dumps(entry)
        return line if len(line) * 4 <= _LONGEST or len(line.encode()) <= _LONGEST else self._dumps(_cut(entry))


@cache
def _fast_dumps() -> Callable[[dict[str, Any]], str]:
    import orjson  # noqa: PLC0415 - who logs nothing as JSON need not load it

    options = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_UTC_Z
    slower = options | orjson.OPT_NON_STR_KEYS

    def dumps(entry: dict[str, Any]) -> str:
        for option in (options, slower):
            try:
                return orjson.dumps(entry, default=plain, option=option).decode()
            except (TypeError, ValueError, RecursionError):
                continue
        # A lone surrogate, a number beyond 64 bits, a cycle: slower, in a form that always works.
        return json.dumps(plain_json(entry), ensure_ascii=True, allow_nan=False)

    return dumps


def message_of(record: logging.LogRecord) -> str:
    """Return the message of a record, whatever its parts are; never raises."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit must not cost the record
        return _unformatted(record)


def _unformatted(record: logging.LogRecord) -> str:
    try:
        return f"{record.msg!s} {record.args!r}"
    except Exception:  # noqa: BLE001 - nor what has no text
        arguments = record.args if isinstance(record.args, tuple) else (record.args,) if record.args else ()
        return " ".join(map(as_text, (record.msg, *arguments)))


@lru_cache(maxsize=4096)
def _source(path: str, line: int, function: str) -> dict[str, str]:
    return {"file": path, "line": str(line), "function": function}


def plain(value: Any) -> Any:  # noqa: ANN401 - any value may be logged
    """Return a value that JSON can hold in place of one that it cannot."""
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=as_text)
    if is_dataclass(value) and not isinstance(value, type) and type(value).__str__ is object.__str__:
        try:
            return asdict(value)
        except Exception:  # noqa: BLE001 - a field that cannot be copied must not cost the record
            return as_text(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    return as_text(value)


def plain_json(value: Any, depth: int = 0) -> Any:  # noqa: ANN401, PLR0911 - any value may be logged, one kind a line
    """Return a value in a form that JSON can always hold."""
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {plain_json(str(plain(name))): plain_json(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(inner, depth + 1) for inner in value]
    try:
        return plain_json(plain(value), depth + 1)
    except RecursionError:
        return f"<{type(value).__name__}>"


def _cut(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry that is short enough: long texts lose their ends, tracebacks their beginning."""
    short: dict[str, Any] = {"cut": True}
    room = _LONGEST // 2
    for name, value in entry.items():
        if name == "stack_trace":
            short[name] = value if len(value) <= _KEPT else f"…{value[-_KEPT:]}"
        elif name == "message":
            short[name] = value if len(value) <= _KEPT else f"{value[:_KEPT]}…"
        else:
            text = value if isinstance(value, str) else json.dumps(plain_json(value))
            is_long = len(text) > _LONGEST_FIELD
            room -= len(name) + min(len(text), _LONGEST_FIELD)
            if room > 0:
                short[name] = f"{text[:_LONGEST_FIELD]}…" if is_long else value
    return short
