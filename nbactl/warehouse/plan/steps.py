"""The steps that remove the differences of a table, in the order in which they are taken, and what each costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from nbactl.frozen import frozen
from nbactl.warehouse.plan import ddl
from nbactl.warehouse.plan.changes import GAINS_FROM
from nbactl.warehouse.plan.types import WIDTHS, base, canonical

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from nbactl.ports.warehouse import TableLayout, TableSchema
    from nbactl.warehouse.plan.changes import Change, How
    from nbactl.warehouse.prices import Prices

RATE: Final = 100_000_000
"""Bytes a second that a rewrite or copy is assumed to process, until some were observed."""
PARTITIONS_OF_A_JOB: Final = 4_000
"""https://cloud.google.com/bigquery/quotas#partitioned_tables; DML does not count as modifications of partitions."""
NO_DRY_RUN: Final = "A dry run does not show what clustering gains: its bytes are an upper bound."
"""https://cloud.google.com/bigquery/docs/clustered-tables: the blocks that are read are known after the query alone."""


@frozen
class Step:
    """One step. `statements` are SQL or a command; one with `@first` and `@last` runs once for each of `runs` ranges.

    `reads` and `writes` are logical bytes, `usd` the price of what is read, `seconds` the time at RATE: None where
    nothing is billed or the engine does not say. `dml` counts statements, `partition_modifications` what counts
    towards that quota.
    """

    how: How
    text: str
    statements: tuple[str, ...]
    runs: int = 1
    reads: int | None = 0
    writes: int | None = 0
    usd: Decimal | None = None
    seconds: float | None = 0.0
    dml: int = 0
    partition_modifications: int = 0
    notes: tuple[str, ...] = ()


@frozen
class Target:
    """Where a plan is for: `prices` are None where nothing is billed."""

    project: str
    prices: Prices | None


def steps_of(
    declared: TableSchema, layout: TableLayout | None, changes: Sequence[Change], target: Target
) -> tuple[Step, ...]:
    """Return the steps; a change that is refused has none."""
    made = [change for change in changes if change.how != "refused"]
    if not made:
        return ()
    if layout is None:
        created = (ddl.create_table(declared, declared.name),)
        return (_free("Create the table", created, target),)
    if any(change.how == "rebuild" for change in made):
        return _rebuild(declared, layout, target)
    steps = list(_in_place(declared, made, target))
    if any(change.how == "rewrite" for change in made):
        steps.append(_rewrite(declared, layout, target))
    return tuple(steps)


def _in_place(declared: TableSchema, changes: Sequence[Change], target: Target) -> list[Step]:
    """Columns are added before the clustering needs them, and dropped after it has let go of them."""
    columns = {column.name: column for column in declared.columns}
    by_kind = {kind: [change for change in changes if change.kind == kind] for kind in {one.kind for one in changes}}
    name = declared.name
    steps: list[Step] = []

    def add(text: str, actions: Sequence[str]) -> None:
        if actions:
            steps.append(_free(text, (ddl.alter(name, actions),), target))

    def named(kind: str) -> list[str]:
        return [one.column for one in by_kind.get(kind, ()) if one.column is not None]  # type: ignore[call-overload]

    add("Add columns", [f"ADD COLUMN {ddl.column(columns[one])}" for one in named("missing_column")])
    add("Relax columns", [f"ALTER COLUMN {ddl.quoted(one)} DROP NOT NULL" for one in named("mode")])
    add(
        "Widen columns",
        [f"ALTER COLUMN {ddl.quoted(one)} SET DATA TYPE {canonical(columns[one].type)}" for one in named("retyped")],
    )
    if "clustering" in by_kind:
        command = ddl.cluster_command(target.project, name, declared.cluster_by)
        notes = (NO_DRY_RUN,) if declared.cluster_by else ()
        steps.append(_free("Change the clustering of new data", (command,), target, notes))
    add("Drop columns", [f"DROP COLUMN {ddl.quoted(one)}" for one in named("extra_column")])
    add(
        "Describe columns",
        [
            f"ALTER COLUMN {ddl.quoted(one)} SET OPTIONS (description = {ddl.literal(columns[one].description)})"
            for one in named("description")
        ],
    )
    days = declared.partition_expiration_days
    options = {
        "description": ddl.literal(declared.description)
        if any(one.column is None for one in by_kind.get("description", ()))
        else "",
        "partition_expiration_days": (None if days is None else f"{days:g}")
        if "partition_expiration" in by_kind
        else "",
        "require_partition_filter": str(declared.require_partition_filter).upper()
        if "partition_filter" in by_kind
        else "",
    }
    if given := {key: value for key, value in options.items() if value != ""}:
        add("Set options", [ddl.set_options(given)])
    return steps


