"""What is read from the texts of queries, and what is suggested from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from nbactl.ports.warehouse import Column, QueryResult, TableLayout, TableSchema, WarehouseJob
from nbactl.warehouse.suggest.advice import advise
from nbactl.warehouse.suggest.predicates import uses_in
from nbactl.warehouse.suggest.queries import BilledQuery, dearest
from nbactl.warehouse.suggest.sample import estimate, sample_query

if TYPE_CHECKING:
    from nbactl.warehouse.suggest.advice import Suggestion

COLUMNS = {"a.t": {"x", "y", "at", "d", "flag"}, "a.u": {"x", "z"}}
GB = 2**30
SCHEMA = TableSchema(
    "a.t",
    (
        Column("X", "STRING"), Column("y", "INT64"), Column("at", "TIMESTAMP"), Column("d", "DATE"),
        Column("flag", "BOOL"), Column("f", "FLOAT64"), Column("j", "JSON"),
    ),
    partition_by="d",
)  # fmt: skip
LAYOUT = TableLayout(SCHEMA, rows=1_000_000, bytes=10 * GB, partitions=10, largest_partition=GB)


def _where(condition: str) -> str:
    return f"SELECT 1 FROM a.t WHERE {condition}"  # noqa: S608 - of this file


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("x = 'a' AND y > 3", {("x", "equality"), ("y", "range")}),
        ("'a' = x AND (y BETWEEN @low AND 9)", {("x", "equality"), ("y", "range")}),
        ("x IN ('a', 'b') AND y IN UNNEST(@ys)", {("x", "equality"), ("y", "equality")}),
        ("x = 'a' OR x = 'b'", {("x", "equality")}),
        ("x = 'a' OR y = 1", set()),
        ("NOT x = 'a' AND y != 2", set()),
        ("UPPER(x) = 'A' AND y + 1 = 2", set()),
        ("DATE(at) = '2026-01-01' AND d >= CURRENT_DATE() - 3", {("at", "range"), ("d", "range")}),
        ("CAST(at AS DATE) = @day AND TIMESTAMP_TRUNC(at, HOUR) < @hour", {("at", "range")}),
        ("x LIKE 'ab%' AND STARTS_WITH(x, 'a')", {("x", "range")}),
        ("x LIKE '%ab'", set()),
        ("flag AND x IS NULL", {("flag", "equality"), ("x", "equality")}),
        ("x IN (SELECT z FROM b.other)", {("x", "join")}),
        ("x = (SELECT MAX(z) FROM b.other)", set()),
        ("nope = 1", set()),
    ],
)
def test_a_filter_counts_if_it_compares_a_column_by_itself_with_constants(
    where: str, found: set[tuple[str, str]]
) -> None:
    seen = uses_in(_where(where), COLUMNS)
    assert {(use.column, use.kind) for use in seen.uses} == found
    assert seen.tables == {"a.t"}


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT 1 FROM a.t AS p JOIN a.u AS q ON p.x = q.x AND q.z = 1",
         {("a.t", "x", "join"), ("a.u", "x", "join"), ("a.u", "z", "equality")}),
        ("SELECT 1 FROM a.t JOIN a.u USING (x) WHERE y = 1",
         {("a.t", "x", "join"), ("a.u", "x", "join"), ("a.t", "y", "equality")}),
        ("SELECT 1 FROM a.t, a.u WHERE x = 'a'", set()),
        ("SELECT 1 FROM a.t JOIN (SELECT 1 AS y) ON TRUE WHERE x = 'a'", set()),
        ("WITH w AS (SELECT * FROM `proj.a.t` WHERE y = 1) SELECT * FROM w WHERE x = 'a'", {("a.t", "y", "equality")}),
        ("SELECT 1 FROM `other.a.t` WHERE y = 1", set()),
        ("SELECT 1 FROM b.t WHERE y = 1", set()),
        ("DELETE FROM a.t WHERE x = 'a'", {("a.t", "x", "equality")}),
        ("UPDATE a.t SET y = 1 WHERE x = 'a'", {("a.t", "x", "equality")}),
        ("BEGIN TRANSACTION; INSERT INTO b.x SELECT * FROM a.t WHERE y = 2; COMMIT TRANSACTION;",
         {("a.t", "y", "equality")}),
        ("SELECT FROM WHERE", set()),
    ],
)  # fmt: skip
def test_columns_belong_to_the_table_that_the_query_names(sql: str, found: set[tuple[str, str, str]]) -> None:
    uses = uses_in(sql, COLUMNS, "proj").uses
    assert {(use.table, use.column, use.kind) for use in uses} == found


def job(query_hash: str | None, billed: int, **more: object) -> WarehouseJob:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    made = WarehouseJob(
        job_id="j",
        kind="query",
        statement="SELECT",
        created_at=at,
        started_at=at,
        finished_at=at,
        bytes_processed=billed,
        bytes_billed=billed,
        slot_ms=1,
        cache_hit=False,
        labels={},
        user="u",
        destination=None,
        referenced=(),
        query_hash=query_hash,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def test_queries_of_one_hash_are_one_and_the_dearest_come_first() -> None:
    found = dearest(
        [
            job("one", 10),
            job("one", 20),
            job("two", 25),
            job("failed", 1_000, error="quotaExceeded"),
            job("free", 0),
            job(None, 7),
        ]
    )
    assert found == [("one", 2, 30), ("two", 1, 25)]
    assert len(dearest((job(f"q{n}", n + 1) for n in range(12)), most=5)) == 5


def suggested(*queries: tuple[str, int], layout: TableLayout = LAYOUT) -> Suggestion:
    [found] = advise([layout], [BilledQuery(_where(where), 1, size) for where, size in queries])
    return found


def test_the_column_with_the_most_bytes_comes_first_and_the_next_help_the_same_queries() -> None:
    found = suggested(("x = 'a' AND y = 1", 6 * GB), ("flag", 3 * GB), ("x = 'b'", GB))
    assert (found.verdict, found.columns) == ("suggested", ("X", "y"))
    assert found.bytes_billed == 10 * GB
    assert [(one.column, one.kind, one.queries, one.bytes_billed) for one in found.candidates] == [
        ("x", "equality", 2, 7 * GB), ("y", "equality", 1, 6 * GB), ("flag", "equality", 1, 3 * GB),
    ]  # fmt: skip


def test_equality_is_worth_more_than_a_range_and_a_range_more_than_a_join() -> None:
    assert suggested(("y > 1", 3 * GB), ("x = 'a'", 2 * GB)).columns[0] == "X"
    assert suggested(("x IN (SELECT 'a')", 4 * GB), ("y > 1", GB)).columns[0] == "y"


def test_what_cannot_be_clustered_by_and_the_partition_are_left_out() -> None:
    found = suggested(("f = 1.5 AND d = '2026-01-01' AND j = 'a'", GB))
    assert (found.verdict, found.columns, found.candidates) == ("no_filters", (), ())


def test_small_tables_and_those_that_are_clustered_so_get_no_suggestion() -> None:
    query = ("x = 'a'", GB)
    assert suggested(query, layout=replace(LAYOUT, largest_partition=2**20)).verdict == "too_small"
    clustered = replace(LAYOUT, schema=replace(SCHEMA, cluster_by=("X", "y")))
    assert suggested(query, layout=clustered).verdict == "as_it_is"
    assert suggested(("y = 1", GB), layout=clustered).columns == ("y",)


def test_no_more_than_four_columns_are_suggested_and_none_for_a_tenth_of_the_bytes() -> None:
    columns = tuple(Column(f"c{n}", "INT64") for n in range(6))
    layout = replace(LAYOUT, schema=TableSchema("a.t", columns))
    every = " AND ".join(f"c{n} = 1" for n in range(6))
    assert len(suggested((every, GB), layout=layout).columns) == 4
    assert suggested(("c0 = 1", 20 * GB), ("c0 = 1 AND c1 = 1", GB), layout=layout).columns == ("c0",)


def test_bytes_are_shared_between_the_tables_of_a_query_by_their_size() -> None:
    other = TableLayout(TableSchema("a.u", (Column("x", "STRING"),)), bytes=30 * GB, largest_partition=30 * GB)
    query = BilledQuery("SELECT 1 FROM a.t AS p JOIN a.u AS q ON p.y = 1 AND q.x = 'b'", 3, 8 * GB)
    found = {one.table: one.bytes_billed for one in advise([LAYOUT, other], [query])}
    assert found == {"a.t": 2 * GB, "a.u": 6 * GB}


def test_the_estimate_counts_the_blocks_of_a_sorted_sample() -> None:
    found = suggested(("x = 'a'", 6 * GB), ("x > 'a'", GB))
    assert found.columns == ("X",)
    rows: list[tuple[str, ...]] = [(f"v{number % 16:02}",) for number in range(1_600)]
    sampled = estimate(found, LAYOUT, lambda _: QueryResult(("X",), rows))
    assert sampled is not None
    assert (sampled.rows, sampled.distinct) == (1_600, {"X": 16})
    assert sampled.bytes_billed == pytest.approx(6 * GB / 16 + GB, rel=0.01), "a range is not counted as a saving"
    assert estimate(found, LAYOUT, lambda _: QueryResult((), [])) is None


def test_the_sample_reads_a_part_of_the_table() -> None:
    assert sample_query("a.t", ("X", "y"), LAYOUT) == (
        "SELECT `X`, `y` FROM `a.t` TABLESAMPLE SYSTEM (2 PERCENT) LIMIT 20000"
    )
    strict = replace(LAYOUT, bytes=1_000, schema=replace(SCHEMA, require_partition_filter=True))
    assert sample_query("a.t", ("X",), strict).endswith("(100 PERCENT) WHERE `d` IS NOT NULL LIMIT 20000")
