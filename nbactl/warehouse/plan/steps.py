"""The steps that remove the differences of a table, in the order in which they are taken, and what each costs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.durations import format_duration
from nbactl.frozen import frozen
from nbactl.ports.column_types import base, canonical
from nbactl.warehouse.plan import ddl
from nbactl.warehouse.plan.changes import GAINS_FROM
from nbactl.warehouse.plan.reached import reached, side_tables
from nbactl.warehouse.plan.types import WIDTHS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from nbactl.ports.warehouse import TableLayout, TableSchema
    from nbactl.warehouse.plan.changes import Change, How
    from nbactl.warehouse.prices import Prices

RATE: Final = 100_000_000
"""Bytes a second that a rewrite or copy is assumed to process, until some were observed."""
RANGE_BYTES: Final = 10 * 2**30
"""Bytes of the partitions that one statement writes, unless --max-bytes says less: some minutes at RATE."""
PARTITIONS_OF_A_JOB: Final = 4_000
"""https://cloud.google.com/bigquery/quotas#partitioned_tables; DML does not count as modifications of partitions."""
NO_DRY_RUN: Final = "A dry run does not show what clustering gains: its bytes are an upper bound."
"""https://cloud.google.com/bigquery/docs/clustered-tables: the blocks that are read are known after the query alone."""


StepKind = Literal["define", "cluster", "snapshot", "rewrite", "copy", "compare", "swap"]


