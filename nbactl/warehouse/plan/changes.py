"""The differences between a declared table and the one that is there, and how each of them can be removed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from nbactl.frozen import frozen
from nbactl.ports.column_types import canonical, widens
from nbactl.warehouse.plan.types import casts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.warehouse import Column, TableLayout, TableSchema

How = Literal["in_place", "rewrite", "rebuild", "refused"]
Kind = Literal[
    "missing_table", "not_a_table", "missing_column", "extra_column", "retyped", "mode", "description", "reordered",
    "partitioning", "clustering", "partition_expiration", "partition_filter",
]  # fmt: skip
GAINS_FROM: Final = 64 * 2**20
"""Bytes of a table or partition below which clustering gains little.

https://cloud.google.com/bigquery/docs/clustered-tables#when_to_use_clustering
"""
REBUILD_LOSES: Final = (
    "row access policies, policy tags of columns, and grants on the table",
    "the link of snapshots and clones to the table",
    "time travel before the rebuild",
)
_NO_PARTITIONS: Final = "none"


@frozen
class Change:
    """One difference. `lost` names what does not survive; `column` is None where the whole table is meant.

    `in_place` changes metadata alone, `rewrite` also writes every row again where it is, `rebuild` copies the table,
    and `refused` is left to a person.
    """

    kind: Kind
    column: str | None
    declared: str
    actual: str
    how: How
    reason: str
    lost: tuple[str, ...] = ()


def compare(declared: TableSchema, layout: TableLayout | None, *, drop_columns: bool = False) -> tuple[Change, ...]:
    """Return the differences, columns first; names of columns that differ in case are the same.

    As soon as one change needs a rebuild, the rebuild makes the others as well. Without `drop_columns` a column that
    is not declared is refused, and a rebuild carries it along.
    """
    if layout is None:
        return (Change("missing_table", None, declared.name, "", "in_place", "The table is created empty."),)
    if layout.kind != "table":
        reason = f"{declared.name} is a {layout.kind}. Drop or rename it, or take its declaration out."
        return (Change("not_a_table", None, "table", layout.kind, "refused", reason),)
    found = [*_columns(declared, layout, drop_columns=drop_columns), *_table(declared, layout)]
    found = _without_their_columns(declared, found)
    if not any(change.how == "rebuild" for change in found):
        return tuple(found)
    return tuple(_in_rebuild(change) for change in found)


def _in_rebuild(change: Change) -> Change:
    if change.how == "refused" and change.kind != "reordered":
        return change
    reason = change.reason if change.how == "rebuild" else "Part of the rebuild."
    return replace(change, how="rebuild", reason=reason)


def _without_their_columns(declared: TableSchema, found: list[Change]) -> list[Change]:
    """Refuse a key that needs a column which is refused."""
    lacking = {str(one.column).lower() for one in found if (one.kind, one.how) == ("missing_column", "refused")}
    keys = {"clustering": declared.cluster_by, "partitioning": (declared.partition_by or "",)}
    return [
        replace(change, how="refused", reason=f"Its column {needed[0]} is refused.", lost=())
        if (needed := [name for name in keys.get(change.kind, ()) if name.lower() in lacking])
        else change
        for change in found
    ]


def _columns(declared: TableSchema, layout: TableLayout, *, drop_columns: bool) -> Iterator[Change]:
    actual = {column.name.lower(): column for column in layout.schema.columns}
    wanted = {column.name.lower(): column for column in declared.columns}
    keys = {name.lower() for schema in (declared, layout.schema) for name in _keys(schema)}
    for position, column in enumerate(declared.columns):
        found = actual.get(column.name.lower())
        if found is None:
            last = not any(after.name.lower() in actual for after in declared.columns[position:])
            yield _missing(column, layout, last=last)
            continue
        if canonical(found.type) != canonical(column.type):
            yield _retyped(column, found, in_key=column.name.lower() in keys)
        if found.required != column.required:
            yield _mode(column, found)
        if found.description != column.description:
            yield Change(
                "description", column.name, column.description, found.description, "in_place", "Changes metadata alone."
            )
    for key, column in actual.items():
        if key not in wanted:
            yield _extra(column, layout) if drop_columns else _kept(column)
    common = [name for name in wanted if name in actual]
    if common != (there := [name for name in actual if name in wanted]):
        reason = "BigQuery cannot reorder columns. Declare them in the order of the table, or leave it until a rebuild."
        yield Change("reordered", None, ", ".join(common), ", ".join(there), "refused", reason)


def _missing(column: Column, layout: TableLayout, *, last: bool) -> Change:
    """Never REQUIRED, always last: https://cloud.google.com/bigquery/docs/managing-table-schemas#add_a_column."""
    shown = _shown(column)
    if column.required:
        if layout.rows or layout.streaming_rows:
            reason = "The rows have no value for a REQUIRED column. Declare it NULLABLE."
            return Change("missing_column", column.name, shown, "", "refused", reason)
        reason = "A REQUIRED column cannot be added; the table is empty."
        return Change("missing_column", column.name, shown, "", "rebuild", reason, REBUILD_LOSES)
    reason = "Added; rows that are there get NULL."
    if not last:
        reason += " It becomes the last column, and its place is refused from then on: declare it last."
    return Change("missing_column", column.name, shown, "", "in_place", reason)


