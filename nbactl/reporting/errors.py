"""Errors that services logged, by kind: the service, the type of the exception, and the message without its details."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from nbactl.ports.logs import LogRecord

_QUOTED: Final = re.compile(r"'[^'\n]{1,200}'|\"[^\"\n]{1,200}\"")
_WORD: Final = re.compile(r"\w(?:[\w./:@+-]*\w)?")
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*([^\W\d_]{0,2})")
_LONGEST: Final = 300
"""Characters of a message that tell kinds apart."""
_TRACEBACK: Final = "Traceback (most recent call last)"
_RAISED: Final = re.compile(r"[A-Za-z_][\w.]*(?::|$)")


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
        key = record.service, exception_type(record.fields, record.message), _headline(record)
        kinds.setdefault(key, []).append(record)
    return sorted((_kind(*key, found) for key, found in kinds.items()), key=lambda kind: (-kind.count, kind.first))


def _headline(record: LogRecord) -> str:
    """Return what a record says, without its details; of a request that only the platform logged, with its status."""
    request = record.fields.get("httpRequest")
    known: Mapping[str, Any] = request if isinstance(request, dict) else {}
    status = str(known.get("status", ""))
    before, found, _ = record.message.partition(f" {status}")
    if status and found and record.message.startswith(str(known.get("method"))):
        return f"{normalised(before.partition('?')[0])} {status}"
    return normalised(record.message)


def normalised(message: str) -> str:
    """Return the first line of a message, of a traceback the last, without what differs between errors of one kind."""
    text = message.partition("\n")[0]
    if text.startswith(_TRACEBACK):
        text = _last_raised(message) or text
    text = text[:_LONGEST]
    return _WORD.sub(_without_details, _QUOTED.sub("'…'", text))


def _without_details(word: re.Match[str]) -> str:
    """Return a word as it is, N for a number with its unit, and … for a name with digits: an id, a date, a version."""
    text = word[0]
    if not any(map(str.isdigit, text)):
        return text
    number = _NUMBER.fullmatch(text)
    return "…" if number is None else f"N{number[1]}"


def exception_type(fields: Mapping[str, Any], message: str) -> str | None:
    """Return the type of the exception of a record: as the failure names it, or from the end of the traceback.

    A program that logs plain text has its traceback in the message.
    """
    failure = fields.get("failure")
    named = failure.get("type") if isinstance(failure, dict) else None
    if isinstance(named, str):
        return named
    trace = fields.get("stack_trace") or (message if _TRACEBACK in message else "")
    line = _last_raised(trace) if isinstance(trace, str) else None
    return None if line is None else line.partition(":")[0].rpartition(".")[2]


def _last_raised(trace: str) -> str | None:
    """Return the line of a traceback that names its last exception."""
    lines = [line for line in trace.splitlines() if _RAISED.match(line) and not line.startswith(_TRACEBACK)]
    return lines[-1] if lines else None


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
