"""What differs between a declared table and the one that is there, how it is changed, and what that costs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from nbactl.ports.column_types import canonical, widens
from nbactl.ports.warehouse import Column, TableLayout, TableSchema
from nbactl.warehouse.plan.changes import GAINS_FROM, Change, compare
from nbactl.warehouse.plan.steps import RATE, Step, Target, steps_of
from nbactl.warehouse.plan.types import casts
from nbactl.warehouse.prices import prices_in

SCHEMA = TableSchema(
    "d.t",
    (Column("day", "DATE", required=True), Column("team", "STRING"), Column("points", "INT64", description="Scored.")),
    "day",
    ("team",),
    "Scores.",
)
GIB = 2**30
TARGET = Target("p-1", prices_in("us-central1"))


def layout(schema: TableSchema = SCHEMA, **changes: object) -> TableLayout:
    """Return a table of 100 GiB in 5,000 partitions."""
    full = TableLayout(
        schema, rows=10_000_000, bytes=100 * GIB, long_term_bytes=0, partitions=5_000, largest_partition=GIB
    )
    return replace(full, **changes)  # type: ignore[arg-type]


def changed(declared: TableSchema, actual: TableLayout | None) -> list[tuple[str, str | None, str]]:
    return [(change.kind, change.column, change.how) for change in compare(declared, actual, drop_columns=True)]


def with_column(column: Column, at: int = 3) -> TableSchema:
    return replace(SCHEMA, columns=(*SCHEMA.columns[:at], column, *SCHEMA.columns[at:]))


def with_points(**changes: object) -> TableSchema:
    return replace(SCHEMA, columns=(*SCHEMA.columns[:2], replace(SCHEMA.columns[2], **changes)))  # type: ignore[arg-type]


def plan(declared: TableSchema, actual: TableLayout | None) -> tuple[tuple[Change, ...], tuple[Step, ...]]:
    changes = compare(declared, actual, drop_columns=True)
    return changes, steps_of(declared, actual, changes, TARGET)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("integer", "INT64"), ("FLOAT", "FLOAT64"), ("boolean", "BOOL"), ("decimal(10,2)", "NUMERIC(10, 2)"),
        ("ARRAY< STRUCT<int INTEGER, f float> >", "ARRAY<STRUCT<int INT64, f FLOAT64>>"), ("STRING(10)", "STRING(10)"),
        ("bigdecimal", "BIGNUMERIC"), ("RECORD<a BIGINT>", "STRUCT<a INT64>"),
    ],
)  # fmt: skip
def test_synonyms_of_types_are_one_type(written: str, meant: str) -> None:
    assert canonical(written) == meant
    assert canonical(meant) == meant


def test_only_numbers_widen_and_arrays_are_not_cast() -> None:
    assert widens("INTEGER", "NUMERIC")
    assert widens("NUMERIC", "FLOAT64")
    assert widens("NUMERIC(10, 2)", "FLOAT64")
    assert not widens("FLOAT64", "INT64")
    assert not widens("INTEGER", "INT64"), "it is the same type"
    assert not widens("DATE", "STRING")
    assert casts("DATE", "STRING")
    assert casts("STRING(10)", "STRING")
    assert not casts("BOOL", "DATE")
    assert not casts("ARRAY<INT64>", "INT64")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("STRING(10)", "STRING(20)", True),
        ("STRING(10)", "STRING", True),
        ("STRING(20)", "STRING(10)", False),
        ("STRING", "STRING(10)", False),
        ("BYTES(1)", "BYTES(2)", True),
        ("NUMERIC(10, 2)", "NUMERIC(12, 2)", True),
        ("NUMERIC(10, 2)", "NUMERIC(12, 4)", True),
        ("NUMERIC(10, 2)", "NUMERIC(12, 5)", False),  # a digit less before the point
        ("NUMERIC(10, 2)", "NUMERIC(12, 1)", False),
        ("NUMERIC(10)", "NUMERIC", True),
        ("NUMERIC", "NUMERIC(38, 9)", True),
        ("NUMERIC", "NUMERIC(10, 2)", False),
        ("ARRAY<INT64>", "ARRAY<NUMERIC>", False),
    ],
)
def test_a_type_with_a_size_widens_where_no_value_is_lost(old: str, new: str, expected: bool) -> None:
    assert widens(old, new) is expected


def test_what_is_as_declared_differs_in_nothing() -> None:
    assert changed(SCHEMA, layout()) == []
    old_names = tuple(replace(one, name=one.name.upper(), type="INTEGER" if one.type == "INT64" else one.type)  # type: ignore[arg-type]
                      for one in SCHEMA.columns)  # fmt: skip
    assert changed(SCHEMA, layout(replace(SCHEMA, columns=old_names))) == []


@pytest.mark.parametrize(
    ("declared", "actual", "expected"),
    [
        (SCHEMA, None, ("missing_table", None, "in_place")),
        (SCHEMA, layout(kind="view"), ("not_a_table", None, "refused")),
        (SCHEMA, layout(kind="external table"), ("not_a_table", None, "refused")),
        (with_column(Column("new", "JSON")), layout(), ("missing_column", "new", "in_place")),
        (with_column(Column("new", "JSON", required=True)), layout(), ("missing_column", "new", "refused")),
        (with_column(Column("new", "JSON", required=True)), layout(rows=0), ("missing_column", "new", "rebuild")),
        (SCHEMA, layout(with_column(Column("old", "STRING"))), ("extra_column", "old", "in_place")),
        (with_points(type="NUMERIC"), layout(), ("retyped", "points", "in_place")),
        (with_points(type="STRING"), layout(), ("retyped", "points", "rebuild")),
        (with_points(type="DATE"), layout(), ("retyped", "points", "refused")),
        (with_points(type="ARRAY<INT64>"), layout(), ("retyped", "points", "refused")),
        (SCHEMA, layout(with_points(required=True)), ("mode", "points", "in_place")),
        (with_points(required=True), layout(), ("mode", "points", "rebuild")),
        (with_points(description="Other."), layout(), ("description", "points", "in_place")),
        (replace(SCHEMA, description="Other."), layout(), ("description", None, "in_place")),
        (replace(SCHEMA, columns=SCHEMA.columns[::-1]), layout(), ("reordered", None, "refused")),
        (replace(SCHEMA, partition_by=None), layout(), ("partitioning", None, "rebuild")),
        (replace(SCHEMA, partition_unit="MONTH"), layout(), ("partitioning", None, "rebuild")),
        (SCHEMA, layout(partitioned_otherwise="time of ingestion (DAY)"), ("partitioning", None, "rebuild")),
        (replace(SCHEMA, cluster_by=("points",)), layout(), ("clustering", None, "rewrite")),
        (replace(SCHEMA, cluster_by=()), layout(), ("clustering", None, "in_place")),
        (replace(SCHEMA, cluster_by=("points",)), layout(rows=0), ("clustering", None, "in_place")),
        (replace(SCHEMA, partition_expiration_days=9), layout(), ("partition_expiration", None, "in_place")),
        (replace(SCHEMA, require_partition_filter=True), layout(), ("partition_filter", None, "in_place")),
    ],
)
def test_each_difference_has_its_way(
    declared: TableSchema, actual: TableLayout | None, expected: tuple[str, str | None, str]
) -> None:
    assert changed(declared, actual) == [expected]


def test_clustering_is_rewritten_where_it_gains_and_not_below() -> None:
    declared = replace(SCHEMA, cluster_by=("points",))
    assert changed(declared, layout(largest_partition=GAINS_FROM)) == [("clustering", None, "rewrite")]
    [small] = compare(declared, layout(largest_partition=GAINS_FROM - 1))
    assert small.how == "in_place"
    assert "64 MB" in small.reason


def test_a_rewrite_reads_the_table_and_the_columns_that_it_names() -> None:
    declared = replace(SCHEMA, cluster_by=("points",))
    _, (cluster, rewrite, digest) = plan(declared, layout(long_term_bytes=10 * 10**9, streaming_rows=7))
    assert cluster.statements == ("bq update --clustering_fields=points p-1:d.t",)
    assert cluster.usd == Decimal(0)
    assert cluster.reads == 0
    assert rewrite.statements == ("UPDATE `d.t` SET `points` = `points`\nWHERE `day` BETWEEN @first AND @last",)
    size = 100 * GIB + 10_000_000 * (8 + 8)
    assert (rewrite.reads, rewrite.writes, rewrite.runs, rewrite.dml) == (size, 100 * GIB, 10, 10)
    assert digest.reads == 2 * 10_000_000 * (8 + 8), "of the columns that are written, before and after"
    assert rewrite.usd == prices_in("us-central1").of(size) > Decimal("0.6")
    assert rewrite.seconds == size / RATE
    assert rewrite.partition_modifications == 0, "DML does not count"
    assert any("10.0 GB at the long-term price" in note for note in rewrite.notes)
    assert any("7 rows in the streaming buffer" in note for note in rewrite.notes)


def test_a_column_leaves_the_key_before_it_is_dropped_and_is_added_before_it_enters() -> None:
    old = replace(with_column(Column("old", "STRING")), cluster_by=("old",))
    declared = replace(with_column(Column("new", "STRING")), cluster_by=("new",))
    _, steps = plan(declared, layout(old))
    assert [step.kind for step in steps] == ["snapshot", "define", "cluster", "define", "rewrite", "compare"]
    assert [step.text for step in steps[1:4]] == ["Add columns", "Change the clustering of new data", "Drop columns"]
    assert steps[0].statements == (
        "CREATE SNAPSHOT TABLE `d.nbactl_before_t`\nCLONE `d.t`\nOPTIONS (expiration_timestamp = @until)",
    )
    assert steps[1].statements == ("ALTER TABLE `d.t`\n  ADD COLUMN `new` STRING",)
    assert steps[3].statements == ("ALTER TABLE `d.t`\n  DROP COLUMN `old`",)


def test_statements_in_place_say_what_bigquery_understands() -> None:
    declared = replace(
        with_points(type="NUMERIC", description='The "points".'), partition_expiration_days=30,
        require_partition_filter=True, description="Other.",
    )  # fmt: skip
    actual = replace(SCHEMA, columns=(SCHEMA.columns[0], replace(SCHEMA.columns[1], required=True), SCHEMA.columns[2]))
    _, steps = plan(declared, layout(actual))
    assert [step.statements[0].partition("\n  ")[2] for step in steps[1:]] == [
        "ALTER COLUMN `team` DROP NOT NULL",
        "ALTER COLUMN `points` SET DATA TYPE NUMERIC",
        'ALTER COLUMN `points` SET OPTIONS (description = "The \\"points\\".")',
        'SET OPTIONS (description = "Other.", partition_expiration_days = 30, require_partition_filter = TRUE)',
    ]
    _, (step,) = plan(SCHEMA, layout(replace(SCHEMA, partition_expiration_days=30)))
    assert step.statements[0].endswith("SET OPTIONS (partition_expiration_days = NULL)")


def test_a_shorter_expiration_names_what_is_lost() -> None:
    [change] = compare(replace(SCHEMA, partition_expiration_days=9), layout())
    assert change.lost == ("partitions older than 9 days",)
    [change] = compare(SCHEMA, layout(replace(SCHEMA, partition_expiration_days=9)))
    assert change.lost == ()


def test_a_rebuild_makes_all_changes_and_names_what_is_lost() -> None:
    declared = replace(
        with_points(type="STRING"), cluster_by=("points",), description="Other.", columns=SCHEMA.columns[::-1]
    )
    declared = replace(
        declared,
        columns=tuple(replace(one, type="STRING") if one.name == "points" else one for one in declared.columns),
    )
    actual = replace(SCHEMA, columns=tuple(replace(one, required=False) for one in SCHEMA.columns), partition_by="day")
    changes, steps = plan(declared, layout(actual))
    assert {change.how for change in changes} == {"rebuild"}
    assert any("row access" in lost for change in changes for lost in change.lost)
    create, copy, verify, swap = steps
    assert create.statements[0].startswith("CREATE TABLE `d.nbactl_new_t` (\n  `points` STRING OPTIONS")
    assert "PARTITION BY `day`\nCLUSTER BY `points`" in create.statements[0]
    assert copy.statements == (
        "DELETE FROM `d.nbactl_new_t`\nWHERE `day` BETWEEN @first AND @last",
        (
            "INSERT INTO `d.nbactl_new_t` (`points`, `team`, `day`)\nSELECT CAST(`points` AS STRING), `team`, `day`\n"
            "FROM `d.t`\nWHERE `day` BETWEEN @first AND @last"
        ),
        "DELETE FROM `d.nbactl_new_t`\nWHERE `day` IS NULL",
        (
            "INSERT INTO `d.nbactl_new_t` (`points`, `team`, `day`)\nSELECT CAST(`points` AS STRING), `team`, `day`\n"
            "FROM `d.t`\nWHERE `day` IS NULL"
        ),
    )
    assert (copy.reads, verify.reads, copy.runs, copy.dml) == (100 * GIB, 200 * GIB, 10, 22)
    assert swap.statements == (
        "ALTER TABLE `d.t`\n  RENAME TO `nbactl_old_t`", "ALTER TABLE `d.nbactl_new_t`\n  RENAME TO `t`",
        "ALTER TABLE `d.nbactl_old_t`\n  SET OPTIONS (expiration_timestamp = @until)",
    )  # fmt: skip
    assert "name is missing" in swap.notes[0]


def test_an_undeclared_column_stays_unless_it_may_be_dropped() -> None:
    actual = layout(with_column(Column("old", "STRING")))
    [change] = compare(SCHEMA, actual)
    assert (change.how, change.reason) == ("refused", "Columns are dropped only with --drop-columns.")
    assert steps_of(SCHEMA, actual, (change,), TARGET) == ()
    declared = with_points(type="STRING")
    changes = compare(declared, actual)
    assert [change.how for change in changes] == ["rebuild", "refused"]
    create, copy, *_ = steps_of(declared, actual, changes, TARGET)
    assert "`old` STRING" in create.statements[0]
    assert "`old`" in copy.statements[1], "a rebuild carries it along"


def test_a_rebuild_keeps_what_is_refused_as_it_is() -> None:
    declared = replace(with_points(type="DATE"), partition_unit="MONTH")
    declared = replace(declared, columns=(*declared.columns, Column("must", "INT64", required=True)))
    create, copy, *_ = plan(declared, layout())[1]
    assert "`points` INT64" in create.statements[0]
    assert "must" not in create.statements[0]
    assert "CAST" not in copy.statements[1]
    [_, change] = compare(replace(declared, partition_unit="DAY", cluster_by=("must",),
                                  columns=(*SCHEMA.columns, declared.columns[3])), layout())  # fmt: skip
    assert (change.kind, change.how, change.reason) == ("clustering", "refused", "Its column must is refused.")


def test_what_is_refused_has_no_step_and_the_rest_has() -> None:
    declared = replace(with_column(Column("must", "INT64", required=True)), description="Other.")
    changes, steps = plan(declared, layout())
    assert [change.how for change in changes] == ["refused", "in_place"]
    assert [step.text for step in steps] == ["Set options"]
    assert plan(SCHEMA, layout(kind="view"))[1] == ()