def _kept(column: Column) -> Change:
    reason = "Columns are dropped only with --drop-columns."
    return Change("extra_column", column.name, "", _shown(column), "refused", reason)


def _extra(column: Column, layout: TableLayout) -> Change:
    """A column of the key cannot be dropped, so the key is changed before.

    https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#alter_table_drop_column_statement
    """
    lost = (f"the values of {column.name}",)
    partition_by = layout.schema.partition_by
    if partition_by is not None and column.name.lower() == partition_by.lower():
        reason = "The table is partitioned by it, and such a column cannot be dropped."
        return Change("extra_column", column.name, "", _shown(column), "rebuild", reason, (*lost, *REBUILD_LOSES))
    in_key = column.name.lower() in [name.lower() for name in layout.schema.cluster_by]
    reason = "Dropped, after the clustering is changed." if in_key else "Dropped."
    return Change("extra_column", column.name, "", _shown(column), "in_place", reason, lost)


def _retyped(column: Column, found: Column, *, in_key: bool) -> Change:
    old, new = canonical(found.type), canonical(column.type)
    if widens(old, new) and not in_key:
        return Change("retyped", column.name, new, old, "in_place", "Every old value is one of the new type.")
    if not casts(old, new):
        reason = f"No cast takes {old} to {new}. Add a column of the new type and fill it."
        return Change("retyped", column.name, new, old, "refused", reason)
    reason = f"{old} becomes {new} by CAST in a copy; it fails if a value does not fit."
    return Change("retyped", column.name, new, old, "rebuild", reason, REBUILD_LOSES)


def _mode(column: Column, found: Column) -> Change:
    """https://cloud.google.com/bigquery/docs/managing-table-schemas#change_a_columns_mode."""
    if found.required:
        return Change("mode", column.name, "NULLABLE", "REQUIRED", "in_place", "Changes metadata alone.")
    reason = "NULLABLE becomes REQUIRED only in a copy; it fails if a value is NULL."
    return Change("mode", column.name, "REQUIRED", "NULLABLE", "rebuild", reason, REBUILD_LOSES)


def _table(declared: TableSchema, layout: TableLayout) -> Iterator[Change]:
    actual = layout.schema
    wanted, there = partitioning_of(declared), layout.partitioned_otherwise or partitioning_of(actual)
    if wanted.lower() != there.lower():
        reason = "Partitioning cannot be changed."
        yield Change("partitioning", None, wanted, there, "rebuild", reason, REBUILD_LOSES)
    if [name.lower() for name in declared.cluster_by] != [name.lower() for name in actual.cluster_by]:
        yield _clustering(declared, layout)
    if declared.partition_by is not None:
        if declared.partition_expiration_days != actual.partition_expiration_days:
            yield _expiration(declared, actual)
        if declared.require_partition_filter != actual.require_partition_filter:
            new, old = declared.require_partition_filter, actual.require_partition_filter
            reason = "Queries without a filter by partition fail from then on." if new else "Changes metadata alone."
            yield Change("partition_filter", None, str(new).lower(), str(old).lower(), "in_place", reason)
    if declared.description != actual.description:
        yield Change(
            "description", None, declared.description, actual.description, "in_place", "Changes metadata alone."
        )


def _clustering(declared: TableSchema, layout: TableLayout) -> Change:
    """New data only, unless every row is written again.

    https://cloud.google.com/bigquery/docs/manage-clustered-tables#modifying-cluster-spec
    """
    new, old = ", ".join(declared.cluster_by) or "none", ", ".join(layout.schema.cluster_by) or "none"
    if not declared.cluster_by:
        return Change("clustering", None, new, old, "in_place", "New data are not clustered.")
    if layout.largest_partition is None or not layout.rows:
        return Change("clustering", None, new, old, "in_place", "There are no old data to rewrite.")
    if layout.largest_partition < GAINS_FROM:
        part = "partition" if layout.schema.partition_by else "table"
        reason = f"New data only: no {part} is above 64 MB, so that a rewrite of old data would gain little."
        return Change("clustering", None, new, old, "in_place", reason)
    return Change("clustering", None, new, old, "rewrite", "New data at once; old data after they are rewritten.")


def _expiration(declared: TableSchema, actual: TableSchema) -> Change:
    new, old = declared.partition_expiration_days, actual.partition_expiration_days
    shorter = new is not None and (old is None or new < old)
    lost = (f"partitions older than {new:g} days",) if shorter else ()
    reason = "Older partitions are deleted." if shorter else "Changes metadata alone."
    return Change("partition_expiration", None, _days(new), _days(old), "in_place", reason, lost)


def partitioning_of(schema: TableSchema) -> str:
    """Return by what a table is partitioned: `game_date (DAY)`, or `none`."""
    return _NO_PARTITIONS if schema.partition_by is None else f"{schema.partition_by} ({schema.partition_unit})"


def _keys(schema: TableSchema) -> tuple[str, ...]:
    return (*schema.cluster_by, *((schema.partition_by,) if schema.partition_by else ()))


def _shown(column: Column) -> str:
    return f"{canonical(column.type)}{' REQUIRED' if column.required else ''}"


def _days(days: float | None) -> str:
    return "never" if days is None else f"{days:g} days"
