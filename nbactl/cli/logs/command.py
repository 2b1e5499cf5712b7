"""Searching and following what services logged, and the questions that are asked most."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nbactl.bootstrap.logs import logging_services, make_logs
from nbactl.cli.dates import instant, since_time
from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotAuthorisedError, NotFoundError, UnavailableError, UsageError
from nbactl.frozen import frozen
from nbactl.ports.logs import SEVERITIES, LogQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.ports.logs import LogRecord, Severity
    from nbactl.ports.services import Revision
    from nbactl.reporting.errors import ErrorKind

_SINCE: Final = timedelta(hours=1)
_SINCE_OF_ID: Final = timedelta(days=7)
_COUNTED: Final = 10_000
"""Errors that are counted at most, ten requests to Cloud Logging."""
LONGEST: Final = 10_000
"""Lines that one search returns at most, as many requests."""


@frozen
class LogRequest:
    """What to look for, as an operator types it. `since` and `until` are a duration, a date or a time."""

    text: str | None = None
    services: Sequence[str] = ()
    severity: str | None = None
    since: str | None = None
    until: str | None = None
    run: str | None = None
    task: str | None = None
    player: str | None = None
    correlation_id: str | None = None
    revision: str | None = None
    ids: Sequence[str] = ()
    limit: int = 100


@frozen
class FoundLogs:
    """The newest records in the order of time; `more` says that there are older ones. `engine_query` found them."""

    query: LogQuery
    engine_query: str
    records: Sequence[LogRecord]
    more: bool
    limit: int


@frozen
class FoundErrors:
    """Errors by kind, the most frequent first; `more` says that older ones were not counted."""

    query: LogQuery
    engine_query: str
    kinds: Sequence[ErrorKind]
    counted: int
    more: bool


@frozen
class FirstError:
    """The first error of a service since its newest revision was made; None if there was none."""

    service: str
    revision: Revision
    engine_query: str
    error: LogRecord | None


def search_logs(app: Container, request: LogRequest) -> FoundLogs:
    """Return the newest records that match. Raises NotFoundError for a service that is not there."""
    logs, query = make_logs(app), _query(app, request)
    found = list(logs.search(query, limit=request.limit + 1, newest_first=True))
    _refuse_unknown(app, set(request.services) - {record.service for record in found})
    records = found[request.limit - 1 :: -1] if len(found) > request.limit else found[::-1]
    return FoundLogs(query, logs.filter_of(query), records, len(found) > request.limit, request.limit)


def follow_logs(
    app: Container, request: LogRequest, stopped: Callable[[], bool], warn: Callable[[str], None]
) -> tuple[str, Iterator[Sequence[LogRecord]]]:
    """Return the engine's query, and the groups of records as they come; `warn` says what was left out.

    Raises NotFoundError for a service that is not there.
    """
    if request.until is not None:
        raise UsageError("-f does not go together with --until", next_step="Leave one of them out.")
    logs, query = make_logs(app), _query(app, request)
    _refuse_unknown(app, request.services)

    def groups() -> Iterator[Sequence[LogRecord]]:
        for group in logs.follow(query, stopped, last=request.limit):
            yield group.records
            if group.not_shown:
                warn(f"{group.not_shown:,} lines or more were not shown: they come faster than they can be read")
            if group.problem:
                warn(group.problem)

    return logs.filter_of(query), groups()


def find_errors(app: Container, request: LogRequest) -> FoundErrors:
    """Return what went wrong, by kind. Raises NotFoundError for a service that is not there."""
    from nbactl.reporting.errors import error_kinds  # noqa: PLC0415 - no other command of this module needs it

    logs, query = make_logs(app), _query(app, request)
    found = list(logs.search(query, limit=_COUNTED + 1, newest_first=True))
    _refuse_unknown(app, set(request.services) - {record.service for record in found})
    counted = found[:_COUNTED]
    return FoundErrors(query, logs.filter_of(query), error_kinds(counted), len(counted), len(found) > _COUNTED)


def find_first_error(app: Container, service: str) -> FirstError:
    """Return the first error since the last deployment of a service. Raises NotFoundError if it is not there."""
    revisions = app.deployed_services.revisions(service)
    if not revisions:
        raise NotFoundError(f"{service} has no revision", next_step=f"nbactl services show {service}")
    logs = make_logs(app)
    query = LogQuery(since=revisions[0].created_at, services=(service,), severity="ERROR")
    error = next(iter(logs.search(query, limit=1)), None)
    return FirstError(service, revisions[0], logs.filter_of(query), error)


def _query(app: Container, request: LogRequest) -> LogQuery:
    run = app.ledger.find("last").run_id if request.run == "last" else request.run
    labels = {"run_id": run, "task": request.task, "player": request.player, "correlation_id": request.correlation_id}
    by_id = run or request.correlation_id or request.ids
    default = app.clock.now() - (_SINCE_OF_ID if by_id else _SINCE)
    since = default if request.since is None else _time(app, "--since", request.since)
    until = None if request.until is None else _time(app, "--until", request.until)
    if until is not None and until <= since:
        raise UsageError("--until is not after --since", next_step="Give a later --until, or an earlier --since.")
    return LogQuery(
        since=since,
        until=until,
        services=tuple(dict.fromkeys(request.services)),
        revision=request.revision,
        severity=None if request.severity is None else _severity(request.severity),
        text=request.text,
        labels={name: value for name, value in labels.items() if value is not None},
        ids=tuple(request.ids),
    )


def _time(app: Container, option: str, text: str) -> datetime:
    return instant(option, text) if ":" in text else since_time(app, text)


def _severity(text: str) -> Severity:
    name = text.upper()
    if name not in SEVERITIES:
        raise UsageError(
            f"'{text}' is not a severity", next_step=did_you_mean(text.lower(), map(str.lower, SEVERITIES[1:]))
        )
    return name


def _refuse_unknown(app: Container, services: Collection[str]) -> None:
    """Refuse a service that is not there; where the account may not list services, all names are taken."""
    if not services:
        return
    with suppress(NotAuthorisedError, UnavailableError):
        known = logging_services(app)
        for name in sorted(services):
            if name not in known:
                raise NotFoundError(
                    f"there is no service '{name}'", next_step=did_you_mean(name, known), details={"service": name}
                )
