"""The logs port: what services logged, searched and followed."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, get_args

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

Severity = Literal["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
"""From the least to the most severe, as Cloud Logging orders them; DEFAULT is a line that names none.

https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSeverity
"""
ID_NAMES: Final = ("run_id", "correlation_id", "batch", "execution_id")
"""The labels and fields that an id of a `LogQuery` is looked for in, beside the trace."""


@frozen
class LogRecord:
    """What was logged once. A request that only the platform logged has a message such as `GET /ready 200`."""

    at: datetime
    severity: Severity
    service: str
    message: str
    revision: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """The work at hand: run_id, task, player, correlation_id, …"""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What the service logged beside its message."""
    trace: str | None = None
    """The id of its trace."""
    id: str = ""
    """With `at` it names the record: the same record always has the same one."""


@frozen
class LogQuery:
    """Which records. A filter that is left out matches all. Texts match whatever their case."""

    since: datetime
    until: datetime | None = None
    services: Sequence[str] = ()
    revision: str | None = None
    severity: Severity | None = None
    """At least."""
    text: str | None = None
    """Within the message."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Such as run_id, task, player, correlation_id: whole values of a label, or of a field of that name."""
    ids: Sequence[str] = ()
    """A record has one of them as its trace or in one of `ID_NAMES`."""


@frozen
class LogGroup:
    """Records that were followed, in the order of time; empty when nothing came for a while."""

    records: Sequence[LogRecord] = ()
    not_shown: int = 0
    """At least so many records were left out, because more came than could be read."""
    problem: str | None = None
    """What interrupted following; it continues."""


class Logs(Protocol):
    """Reading logs.

    All raise NotAuthorisedError, DataError for a query that is refused, and UnavailableError after their retries;
    searching raises NotFoundError where nothing was ever logged.
    """

    def search(self, query: LogQuery, *, limit: int, newest_first: bool = False) -> Iterator[LogRecord]:
        """Yield at most `limit` records in the order of time."""
        ...

    def follow(self, query: LogQuery, stopped: Callable[[], bool], *, last: int) -> Iterator[LogGroup]:
        """Yield the `last` records since `query.since`, and then all as they come, each once, until `stopped`.

        A record that arrives late comes late: groups follow each other in the order of arrival. `query.until` is not
        used.
        """
        ...

    def filter_of(self, query: LogQuery) -> str:
        """Return the query as the engine knows it, for use in other tools."""
        ...
