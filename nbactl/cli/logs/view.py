"""Lines of logs, kinds of errors and first errors, as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import clock_time, day, moment
from nbactl.core._support.durations import format_duration
from nbactl.core.observe.masking import MASK, mask_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from nbactl.cli.logs.command import FirstError, FoundErrors, FoundLogs
    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.ports.logs import LogRecord
    from nbactl.reporting.errors import ErrorKind

_SEVERE: Final = {
    "DEBUG": "dim",
    "NOTICE": "cyan",
    "WARNING": "yellow",
    "ERROR": "red",
    "CRITICAL": "bold red",
    "ALERT": "bold red",
    "EMERGENCY": "bold red",
}
_STYLES: Final = ("cyan", "green", "yellow", "bold cyan", "bold green", "bold yellow")
_NOT_BESIDE: Final = frozenset({"logger", "stack_trace", "cut", "failure", "httpRequest", "color_message"})
"""Fields that a line does not show beside its message; -o jsonl has all of them."""
_INDENT: Final = 9
"""Of further lines of a record: as wide as its time."""


class LineWriter:
    """Writes records for a person: the time, the service unless there is only one, the severity from WARNING on."""

    def __init__(self, console: Console, services: Sequence[str]) -> None:
        self._console = console
        self._names = len(services) != 1
        self._styles: dict[str, str] = {}
        self._day = ""

    def write(self, record: LogRecord) -> None:
        """Write a record: one line that is wrapped, with -v its traceback below."""
        out = self._console.out
        if (date := day(record.at)) != self._day:
            self._day = date
            out.print(Styled(date, "dim"))
        head: list[Segment] = [Styled(clock_time(record.at), "dim"), " "]
        if self._names:
            style = self._styles.setdefault(record.service, _STYLES[len(self._styles) % len(_STYLES)])
            head += [Styled(record.service, style), " "]
        if record.severity in _SEVERE:
            head.append(Styled(f"{record.severity.lower()}: ", _SEVERE[record.severity]))
        used = sum(len(one.text if isinstance(one, Styled) else one) for one in head)
        first, *further = _text(record).splitlines() or [""]
        out.print_hanging(*head, text=first, indent=used)
        for line in further:
            out.print_hanging(" " * _INDENT, text=line, indent=_INDENT)
        trace = record.fields.get("stack_trace")
        if isinstance(trace, str):
            lines = trace.rstrip().splitlines()
            for line in lines if self._console.verbosity else lines[-1:]:
                out.print(" " * _INDENT, Styled(line, "dim"))


def found_logs(found: FoundLogs) -> View:
    """Show lines in the order of time."""

    def show(console: Console) -> None:
        console.detail(Styled(found.engine_query, "dim"))
        writer = LineWriter(console, found.query.services)
        for record in found.records:
            writer.write(record)
        if not found.records:
            console.note(f"No lines since {moment(found.query.since)}.")
        if found.more:
            console.note(
                Styled(f"Showing the newest {found.limit:,} lines. For older ones use --limit or --until.", "dim")
            )

    data = {
        "query": found.engine_query,
        "since": found.query.since,
        "until": found.query.until,
        "more": found.more,
        "records": [record_json(record) for record in found.records],
    }
    return View(data, show, items="records")


def followed(engine_query: str, services: Sequence[str], records: Iterator[LogRecord]) -> View:
    """Show lines as they come."""

    def show(console: Console) -> None:
        console.detail(Styled(engine_query, "dim"))
        writer = LineWriter(console, services)
        for record in records:
            writer.write(record)

    return View({"query": engine_query, "records": map(record_json, records)}, show, items="records")


def found_errors(found: FoundErrors) -> View:
    """Show errors by kind."""

    def show(console: Console) -> None:
        console.detail(Styled(found.engine_query, "dim"))
        if not found.kinds:
            console.note(f"No errors since {moment(found.query.since)}.")
            return
        one_day = len({day(at) for kind in found.kinds for at in (kind.first, kind.last)}) == 1

        def time(at: datetime) -> str:
            return clock_time(at) if one_day else f"{day(at).partition(' ')[0]} {clock_time(at)}"

        console.table(
            ["count", "first", "last", "service", "error"],
            [
                (f"{kind.count:,}", time(kind.first), time(kind.last), kind.service, _kind_text(kind))
                for kind in found.kinds
            ],
            optional=["first"],
        )
        newest = max(found.kinds, key=lambda kind: kind.last).example
        console.print()
        console.print(Styled("The newest one", "bold"))
        LineWriter(console, ()).write(newest)
        if found.more:
            console.note(Styled(f"Only the newest {found.counted:,} errors were counted: use a later --since.", "dim"))

    data = {
        "query": found.engine_query,
        "since": found.query.since,
        "until": found.query.until,
        "counted": found.counted,
        "more": found.more,
        "kinds": [_kind_json(kind) for kind in found.kinds],
    }
    return View(data, show, items="kinds")


def first_error(found: FirstError) -> View:
    """Show the first error after a deployment."""
    revision = found.revision
    seconds = None if found.error is None else (found.error.at - revision.created_at).total_seconds()

    def show(console: Console) -> None:
        console.detail(Styled(found.engine_query, "dim"))
        by = f" by {revision.deployed_by}" if revision.deployed_by else ""
        text = f"{revision.name} was deployed {moment(revision.created_at)}{by}."
        console.out.print_hanging(text=text, indent=0)
        if found.error is None or seconds is None:
            console.print("No error since.")
            return
        others = found.error.revision not in (None, revision.name)
        of = f", of {found.error.revision}" if others else ""
        console.print(f"First error {format_duration(round(seconds))} later{of}:")
        LineWriter(console, (found.service,)).write(found.error)

    data = {
        "query": found.engine_query,
        "service": found.service,
        "revision": revision.name,
        "deployed_at": revision.created_at,
        "deployed_by": revision.deployed_by,
        "seconds": seconds,
        "error": None if found.error is None else record_json(found.error),
    }
    return View(data, show)


def record_json(record: LogRecord) -> dict[str, Any]:
    """Return a record as JSON; values that are secrets by their names are masked."""
    return {
        "time": record.at,
        "severity": record.severity,
        "service": record.service,
        "revision": record.revision,
        "message": record.message,
        "labels": mask_within(record.labels),
        "fields": mask_within(record.fields),
        "trace": record.trace,
        "id": record.id,
    }


def _text(record: LogRecord) -> str:
    place = record.labels.get("task") or record.labels.get("workflow")
    player = record.labels.get("player")
    where = f"{place}: " if place else f"{player}: " if player else ""
    beside = " ".join(
        f"{name}={value}"
        for name, value in mask_within(record.fields).items()
        if name not in _NOT_BESIDE and isinstance(value, (str, int, float)) and value not in ("", MASK)
    )
    first, newline, rest = record.message.partition("\n")
    return f"{where}{first}{f'  {beside}' if beside else ''}{newline}{rest}"


def _kind_text(kind: ErrorKind) -> str:
    return f"{kind.type}: {kind.message}" if kind.type and kind.type not in kind.message else kind.message


def _kind_json(kind: ErrorKind) -> dict[str, Any]:
    return {
        "service": kind.service,
        "type": kind.type,
        "message": kind.message,
        "count": kind.count,
        "first": kind.first,
        "last": kind.last,
        "revisions": list(kind.revisions),
        "example": record_json(kind.example),
    }
