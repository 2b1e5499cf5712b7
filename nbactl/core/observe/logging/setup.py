"""Where log records go: for one command, or for a service as long as it lives; and lines for people."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Final

from nbactl.core._support.controls import visible, visible_lines
from nbactl.core._support.gamedate import EASTERN
from nbactl.core.observe.context import current
from nbactl.core.observe.logging.cloud import CloudFormatter, fields_of, message_of, severity_of
from nbactl.core.observe.masking import mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


class HumanFormatter(logging.Formatter):
    """`12:00:01 WARNING player_game_summary: message  rows=3`, Eastern time."""

    def format(self, record: logging.LogRecord) -> str:
        labels = current().labels()
        place = labels.get("task") or labels.get("workflow") or record.name
        extra = fields_of(record, ())
        if record.exc_info and record.exc_info[0] is not None:
            extra["stack_trace"] = mask("".join(traceback.format_exception(*record.exc_info)))
        time = datetime.fromtimestamp(record.created, UTC)
        return readable(time, severity_of(record.levelno), place, mask(message_of(record)), extra)


def readable(time: datetime, severity: str, place: str, message: str, extra: Mapping[str, Any]) -> str:
    """Return a log entry for a person: one line in Eastern time, and below it the traceback if there is one.

    Control characters are shown, not obeyed.
    """
    pairs = " ".join(f"{name}={value}" for name, value in extra.items() if name != "stack_trace")
    stamp = time.astimezone(EASTERN).strftime("%H:%M:%S")
    line = f"{stamp} {severity:<7} {place}: {visible_lines(message)}" + (f"  {visible(pairs)}" if pairs else "")
    return "\n".join([line, *map(visible, str(extra.get("stack_trace", "")).splitlines())])


class RunLogHandler(logging.Handler):
    """Appends each record to `<directory>/<run_id>.jsonl` of the run it belongs to; others are left alone.

    A record is one `write` to a file opened for appending, so that the processes of a run may share the file and
    a killed process leaves at most its last line unfinished.
    """

    def __init__(self, directory: Path, level: int = logging.DEBUG) -> None:
        super().__init__(level)
        self._directory = directory
        self.setFormatter(CloudFormatter())

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


_SERVERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.access")
"""Loggers that bring handlers of their own, and must not."""


class PlainFormatter(logging.Formatter):
    """The lines of a service that does not log JSON yet; secrets are masked all the same."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        try:
            return visible_lines(mask(super().format(record)))
        except Exception:  # noqa: BLE001 - an argument without text must not cost the record
            record.msg, record.args = message_of(record), None
            return visible_lines(mask(super().format(record)))


class _Choice(logging.Formatter):
    def __init__(self, structured: Callable[[], bool], yes: logging.Formatter, no: logging.Formatter) -> None:
        super().__init__()
        self._structured = structured
        self._yes = yes
        self._no = no

    def format(self, record: logging.LogRecord) -> str:
        return (self._yes if self._structured() else self._no).format(record)


def configure_logging(
    *,
    service: str,
    version: str,
    project: str | None = None,
    level: int = logging.INFO,
    stream: IO[str] | None = None,
    structured: Callable[[], bool] = lambda: True,
) -> None:
    """Send every record of this process, also of other libraries, to `stream` (standard error) in one form.

    On a terminal that is a line for a person. Elsewhere it is JSON in Cloud Logging's shape if `structured()` says so,
    asked for each record, and else the standard library's plain line. Warnings, the records of uvicorn and what kills
    a thread go the same way. May be called again; the last call counts.
    """
    out = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(out)
    if out.isatty():
        handler.setFormatter(HumanFormatter())
    else:
        cloud = CloudFormatter(service=service, version=version, project=project)
        handler.setFormatter(_Choice(structured, cloud, PlainFormatter()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _SERVERS:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_death


def stream_handler(stream: IO[str], level: int) -> logging.Handler:
    """Return a handler that writes readable lines to `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setLevel(level)
    handler.setFormatter(HumanFormatter())
    return handler


def cloud_handler(stream: IO[str], *, service: str, version: str, project: str | None) -> logging.Handler:
    """Return a handler that writes lines of JSON to `stream`, in Cloud Logging's shape, from INFO."""
    handler = logging.StreamHandler(stream)
    handler.setLevel(logging.INFO)
    handler.setFormatter(CloudFormatter(service=service, version=version, project=project))
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


def _log_death(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or isinstance(args.exc_value, SystemExit):
        return
    name = "a thread" if args.thread is None else f"the thread {args.thread.name}"
    logging.getLogger("nbactl.threads").critical("%s died", name, exc_info=args.exc_value)
