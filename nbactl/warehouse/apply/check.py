"""Whether a plan is still true of its table: nothing is changed by a plan that is not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbactl.errors import NotFoundError, PreconditionError
from nbactl.ports.warehouse import TableLayout
from nbactl.warehouse.plan.document import schema_digest
from nbactl.warehouse.plan.reached import side_tables
from nbactl.warehouse.plan.steps import Target, steps_of

if TYPE_CHECKING:
    from nbactl.ports.warehouse import Warehouse
    from nbactl.warehouse.apply.plan_file import Before, Plan, PlannedTable

_AGAIN = "Run nbactl bq plan again, and apply the new plan."


def check_fresh(warehouse: Warehouse, plan: Plan, planned: PlannedTable, *, timeout: float) -> TableLayout | None:
    """Return the table as it is now, None if it is missing as planned.

    A table whose etag is the same is as it was; else its form and kind must be, and its rows but for the drift of the
    plan. Raises PreconditionError for a stale plan, and for tables that another rebuild has left.
    """
    found = layout_now(warehouse, planned, timeout=timeout)
    if planned.before is None or found is None:
        if (planned.before is None) != (found is None):
            raise _stale(planned, "it exists now" if found is not None else "it is gone")
        return None
    before = planned.before
    if found.etag is None or found.etag != before.etag:
        _check_same(planned, before, found, plan.drift)
    _check_statements(planned, found, plan)
    _check_streaming(planned, found)
    _check_beside(warehouse, planned, found, timeout=timeout)
    return found


def layout_now(warehouse: Warehouse, planned: PlannedTable, *, timeout: float) -> TableLayout | None:
    """Return the planned table as it is now, None if it is not there."""
    before = planned.before
    known = TableLayout(planned.declared)
    if before is not None:
        known = replace(known, bytes=before.bytes, partitions=before.partitions)
    return _find(warehouse, known, planned.name, timeout=timeout)


def _find(warehouse: Warehouse, known: TableLayout, name: str, *, timeout: float) -> TableLayout | None:
    try:
        return warehouse.layout(replace(known, schema=replace(known.schema, name=name)), timeout=timeout)
    except NotFoundError:
        return None


def _check_same(planned: PlannedTable, before: Before, found: TableLayout, drift: float) -> None:
    if found.kind != before.kind:
        raise _stale(planned, f"it was a {before.kind} and is a {found.kind}")
    if schema_digest(found.schema) != before.schema_digest:
        raise _stale(planned, "its columns, partitioning, clustering or options have changed")
    if abs(found.rows - before.rows) > drift * before.rows:
        raise _stale(planned, f"it had {before.rows:,} rows and has {found.rows:,}, more than {drift:.0%} apart")


def _check_statements(planned: PlannedTable, found: TableLayout, plan: Plan) -> None:
    """Exactly that plan: the statements that would be run are those of the file."""
    steps = steps_of(planned.declared, found, planned.changes, Target(plan.project or "", None))
    # Whether there are rows to copy may have changed within the drift; that they are copied does no harm.
    if [statement for step in steps if step.kind != "copy" for statement in step.statements] != [
        statement for statement in planned.statements if not statement.startswith(("DELETE", "INSERT"))
    ]:
        raise _stale(planned, "its steps would be different now")


def _check_streaming(planned: PlannedTable, found: TableLayout) -> None:
    if found.streaming_rows and any(change.how == "rebuild" for change in planned.made):
        raise PreconditionError(
            f"{planned.name} has {found.streaming_rows:,} rows in its streaming buffer",
            cause="They cannot be copied, and such a table cannot be renamed.",
            next_step="Stop the streaming, wait half an hour, then run the same command again.",
        )


def _check_beside(warehouse: Warehouse, planned: PlannedTable, found: TableLayout, *, timeout: float) -> None:
    """Refuse what another rebuild, or one by hand, has left under the names that are needed."""
    side = side_tables(planned.name)
    rebuilt = any(change.how == "rebuild" for change in planned.made)
    snapshots = any(side.before in statement for statement in planned.statements)
    needed = [*((side.new, side.old) if rebuilt else ()), *((side.before,) if snapshots else ())]
    for name in needed:
        if _find(warehouse, found, name, timeout=timeout) is not None:
            raise PreconditionError(
                f"{name} is there already",
                cause="An earlier apply keeps it for its undo, or a rebuild by hand was not finished.",
                next_step=f"If nobody needs it: {'DROP SNAPSHOT' if name == side.before else 'DROP'} TABLE `{name}`",
                details={"table": planned.name, "in_the_way": name},
            )


def _stale(planned: PlannedTable, why: str) -> PreconditionError:
    return PreconditionError(
        f"the plan for {planned.name} is stale: {why}",
        cause="The table, or the file, was changed after the plan was made. Nothing was applied.",
        next_step=_AGAIN,
        details={"table": planned.name},
    )
