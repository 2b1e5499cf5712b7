"""What a table is after its plan: declared, but for what is refused; and the names of the tables beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbactl.ports.warehouse import Column, TableSchema
    from nbactl.warehouse.plan.changes import Change

_NEW: Final = "nbactl_new_"
_OLD: Final = "nbactl_old_"
_BEFORE: Final = "nbactl_before_"
_UNDONE: Final = "nbactl_undone_"


@frozen
class SideTables:
    """The tables that a plan makes beside one, `dataset.table` each.

    `new` is what a rebuild fills, `old` what it replaced, `before` the snapshot of a change in place, `undone` what an
    undo replaced.
    """

    new: str
    old: str
    before: str
    undone: str


def side_tables(name: str) -> SideTables:
    """Return the names beside a table."""
    dataset, _, table = name.partition(".")
    return SideTables(*(f"{dataset}.{prefix}{table}" for prefix in (_NEW, _OLD, _BEFORE, _UNDONE)))


def reached(declared: TableSchema, actual: TableSchema | None, changes: Sequence[Change]) -> TableSchema:
    """Return what the table is after the changes that are not refused."""
    if actual is None:
        return declared
    if any(change.how == "rebuild" for change in changes):
        return _keys(declared, actual, changes, tuple(_rebuilt(declared, actual, changes)))
    return _keys(declared, actual, changes, tuple(_in_place(declared, actual, changes)))


def _rebuilt(declared: TableSchema, actual: TableSchema, changes: Sequence[Change]) -> Iterator[Column]:
    there = {column.name.lower(): column for column in actual.columns}
    refused = {(change.kind, change.column) for change in changes if change.how == "refused"}
    for column in declared.columns:
        if ("retyped", column.name) in refused:
            yield replace(column, type=there[column.name.lower()].type)
        elif ("missing_column", column.name) not in refused:
            yield column
    for column in actual.columns:
        if ("extra_column", column.name) in refused:
            yield column


def _in_place(declared: TableSchema, actual: TableSchema, changes: Sequence[Change]) -> Iterator[Column]:
    wanted = {column.name.lower(): column for column in declared.columns}
    made = {(change.kind, (change.column or "").lower()) for change in changes if change.how != "refused"}
    for column in actual.columns:
        name = column.name.lower()
        if ("extra_column", name) in made:
            continue
        one = wanted.get(name, column)
        yield replace(
            column,
            type=one.type if ("retyped", name) in made else column.type,
            required=one.required if ("mode", name) in made else column.required,
            description=one.description if ("description", name) in made else column.description,
        )
    for column in declared.columns:
        if ("missing_column", column.name.lower()) in made:
            yield column


def _keys(
    declared: TableSchema, actual: TableSchema, changes: Sequence[Change], columns: tuple[Column, ...]
) -> TableSchema:
    refused = {change.kind for change in changes if change.how == "refused" and change.column is None}
    partitioned = actual if "partitioning" in refused else declared
    return replace(
        declared,
        columns=columns,
        cluster_by=actual.cluster_by if "clustering" in refused else declared.cluster_by,
        partition_by=partitioned.partition_by,
        partition_unit=partitioned.partition_unit,
    )
