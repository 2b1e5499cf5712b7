"""The record of a plan that is applied to a table: what it was, what it is to be, and what an undo needs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import DataError
from nbactl.frozen import frozen
from nbactl.migrations.record import state_path
from nbactl.ports.warehouse import TableLayout
from nbactl.warehouse.plan.document import change_document, read_change, read_schema, schema_document
from nbactl.warehouse.plan.reached import reached, side_tables

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.ports.documents import Document
    from nbactl.ports.warehouse import TableSchema
    from nbactl.warehouse.plan.changes import Change
    from nbactl.warehouse.plan.reached import SideTables

FIRST: Final = "untouched"
APPLIED: Final = "applied"
UNDONE: Final = "undone"
APPLY: Final = "apply"
UNDO: Final = "undo"
"""The stages in which nothing is under way, and what is pending in the others."""


@frozen
class Job:
    """One application of a plan to one table.

    `run` is part of the key of each statement, so that a plan that was undone can be applied again. `changes` are
    those of the plan. `keep` is in seconds; `kept_until` is when the old table or snapshot expires. `compared` is the
    last change of the table that the comparison of a rebuild has seen, in microseconds.
    """

    table: str
    plan: str
    run: str
    declared: TableSchema
    before: TableSchema | None
    changes: tuple[Change, ...]
    gate: int
    keep: float
    started_at: datetime
    streaming_rows: int = 0
    bytes: int | None = None
    kept_until: datetime | None = None
    compared: str | None = None

    @property
    def made(self) -> tuple[Change, ...]:
        """The changes that are not refused."""
        return tuple(change for change in self.changes if change.how != "refused")

    @property
    def how(self) -> str:
        """The most that is done: `create`, `in_place`, `rewrite` or `rebuild`."""
        if self.before is None:
            return "create"
        ways = {change.how for change in self.made}
        return next(way for way in ("rebuild", "rewrite", "in_place") if way in ways)

    @property
    def wanted(self) -> TableSchema:
        """What the table is afterwards."""
        return reached(self.declared, self.before, self.changes)

    @property
    def side(self) -> SideTables:
        """The tables beside it."""
        return side_tables(self.table)

    @property
    def known(self) -> TableLayout:
        """The table as it was, to read it again."""
        return TableLayout(self.declared if self.before is None else self.before, bytes=self.bytes)


def record_name(table: str) -> str:
    """Return the name of the record and of the lease of a table."""
    return f"bq:{table}"


def job_path(table: str) -> str:
    """Return the path of the last job of a table."""
    return f"{state_path(record_name(table))}/applies/last"


def job_document(job: Job) -> dict[str, Any]:
    """Return a job as a document."""
    return {
        **{key: value for key, value in asdict(job).items() if key not in ("declared", "before", "changes")},
        "declared": schema_document(job.declared),
        "before": None if job.before is None else schema_document(job.before),
        "changes": [change_document(change) for change in job.changes],
    }


def read_job(document: Document) -> Job:
    """Return the job that a document holds. Raises DataError if it is none."""
    data = dict(document.data)
    try:
        declared, before, changes = data.pop("declared"), data.pop("before"), data.pop("changes")
        return Job(
            declared=read_schema(data["table"], declared),
            before=None if before is None else read_schema(data["table"], before),
            changes=tuple(map(read_change, changes)),
            **data,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{document.path} cannot be read",
            cause=f"It is not a job of nbactl bq apply: {type(error).__name__} {error}.",
            next_step="Find out what wrote it. nbactl does not guess what was done.",
            details={"path": document.path},
        ) from error
