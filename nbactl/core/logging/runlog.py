"""The log of a run: a file of its own, for `nbactl runs logs`."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from nbactl.core.observe.context import current
from nbactl.core.observe.logging.cloud import CloudFormatter

if TYPE_CHECKING:
    from pathlib import Path


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
