"""The logs port: what services logged, searched and followed."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, get_args

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

Severity = Literal["DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
"""From the least to the most severe, as Cloud Logging orders them."""


@frozen
class LogRecord:
    """What was logged once. `fields` has what a service logged beside its message."""

    at: datetime
    severity: str
    service: str
    message: str
    revision: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    """The same record always has the same one."""


@frozen
class LogQuery:
    """Which records. A filter that is left out matches all; `fields` are matched exactly."""

    since: datetime
    until: datetime | None = None
    services: Sequence[str] = ()
    revision: str | None = None
    severity: Severity | None = None
    """At least."""
    text: str | None = None
    """Within the message, whatever its case."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Such as run_id, task, player, correlation_id."""
    newest_first: bool = False


class Logs(Protocol):
    """Reading logs. All raise NotAuthorisedError, and UnavailableError after their retries."""

    def search(self, query: LogQuery, *, limit: int) -> Iterator[LogRecord]:
        """Yield at most `limit` records in the order of time."""
        ...

    def follow(self, query: LogQuery, stopped: Callable[[], bool]) -> Iterator[Sequence[LogRecord]]:
        """Yield records as they come, in groups, each record once, in the order of time within a group, until stopped.

        An empty group is yielded when nothing came for a while.
        """
        ...

    def filter_of(self, query: LogQuery) -> str:
        """Return the query in the engine's own language, as an operator could use it elsewhere."""
        ...