@frozen
class Step:
    """One step. `statements` are SQL or a command; one with `@first` and `@last` runs once for each of `runs` ranges.

    `@until` is when what is kept expires.

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
    kind: StepKind = "define"


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
        return _rebuild(reached(declared, layout.schema, changes), layout, target)
    steps = in_place_steps(declared, made, target)
    if needs_snapshot(made):
        kept = ddl.snapshot(side_tables(declared.name).before, declared.name, "@until")
        steps.insert(0, _free("Keep a snapshot", (kept,), target, kind="snapshot"))
    if any(change.how == "rewrite" for change in made):
        steps += _rewrite(declared, layout, target)
    return tuple(steps)


def needs_snapshot(changes: Sequence[Change]) -> bool:
    """Say whether changes in place lose something, or cannot be changed back without a copy."""
    return any(change.lost or change.kind in ("retyped", "mode") for change in changes)


def in_place_steps(declared: TableSchema, changes: Sequence[Change], target: Target) -> list[Step]:
    """Return the steps that change metadata alone.

    Columns are added before the clustering needs them, and dropped after it has let go of them.
    """
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
        steps.append(_free("Change the clustering of new data", (command,), target, notes, kind="cluster"))
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


def _rewrite(declared: TableSchema, layout: TableLayout, target: Target) -> list[Step]:
    """UPDATE reads its columns, and the partitions that it changes in whole.

    https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax#on-demand_query_size_calculation
    """
    size = layout.bytes or 0
    first = declared.cluster_by[0]
    named = {first.lower(), (layout.schema.partition_by or first).lower()}
    runs = _ranges(layout, layout.schema.partition_by)
    statements = ddl.rewrite(layout.schema, first)
    kinds = [base(column.type) for column in layout.schema.columns if column.name.lower() in named]
    share = size // max(len(layout.schema.columns), 1)
    beside = min(size, sum(WIDTHS[kind] * layout.rows if kind in WIDTHS else share for kind in kinds))
    mb = GAINS_FROM >> 20
    gate = f"The table is above {mb} MB."
    if layout.schema.partition_by is not None:
        gate = f"Only partitions above {mb} MB are rewritten; the bytes are those of the whole table."
    rewritten = Step(
        "rewrite",
        "Rewrite old data",
        statements,
        runs=runs,
        reads=size + beside,
        writes=size,
        usd=_price(size + beside, target),
        seconds=(size + beside) / RATE,
        dml=runs + len(statements) - 1,
        notes=(*_storage(layout), *_streaming(layout, "are not rewritten"), gate),
        kind="rewrite",
    )
    compared = Step(
        "rewrite",
        "Compare rows and a digest of these columns, before and after",
        (),
        reads=2 * beside,
        usd=_price(2 * beside, target),
        seconds=2 * beside / RATE,
        kind="compare",
    )
    return [rewritten, compared]


def _rebuild(wanted: TableSchema, layout: TableLayout, target: Target) -> tuple[Step, ...]:
    side = side_tables(wanted.name)
    size, key = layout.bytes, ddl.copy_key(layout.schema, wanted)
    runs = _ranges(layout, key)
    notes = (*_storage(layout), *_streaming(layout, "are not copied"))
    pairs = ddl.copy_rows(replace(wanted, name=side.new), layout.schema, key)
    copy = Step(
        "rebuild",
        "Copy the rows",
        tuple(statement for pair in pairs for statement in pair),
        runs=runs,
        reads=size,
        writes=size,
        usd=_price(size, target),
        seconds=None if size is None else size / RATE,
        dml=2 * (runs + len(pairs) - 1),
        notes=notes,
        kind="copy",
    )
    both = None if size is None else 2 * size
    seconds = None if both is None else both / RATE
    verify = Step(
        "rebuild",
        "Compare rows and digests of both tables",
        (),
        reads=both,
        usd=_price(both, target),
        seconds=seconds,
        notes=("What was written meanwhile is copied again, and compared again.",),
        kind="compare",
    )
    return (
        _free("Create the new table", (ddl.create_table(unexpiring(wanted), side.new),), target, how="rebuild"),
        *((copy, verify) if layout.rows else ()),
        _swap(wanted, target, seconds if layout.rows else 0.0),
    )


def unexpiring(schema: TableSchema) -> TableSchema:
    """Return a schema whose partitions do not expire: until a copy is compared, it must keep all of them."""
    return replace(schema, partition_expiration_days=None)


def expiration(wanted: TableSchema) -> tuple[str, ...]:
    """Return the statement that lets the partitions of a rebuilt table expire as declared."""
    days = wanted.partition_expiration_days
    given = {"partition_expiration_days": f"{days:g}"} if days is not None else {}
    return (ddl.alter(wanted.name, [ddl.set_options(dict(given))]),) if given else ()


def keep_until(name: str) -> str:
    """Return the statement after which a table expires at `@until`."""
    return ddl.alter(name, [ddl.set_options({"expiration_timestamp": "@until"})])


def _swap(wanted: TableSchema, target: Target, seconds: float | None) -> Step:
    side = side_tables(wanted.name)
    statements = (
        ddl.rename(wanted.name, side.old),
        ddl.rename(side.new, wanted.name),
        *expiration(wanted),
        keep_until(side.old),
    )
    more = f": about {format_duration(max(1, round(seconds)))} more" if seconds else ""
    note = (
        "The name is missing between the renames, for some seconds. If rows were written just before, both tables "
        f"are compared again meanwhile{more}."
    )
    return _free("Swap the tables by name", statements, target, (note,), how="rebuild", kind="swap")


def _free(
    text: str,
    statements: tuple[str, ...],
    target: Target,
    notes: tuple[str, ...] = (),
    *,
    how: How = "in_place",
    kind: StepKind = "define",
) -> Step:
    """Definitions are free of charge: https://cloud.google.com/bigquery/docs/managing-table-schemas."""
    return Step(how, text, statements, usd=_price(0, target), notes=notes, kind=kind)


def _ranges(layout: TableLayout, key: str | None) -> int:
    """Return in how many ranges of partitions rows are written: a job may change a limited number of them."""
    if key is None:
        return 1
    partitions = layout.partitions or 1
    ranges = max(math.ceil(partitions / PARTITIONS_OF_A_JOB), math.ceil((layout.bytes or 0) / RANGE_BYTES))
    return max(1, min(partitions, ranges))


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
