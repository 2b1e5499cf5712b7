"""Records that were refused when a date was collected: which, why, and from which file and line."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, get_args

from nbactl.cli.ask import proceed
from nbactl.cli.query.command import run_priced
from nbactl.core._support.names import check_known, did_you_mean
from nbactl.errors import NotFoundError, UsageError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.core._support.gamedate import GameDate

DEFAULT_LIMIT: Final = 50
_SUFFIX: Final = "_quarantine"
_ID_LENGTH: Final = 8


@frozen
class QuarantineFilter:
    """Which refused records. `table` is the table that they were meant for; both dates are included."""

    table: str | None = None
    reason: str | None = None
    first: GameDate | None = None
    last: GameDate | None = None
    limit: int | None = DEFAULT_LIMIT


@frozen
class RefusedRecord:
    """A refused record: `origin` is its file and line, or what else it came from; `payload` is the record itself.

    `id` is made of all the rest, so that it is the same whenever the same record is refused.
    """

    id: str
    table: str
    game_date: date
    reason: str
    message: str
    origin: str
    shape: str
    payload: Any


@frozen
class RefusedRecords:
    """Refused records, the newest dates first; `reasons` counts all that match, not only those in `records`."""

    records: tuple[RefusedRecord, ...]
    reasons: Mapping[tuple[str, str], int]
    tables: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many match."""
        return sum(self.reasons.values())


def list_refused(app: Container, request: QuarantineFilter, *, confirm: Confirm = proceed) -> RefusedRecords:
    """Return refused records with their counts per table and reason.

    Raises NotFoundError for a table without quarantine, and where there is no data of these dates at all; UsageError
    for an unknown reason.
    """
    if request.reason is not None:
        check_known("--reason", request.reason, reasons())
    tables = _tables(app, request.table)
    counts = _ask(app, _Question(tables, "reason, COUNT(*) AS n", request, after="GROUP BY reason"), confirm)
    if not counts:
        _check_looked_at(app, tables, request, confirm)
    ordered = sorted(counts, key=lambda row: (row[0], -row[2], row[1]))
    found = _records(app, tables, request, confirm) if counts else ()
    return RefusedRecords(tuple(found), {(table, reason): count for table, reason, count in ordered}, tuple(tables))


def show_refused(
    app: Container, record_id: str, request: QuarantineFilter, *, confirm: Confirm = proceed
) -> tuple[RefusedRecord, ...]:
    """Return the refused records whose id begins with `record_id`: one, or several that are the same.

    Raises NotFoundError if there is none, UsageError if the beginning is not unique.
    """
    wanted = record_id.lower()
    records = _records(app, _tables(app, request.table), replace(request, limit=None), confirm)
    found = [record for record in records if record.id.startswith(wanted)]
    if not found:
        raise NotFoundError(f"no refused record has the id {record_id}", next_step="See them: nbactl quarantine list")
    if others := sorted({record.id for record in found} - {found[0].id}):
        raise UsageError(
            f"'{record_id}' is the beginning of several ids: {found[0].id}, {others[0]}",
            next_step="Give more of the id.",
        )
    return tuple(found)


def reasons() -> tuple[str, ...]:
    """Return the reasons for which records are refused."""
    from nbactl.pipeline.quarantine import Reason  # noqa: PLC0415 - only a filter needs it

    return get_args(Reason)


def _tables(app: Container, table: str | None) -> dict[str, str]:
    """Return the quarantines that are there, by the tables that the records were meant for."""
    names = app.warehouse.list_tables()
    found = {name.removesuffix(_SUFFIX): name for name in names if name.endswith(_SUFFIX)}
    if not found:
        raise NotFoundError("there is no quarantine yet", next_step="Collect and write data: nbactl run phase2")
    if table is None:
        return found
    wanted = table.removesuffix(_SUFFIX)
    if wanted not in found:
        raise NotFoundError(f"{wanted} has no quarantine", next_step=did_you_mean(wanted, sorted(found)))
    return {wanted: found[wanted]}


def _where(request: QuarantineFilter) -> tuple[str, dict[str, Any]]:
    conditions = {
        "game_date >= @first": ("first", request.first.day if request.first else None),
        "game_date <= @last": ("last", request.last.day if request.last else None),
        "reason = @reason": ("reason", request.reason),
    }
    given = {condition: pair for condition, pair in conditions.items() if pair[1] is not None}
    return (f"WHERE {' AND '.join(given)}" if given else ""), dict(given.values())


def _check_looked_at(app: Container, tables: Mapping[str, str], request: QuarantineFilter, confirm: Confirm) -> None:
    """Refuse to say that nothing was refused on dates that were never collected (invariant 24)."""
    present = set(app.warehouse.list_tables())
    accepted = {table: table for table in tables if table in present}
    dates = replace(request, reason=None)
    if accepted and any(count for _, count in _ask(app, _Question(accepted, "COUNT(*) AS n", dates), confirm)):
        return
    between = f" from {request.first or 'the beginning'} to {request.last or 'today'}"
    raise NotFoundError(
        f"there is no data{between if request.first or request.last else ''} in {', '.join(tables)}",
        cause="Nothing was collected, so nothing could be refused.",
        next_step="See which dates there are: nbactl tables counts",
    )


def _records(
    app: Container, tables: Mapping[str, str], request: QuarantineFilter, confirm: Confirm
) -> list[RefusedRecord]:
    limit = "" if request.limit is None else f" LIMIT {request.limit}"
    columns = "game_date, reason, message, origin, shape, payload"
    question = _Question(tables, columns, request, end=f"ORDER BY game_date DESC, name, origin{limit}")
    return [_record(*row) for row in _ask(app, question, confirm)]


def _record(table: str, day: date, *rest: Any) -> RefusedRecord:  # noqa: ANN401 - the other columns
    text = json.dumps([table, str(day), *rest], ensure_ascii=False, sort_keys=True)
    return RefusedRecord(hashlib.sha256(text.encode()).hexdigest()[:_ID_LENGTH], table, day, *rest)


@frozen
class _Question:
    """One query of several tables: `SELECT name, columns FROM each WHERE … after`, joined, and `end`."""

    tables: Mapping[str, str]
    columns: str
    request: QuarantineFilter
    after: str = ""
    end: str = ""


def _ask(app: Container, question: _Question, confirm: Confirm) -> Sequence[tuple[Any, ...]]:
    where, values = _where(question.request)
    parts = [
        f"SELECT '{table}' AS name, {question.columns} FROM `{name}` {where} {question.after}"  # noqa: S608 - names of the catalogue
        for table, name in question.tables.items()
    ]
    timeout = app.config.timeouts["warehouse.query"]
    return run_priced(app, f"{' UNION ALL '.join(parts)} {question.end}", values, timeout=timeout, confirm=confirm).rows
