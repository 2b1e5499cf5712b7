"""The file of a plan, read strictly: what cannot be read with certainty is not applied."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.files import read_regular
from nbactl.errors import DataError, NotAuthorisedError, UsageError
from nbactl.frozen import frozen
from nbactl.warehouse.plan.document import FORM, read_change, read_schema, schema_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbactl.ports.warehouse import TableSchema
    from nbactl.warehouse.plan.changes import Change

_MOST: Final = 64 * 2**20
_AGAIN: Final = "Make it again: nbactl bq plan --out FILE"


@frozen
class Before:
    """What a table was when it was planned. `rows` may drift, the rest may not."""

    etag: str | None
    schema_digest: str
    kind: str
    rows: int
    streaming_rows: int
    bytes: int | None
    partitions: int | None


@frozen
class PlannedTable:
    """The plan of one table. `before` is None for a table that was not there; `digest` is that of the plan."""

    declared: TableSchema
    before: Before | None
    changes: tuple[Change, ...]
    statements: tuple[str, ...]
    digest: str

    @property
    def name(self) -> str:
        """The table, `dataset.table`."""
        return self.declared.name

    @property
    def made(self) -> tuple[Change, ...]:
        """The changes that are not refused."""
        return tuple(change for change in self.changes if change.how != "refused")


@frozen
class Plan:
    """A plan of tables. `gate` is the size in bytes from which a partition is rewritten."""

    made_at: str
    target: str
    project: str | None
    location: str | None
    drift: float
    drop_columns: bool
    gate: int
    tables: tuple[PlannedTable, ...]


def read_plan_file(path: Path) -> Plan:
    """Read a plan that `nbactl bq plan --out` wrote. Raises UsageError for an unreadable file, and DataError."""
    try:
        data = json.loads(read_regular(path, _MOST))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path} cannot be read as a plan", cause=reason, next_step=_AGAIN) from error
    return read_plan(data, str(path))


def read_plan(data: Any, where: str) -> Plan:  # noqa: ANN401 - JSON of any form
    """Return the plan in a document. Raises DataError for another form."""
    form = data.get("form") if isinstance(data, dict) else None
    if form != FORM:
        raise DataError(
            f"{where} is not a plan of nbactl bq", cause=f"Its form is {form!r}, not {FORM!r}.", next_step=_AGAIN
        )
    try:
        return Plan(
            made_at=str(data["made_at"]),
            target=_text(data["target"]),
            project=None if data["project"] is None else _text(data["project"]),
            location=None if data["location"] is None else _text(data["location"]),
            drift=float(data["drift"]),
            drop_columns=bool(data["drop_columns"]),
            gate=int(data["rewrite_above_bytes"]),
            tables=_tables(data),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{where} cannot be read",
            cause=f"It is incomplete or was changed by hand: {type(error).__name__} {error}.",
            next_step=_AGAIN,
        ) from error


def check_place(plan: Plan, target: str, project: str, location: str) -> None:
    """Refuse a plan of another target, project or location. Raises NotAuthorisedError."""
    for what, planned, here in (
        ("target", plan.target, target),
        ("project", plan.project or "", project),
        ("location", plan.location or "", location),
    ):
        if planned != here:
            raise NotAuthorisedError(
                f"the plan is for {what} '{planned}', not '{here}'",
                cause="A plan is true only where it was made.",
                next_step=f"Give --{what} {planned}, or make the plan again." if planned else _AGAIN,
                details={"planned": planned, "here": here},
            )


def _tables(data: Mapping[str, Any]) -> tuple[PlannedTable, ...]:
    tables = tuple(_table(one, data["made_at"]) for one in data["tables"])
    if twice := [name for name, times in Counter(one.name for one in tables).items() if times > 1]:
        raise ValueError(f"{', '.join(twice)} is in it twice")
    return tables


def _table(data: Mapping[str, Any], made_at: str) -> PlannedTable:
    declared = read_schema(_text(data["table"]), data["declared"])
    if schema_digest(declared) != data["declared"]["schema_digest"]:
        raise ValueError(f"the declaration of {declared.name} does not fit its digest")
    digest = hashlib.sha256(json.dumps([str(made_at), data], sort_keys=True, default=str).encode()).hexdigest()
    return PlannedTable(
        declared,
        None if data["before"] is None else _before(data["before"]),
        tuple(read_change(one) for one in data["changes"]),
        tuple(statement for step in data["steps"] for statement in step["statements"]),
        digest[:16],
    )


def _before(data: Mapping[str, Any]) -> Before:
    return Before(
        etag=data["etag"],
        schema_digest=_text(data["schema_digest"]),
        kind=_text(data["kind"]),
        rows=int(data["rows"]),
        streaming_rows=int(data["streaming_rows"]),
        bytes=data["bytes"],
        partitions=data["partitions"],
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
