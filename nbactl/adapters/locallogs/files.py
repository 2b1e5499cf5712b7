"""Files of log lines: for each service numbered segments, of which the oldest are removed.

A line is one record, written by one `write` to a file opened for appending, so that a process that is killed leaves at
most its last line unfinished. The next process begins a new segment.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

import orjson

from nbactl.core.observe.logging.cloud import LABELS, TRACE, plain_json
from nbactl.core.observe.logging.payload import read_payload
from nbactl.core.observe.masking import mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of a segment; a new one is begun by the line that would not fit."""
KEPT: Final = 3
"""Segments of a service that are kept, the one that is written included."""
_NAME: Final = re.compile(r"(?P<service>.+)\.(?P<number>\d{6})\.jsonl")


def segments(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    """Return the segments of each service with their numbers, the oldest first."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if name := _NAME.fullmatch(path.name):
            found.setdefault(name["service"], []).append((int(name["number"]), path))
    return {service: sorted(found[service]) for service in sorted(found)}


def lines_from(path: Path, position: int) -> Iterator[tuple[int, bytes]]:
    """Yield the complete lines of a segment from a position on, each with its own position."""
    with path.open("rb") as file:
        file.seek(position)
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield position, line
            position += len(line)


class ServiceLogFiles:
    """Appends the lines of services. Usable from any thread; one process at a time."""

    def __init__(self, folder: Path, *, largest: int = LARGEST, kept: int = KEPT) -> None:
        self._folder = folder
        self._largest = largest
        self._kept = kept
        self._lock = threading.Lock()
        self._open: dict[str, _Segment] = {}

    def append(
        self, service: str, severity: str, message: str, entry: Mapping[str, Any], *, at: datetime, revision: str | None
    ) -> None:
        """Append a line; `entry` is what the service logged, empty for a line of plain text. Raises OSError."""
        labels = entry.get(LABELS)
        line = {
            "at": at if at.tzinfo else at.replace(tzinfo=UTC),
            "severity": severity,
            "message": mask(message),
            "revision": revision,
            "labels": {str(name): str(value) for name, value in labels.items()} if isinstance(labels, dict) else {},
            "trace": str(entry.get(TRACE) or "").rpartition("/")[2] or None,
            "fields": read_payload(entry)[1],
        }
        written = _dumped(line) + b"\n"
        with self._lock:
            if not self._segment(service, len(written)).write(written):
                self._open.pop(service).close()  # the next line begins a new segment
                raise OSError(errno.ENOSPC, "the line is not complete")

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for segment in self._open.values():
                segment.close()
            self._open.clear()

    def _segment(self, service: str, more: int) -> _Segment:
        segment = self._open.get(service)
        if segment is not None and segment.size + more <= self._largest:
            return segment
        older = segments(self._folder).get(service, [])
        if segment is not None:
            self._open.pop(service).close()
        for _, path in older[: max(0, len(older) - self._kept + 1)]:
            path.unlink(missing_ok=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        number = older[-1][0] + 1 if older else 1
        self._open[service] = _Segment(self._folder / f"{service}.{number:06}.jsonl")
        return self._open[service]


def _dumped(line: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
    except TypeError:  # a number of more than 64 bits, half a character
        return orjson.dumps(plain_json(line))


class _Segment:
    """A segment that is written."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.size = os.fstat(self._descriptor).st_size

    def write(self, line: bytes) -> bool:
        """Append a line; returns whether all of it was written."""
        written = os.write(self._descriptor, line)
        self.size += written
        return written == len(line)

    def close(self) -> None:
        os.close(self._descriptor)
