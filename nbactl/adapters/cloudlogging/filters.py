"""Queries in the Logging query language: https://cloud.google.com/logging/docs/view/logging-query-language.

Every value is quoted, so that nothing in it can end its string. Lines are joined by AND. `:` is "contains". Like `=` it
does not look at the case of letters.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError
from nbactl.ports.logs import ID_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from nbactl.ports.logs import LogQuery

_RESOURCE: Final = "cloud_run_revision"
"""Services of Cloud Run, and functions of the second generation."""
_LONGEST: Final = 20_000
"""Characters of a query: https://cloud.google.com/logging/quotas."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN_AS_TEXT: Final = ("jsonPayload.message", "textPayload", "httpRequest.requestUrl")


def filter_text(query: LogQuery, project: str, *, live: bool = False) -> str:
    """Return the query as Cloud Logging takes it. Raises DataError for one that is too long.

    It always has a time bound, unless it is for `live` records, which are new anyway: some clients add one of 24 hours
    to a query that has none.
    """
    text = "\n".join(_lines(query, project, live=live))
    if len(text) > _LONGEST:
        raise DataError(
            f"the query for the logs has {len(text):,} characters",
            cause=f"Cloud Logging takes at most {_LONGEST:,}.",
            next_step="Ask for fewer services or ids.",
        )
    return text


def quoted(value: str) -> str:
    """Return a value as a string of the query language."""
    escaped = "".join(_escaped(char) for char in value)
    return f'"{escaped}"'


def _lines(query: LogQuery, project: str, *, live: bool) -> Iterator[str]:
    yield f"resource.type={quoted(_RESOURCE)}"
    if query.services:
        yield f"resource.labels.service_name={_any_of(query.services)}"
    if query.revision:
        yield f"resource.labels.revision_name={quoted(query.revision)}"
    if not live:
        yield f"timestamp>={quoted(_instant(query.since))}"
        if query.until is not None:
            yield f"timestamp<{quoted(_instant(query.until))}"
    if query.severity:
        yield f"severity>={query.severity}"
    for name, value in query.labels.items():
        yield f"({_named(name)}={quoted(value)} OR jsonPayload.{name}={quoted(value)})"
    if query.ids:
        traces = [f"projects/{project}/traces/{one}" for one in query.ids]
        places = [f"{place}.{name}" for name in ID_NAMES for place in ("labels", "jsonPayload")]
        yield f"({' OR '.join(f'{place}={_any_of(query.ids)}' for place in places)} OR trace={_any_of(traces)})"
    if query.text:
        yield f"({' OR '.join(f'{place}:{quoted(query.text)}' for place in _SHOWN_AS_TEXT)})"


def _named(label: str) -> str:
    if not _NAME.fullmatch(label):
        raise DataError(f"'{label}' is not a name of a label")
    return f"labels.{label}"


def _any_of(values: Iterable[str]) -> str:
    several = [quoted(value) for value in values]
    return several[0] if len(several) == 1 else f"({' OR '.join(several)})"


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the last of the first plane


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