def _rewrite(declared: TableSchema, layout: TableLayout, target: Target) -> Step:
    """UPDATE reads its columns, and the partitions that it changes in whole.

    https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax#on-demand_query_size_calculation
    """
    size = layout.bytes or 0
    first = declared.cluster_by[0]
    named = {first.lower(), (declared.partition_by or first).lower()}
    runs = _ranges(layout)
    statements = ddl.rewrite(layout.schema, first)
    kinds = [base(column.type) for column in layout.schema.columns if column.name.lower() in named]
    share = size // max(len(layout.schema.columns), 1)
    reads = size + min(size, sum(WIDTHS[kind] * layout.rows if kind in WIDTHS else share for kind in kinds))
    notes = [*_storage(layout), *_streaming(layout, "are not rewritten")]
    notes.append(
        f"The largest {'partition' if layout.schema.partition_by else 'table'} is above {GAINS_FROM >> 20} MB."
    )
    return Step(
        "rewrite",
        "Rewrite old data",
        statements,
        runs=runs,
        reads=reads,
        writes=size,
        usd=_price(reads, target),
        seconds=reads / RATE,
        dml=runs + len(statements) - 1,
        notes=tuple(notes),
    )


def _rebuild(declared: TableSchema, layout: TableLayout, target: Target) -> tuple[Step, ...]:
    dataset, _, table = declared.name.partition(".")
    new, old = f"{dataset}.nbactl_new_{table}", f"{dataset}.nbactl_old_{table}"
    size, runs = layout.bytes, _ranges(layout)
    notes = (*_storage(layout), *_streaming(layout, "are not copied"))
    statements = ddl.copy_rows(declared, layout.schema, new)
    copy = Step(
        "rebuild",
        "Copy the rows",
        statements,
        runs=runs,
        reads=size,
        writes=size,
        usd=_price(size, target),
        seconds=None if size is None else size / RATE,
        dml=runs + len(statements) - 1,
        notes=notes,
    )
    both = None if size is None else 2 * size
    verify = Step(
        "rebuild",
        "Compare rows and digests of both tables",
        (),
        reads=both,
        usd=_price(both, target),
        seconds=None if both is None else both / RATE,
    )
    renamed = (ddl.alter(declared.name, [f"RENAME TO {ddl.quoted(old.partition('.')[2])}"]),
               ddl.alter(new, [f"RENAME TO {ddl.quoted(table)}"]))  # fmt: skip
    return (
        _free("Create the new table", (ddl.create_table(declared, new),), target, how="rebuild"),
        *((copy, verify) if layout.rows else ()),
        _free("Swap the tables by name", renamed, target, how="rebuild"),
    )


def _free(
    text: str, statements: tuple[str, ...], target: Target, notes: tuple[str, ...] = (), *, how: How = "in_place"
) -> Step:
    """Definitions are free of charge: https://cloud.google.com/bigquery/docs/managing-table-schemas."""
    return Step(how, text, statements, usd=_price(0, target), notes=notes)


def _ranges(layout: TableLayout) -> int:
    """Return in how many ranges of partitions rows are written: a job may change a limited number of them."""
    return max(1, math.ceil((layout.partitions or 1) / PARTITIONS_OF_A_JOB))


def _price(read: int | None, target: Target) -> Decimal | None:
    return None if read is None or target.prices is None else target.prices.of(read)


def _storage(layout: TableLayout) -> tuple[str, ...]:
    """A change resets the 90 days: https://cloud.google.com/bigquery/docs/best-practices-storage."""
    if not layout.long_term_bytes:
        return ()
    share = layout.long_term_bytes / 1e9
    return (f"{share:,.1f} GB at the long-term price cost the active price again, twice as much, for 90 days.",)


def _streaming(layout: TableLayout, what: str) -> tuple[str, ...]:
    """https://cloud.google.com/bigquery/docs/data-manipulation-language#limitations."""
    if not layout.streaming_rows:
        return ()
    return (f"{layout.streaming_rows:,} rows in the streaming buffer {what}: stop the streaming half an hour before.",)
