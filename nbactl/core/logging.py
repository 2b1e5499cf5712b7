"""Structured logging on the standard library: JSON lines for programs, readable lines for people.

A record names its run, task and game date (`core.context`) without the caller's help. Field names are Cloud
Logging's: `severity`, `message`, `time`, `labels`; what a caller passes in `extra=` stands beside them.
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from nbactl.core.context import current
from nbactl.core.gamedate import EASTERN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OURS = frozenset({"severity", "message", "time", "logger", "labels"})
SEVERITIES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def severity_of(level: int) -> str:
    """Return the severity that a level number of `logging` stands for."""
    index = min(max(level // 10 - 1, 0), len(SEVERITIES) - 1)
    return SEVERITIES[index]


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the caller passed in `extra=`; a name that is ours gets an underscore in front."""
    given = ((name, value) for name, value in vars(record).items() if name not in _STANDARD)
    return {f"_{name}" if name in _OURS else name: value for name, value in given}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "severity": severity_of(record.levelno),
            "message": record.getMessage(),
            "logger": record.name,
            "labels": current().labels(),
            **fields_of(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["stack_trace"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(entry, default=str, ensure_ascii=False)


class HumanFormatter(logging.Formatter):
    """`12:00:01 WARNING player_game_summary: message  rows=3`, Eastern time."""

    def format(self, record: logging.LogRecord) -> str:
        labels = current().labels()
        place = labels.get("task") or labels.get("workflow") or record.name
        extra = fields_of(record)
        if record.exc_info and record.exc_info[0] is not None:
            extra["stack_trace"] = "".join(traceback.format_exception(*record.exc_info))
        time = datetime.fromtimestamp(record.created, UTC)
        return readable(time, severity_of(record.levelno), place, record.getMessage(), extra)


def readable(time: datetime, severity: str, place: str, message: str, extra: Mapping[str, Any]) -> str:
    """Return a log entry for a person: one line in Eastern time, and below it the traceback if there is one."""
    pairs = " ".join(f"{name}={value}" for name, value in extra.items() if name != "stack_trace")
    stamp = time.astimezone(EASTERN).strftime("%H:%M:%S")
    line = f"{stamp} {severity:<7} {place}: {message}" + (f"  {pairs}" if pairs else "")
    return "\n".join([line, *str(extra.get("stack_trace", "")).splitlines()])


class RunLogHandler(logging.Handler):
    """Appends each record to `<directory>/<run_id>.jsonl` of the run it belongs to; others are left alone.

    A record is one `write` to a file opened for appending, so that the processes of a run may share the file and
    a killed process leaves at most its last line unfinished.
    """

    def __init__(self, directory: Path, level: int = logging.DEBUG) -> None:
        super().__init__(level)
        self._directory = directory
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        run_id = current().run_id
        if run_id is None:
            return
        try:
            self._append(run_log_path(self._directory, run_id), self.format(record))
        except (OSError, TypeError, ValueError):  # a record that cannot be written must not stop the work
            self.handleError(record)

    def _append(self, path: Path, line: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        try:
            descriptor = os.open(path, flags, 0o644)
        except FileNotFoundError:
            self._directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, flags, 0o644)
        try:
            os.write(descriptor, line.encode() + b"\n")
        finally:
            os.close(descriptor)


def run_log_path(directory: Path, run_id: str) -> Path:
    """Return where a run's log lies."""
    return directory / f"{run_id}.jsonl"


def stream_handler(stream: IO[str], level: int) -> logging.Handler:
    """Return a handler that writes readable lines to `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setLevel(level)
    handler.setFormatter(HumanFormatter())
    return handler


@contextmanager
def logging_to(*handlers: logging.Handler) -> Iterator[None]:
    """Send log records to `handlers` for the length of a `with` block: nbactl's from DEBUG, others' from INFO."""
    root, ours = logging.getLogger(), logging.getLogger("nbactl")
    levels = root.level, ours.level
    root.setLevel(logging.INFO)
    ours.setLevel(logging.DEBUG)
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(levels[0])
        ours.setLevel(levels[1])
