"""Errors that services logged, by kind: the service, the type of the exception, and the message without its details."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from nbactl.ports.logs import LogRecord

_DETAILS: Final = (
    (re.compile(r"'[^'\n]{1,200}'|\"[^\"\n]{1,200}\""), "'…'"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{4,}\b", re.IGNORECASE), "…"),  # a UUID
    (re.compile(r"\b(?=\w*\d)(?=\w*[a-z])[\w]+(?:[-/:.]\w+)+\b", re.IGNORECASE), "…"),  # run-1m80ca, 2024-01-15T12:00
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b", re.IGNORECASE), "…"),
    (re.compile(r"\d+(?:[.,:-]\d+)*"), "N"),
)
_LONGEST: Final = 300
"""Characters of a message that tell kinds apart."""
_RAISED: Final = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?::|$)", re.MULTILINE)


@frozen
class ErrorKind:
    """Errors that are alike. `example` is the newest one."""

    service: str
    type: str | None
    """Of the exception, None for a line that names none."""
    message: str
    """With … and N in place of names and numbers."""
    count: int
    first: datetime
    last: datetime
    example: LogRecord
    revisions: tuple[str, ...]


def error_kinds(records: Iterable[LogRecord]) -> list[ErrorKind]:
    """Return the kinds of errors among the records, the most frequent first."""
    kinds: dict[tuple[str, str | None, str], list[LogRecord]] = {}
    for record in records:
        key = record.service, exception_type(record.fields, record.message), normalised(record.message)
        kinds.setdefault(key, []).append(record)
    return sorted((_kind(*key, found) for key, found in kinds.items()), key=lambda kind: (-kind.count, kind.first))


def normalised(message: str) -> str:
    """Return the first line of a message without what differs between two errors of one kind."""
    text = message.partition("\n")[0][:_LONGEST]
    for pattern, instead in _DETAILS:
        text = pattern.sub(instead, text)
    return text


def exception_type(fields: Mapping[str, Any], message: str) -> str | None:
    """Return the type of the exception of a record: as the failure names it, or from the end of the traceback.

    A program that logs plain text has its traceback in the message.
    """
    failure = fields.get("failure")
    named = failure.get("type") if isinstance(failure, dict) else None
    if isinstance(named, str):
        return named
    trace = fields.get("stack_trace") or (message if "Traceback (most recent call last)" in message else "")
    if not isinstance(trace, str) or not trace:
        return None
    last = None
    for line in trace.splitlines():
        if not line.startswith(" ") and (found := _RAISED.match(line)) and not line.startswith("Traceback"):
            last = found["type"]
    return None if last is None else last.rpartition(".")[2]


def _kind(service: str, raised: str | None, message: str, found: list[LogRecord]) -> ErrorKind:
    newest = max(found, key=lambda record: record.at)
    return ErrorKind(
        service,
        raised,
        message,
        len(found),
        min(record.at for record in found),
        newest.at,
        newest,
        tuple(sorted({record.revision for record in found if record.revision})),
    )
