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
