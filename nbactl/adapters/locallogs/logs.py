"""Logs of the services of this machine, read from their files."""

from __future__ import annotations

import heapq
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from nbactl.adapters.locallogs.files import lines_from, segments
from nbactl.errors import NotFoundError
from nbactl.ports.logs import ID_NAMES, SEVERITIES, LogGroup, LogRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.core._support.clock import Clock
    from nbactl.ports.logs import LogQuery, Severity


_KINDS: Final = {
    "at": str,
    "severity": str,
    "message": str,
    "revision": str | None,
    "labels": dict,
    "fields": dict,
    "trace": str | None,
}
"""What a line has, and of which type."""


class LocalLogs:
    """The logs below a folder; `poll` is the seconds between two looks for new lines."""

    def __init__(self, folder: Path, *, clock: Clock, poll: float) -> None:
        self._folder = folder
        self._clock = clock
        self._poll = poll

    def search(self, query: LogQuery, *, limit: int, newest_first: bool = False) -> Iterator[LogRecord]:
        if not self._folder.is_dir():
            raise NotFoundError(
                "no service has logged anything here",
                cause=f"There is no {self._folder}: `nbactl up` keeps what its services log there.",
                next_step="Start the services: nbactl up",
            )
        found = self._found(query, {})
        pick = heapq.nlargest if newest_first else heapq.nsmallest
        yield from pick(limit, found, key=lambda record: record.at)

    def follow(self, query: LogQuery, stopped: Callable[[], bool], *, last: int) -> Iterator[LogGroup]:
        query = replace(query, until=None)
        read: dict[Path, int] = {}
        # At least one, so that all is read.
        newest = heapq.nlargest(max(1, last), self._found(query, read), key=lambda record: record.at)
        yield LogGroup(newest[:last][::-1])
        while not stopped():
            new = sorted(self._found(query, read), key=lambda record: record.at)
            yield LogGroup(new)
            if not new:
                self._clock.sleep(self._poll)

    def filter_of(self, query: LogQuery) -> str:
        """Return the files that are read, and what is looked for in them."""
        services = query.services or ("*",)
        files = " ".join(shlex.quote(str(self._folder)) + f"/{service}.*.jsonl" for service in services)
        wanted = [f"at >= {query.since.astimezone(UTC).isoformat()}"]
        wanted += [] if query.until is None else [f"at < {query.until.astimezone(UTC).isoformat()}"]
        wanted += [f"severity >= {query.severity}"] if query.severity else []
        wanted += [f"revision = {query.revision}"] if query.revision else []
        wanted += [f"{name} = {value}" for name, value in query.labels.items()]
        wanted += [f"id = {' or '.join(query.ids)}"] if query.ids else []
        wanted += [f"message contains {query.text}"] if query.text else []
        return f"{files}: {', '.join(wanted)}"

    def _found(self, query: LogQuery, read: dict[Path, int]) -> Iterator[LogRecord]:
        """Yield what matches from the positions `read` on, which are moved to what was read."""
        matches = _matcher(query)
        services = {name.casefold() for name in query.services}
        for service, numbered in segments(self._folder).items():
            if services and service.casefold() not in services:
                continue
            for number, path in numbered:
                try:
                    if path not in read and path.stat().st_mtime < query.since.timestamp():
                        continue
                    for position, line in lines_from(path, read.get(path, 0)):
                        read[path] = position + len(line)
                        record = _record(service, line, f"{number}-{position}")
                        if record is not None and matches(record):
                            yield record
                except FileNotFoundError:
                    continue  # it was the oldest segment, and has just been removed


def _record(service: str, line: bytes, name: str) -> LogRecord | None:
    """Return the record of a line, None for one that a killed process left unfinished, or that somebody else wrote."""
    try:
        read = orjson.loads(line)
        if not all(isinstance(read[name], kind) for name, kind in _KINDS.items()):
            return None
        return LogRecord(
            at=datetime.fromisoformat(read["at"]).astimezone(UTC),
            severity=read["severity"],
            service=service,
            message=read["message"],
            revision=read["revision"],
            labels=read["labels"],
            fields=read["fields"],
            trace=read["trace"],
            id=f"{service}-{name}",
        )
    except (ValueError, KeyError, TypeError):
        return None


def _matcher(query: LogQuery) -> Callable[[LogRecord], bool]:
    """Return what says whether a record matches."""
    least = 0 if query.severity is None else _rank(query.severity)
    text = None if query.text is None else query.text.casefold()
    revision = None if query.revision is None else query.revision.casefold()
    labels = {name: value.casefold() for name, value in query.labels.items()}
    ids = {one.casefold() for one in query.ids}

    def matches(record: LogRecord) -> bool:
        return (
            record.at >= query.since
            and (query.until is None or record.at < query.until)
            and _rank(record.severity) >= least
            and (revision is None or (record.revision or "").casefold() == revision)
            and all(value in _values(record, name) for name, value in labels.items())
            and (not ids or (record.trace or "").casefold() in ids or any(ids & _values(record, n) for n in ID_NAMES))
            and (text is None or text in record.message.casefold())
        )

    return matches


def _values(record: LogRecord, name: str) -> set[str]:
    """Return what a record has as a label and as a field of a name."""
    both: tuple[Any, ...] = (record.labels.get(name), record.fields.get(name))
    return {value.casefold() for value in both if isinstance(value, str)}


def _rank(severity: Severity) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0
