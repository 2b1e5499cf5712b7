"""Random tables changed in known ways: a plan has exactly these differences, and none of equal tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from nbactl.ports.warehouse import Column, TableLayout, TableSchema
from nbactl.warehouse.plan.changes import compare
from nbactl.warehouse.plan.steps import Target, steps_of

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES: Final[tuple[Any, ...]] = ("STRING", "INT64", "NUMERIC", "BOOL", "DATE", "TIMESTAMP", "ARRAY<STRING>")
SPELT: Final[dict[str, Any]] = {"INT64": "INTEGER", "NUMERIC": "DECIMAL", "BOOL": "BOOLEAN"}
Expected = set[tuple[str, str | None]]


@st.composite
def schemas(draw: st.DrawFn) -> TableSchema:
    kinds = draw(st.lists(st.sampled_from(TYPES), min_size=2, max_size=6))
    columns = tuple(
        Column(f"c{number}", kind, required=kind != "ARRAY<STRING>" and draw(st.booleans()))
        for number, kind in enumerate(kinds)
    )
    days = [column.name for column in columns if column.type in ("DATE", "TIMESTAMP")]
    keys = [column.name for column in columns if str(column.type) != "ARRAY<STRING>"]
    cluster = draw(st.permutations(keys))[: draw(st.integers(0, 4))]
    partition = draw(st.sampled_from([None, *days]))
    return TableSchema("d.t", columns, partition, tuple(cluster), draw(st.sampled_from(["", "One."])))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[TableSchema, TableSchema, Expected]:
    """Return a declaration, a table that is there, and by what they differ."""
    declared = draw(schemas())
    actual, expected = declared, set[tuple[str, str | None]]()
    chosen = draw(st.lists(st.sampled_from(_CHANGES), unique=True, max_size=5))
    for change in sorted(chosen, key=_CHANGES.index):
        actual, found = change(actual, declared)
        expected |= found
    return declared, actual, expected


def _with_extra(actual: TableSchema, _: TableSchema) -> tuple[TableSchema, Expected]:
    extra = Column("extra", "STRING")
    return replace(actual, columns=(extra, *actual.columns)), {("extra_column", "extra")}


def _without_last(actual: TableSchema, _: TableSchema) -> tuple[TableSchema, Expected]:
    last = actual.columns[-1].name
    if last in (actual.partition_by, *actual.cluster_by) or last == "c1":
        return actual, set()
    return replace(actual, columns=actual.columns[:-1]), {("missing_column", last)}


def _relaxed(actual: TableSchema, _: TableSchema) -> tuple[TableSchema, Expected]:
    first = next(column for column in actual.columns if column.name == "c0")
    if str(first.type) == "ARRAY<STRING>":
        return actual, set()
    return _replaced(actual, replace(first, required=not first.required)), {("mode", "c0")}


def _retyped(actual: TableSchema, _: TableSchema) -> tuple[TableSchema, Expected]:
    second = next(column for column in actual.columns if column.name == "c1")
    return _replaced(actual, replace(second, type="JSON")), {("retyped", "c1")}


def _described(actual: TableSchema, _: TableSchema) -> tuple[TableSchema, Expected]:
    first = next(column for column in actual.columns if column.name == "c0")
    changed = _replaced(replace(actual, description="Other."), replace(first, description="It."))
    return changed, {("description", None), ("description", "c0")}


def _clustered(actual: TableSchema, declared: TableSchema) -> tuple[TableSchema, Expected]:
    cluster = ("c0",) if declared.cluster_by != ("c0",) else ("c0", "c1")
    return replace(actual, cluster_by=cluster), {("clustering", None)}


def _partitioned(actual: TableSchema, declared: TableSchema) -> tuple[TableSchema, Expected]:
    other = None if declared.partition_by else "c0"
    return replace(actual, partition_by=other), {("partitioning", None)}


def _spelt(actual: TableSchema, _: TableSchema) -> tuple[TableSchema, Expected]:
    columns = [
        replace(
            column, name=column.name.upper() if number > 1 else column.name, type=SPELT.get(column.type, column.type)
        )
        for number, column in enumerate(actual.columns)
    ]
    return replace(actual, columns=tuple(columns)), set()


def _replaced(schema: TableSchema, column: Column) -> TableSchema:
    return replace(schema, columns=tuple(column if one.name == column.name else one for one in schema.columns))


_CHANGES: Final[list[Callable[[TableSchema, TableSchema], tuple[TableSchema, Expected]]]] = [
    _without_last, _with_extra, _relaxed, _retyped, _described, _clustered, _partitioned, _spelt,
]  # fmt: skip


@settings(max_examples=150)
@given(pairs(), st.booleans())
def test_a_plan_has_exactly_the_differences(pair: tuple[TableSchema, TableSchema, Expected], large: bool) -> None:
    declared, actual, expected = pair
    layout = TableLayout(
        actual, rows=10, bytes=2**40, long_term_bytes=0, partitions=10, largest_partition=2**40 if large else 1
    )
    changes = compare(declared, layout)
    assert {(change.kind, change.column) for change in changes} == expected
    assert len(changes) == len(expected)
    steps = steps_of(declared, layout, changes, Target("p", None))
    assert bool(steps) == any(change.how != "refused" for change in changes)
    assert {step.how for step in steps} <= {"in_place", *(change.how for change in changes)}
    texts = [statement for step in steps for statement in step.statements]
    for key in actual.cluster_by:
        dropped = [number for number, text in enumerate(texts) if f"DROP COLUMN `{key}`" in text]
        assert all("--clustering_fields" in "".join(texts[:number]) for number in dropped)
