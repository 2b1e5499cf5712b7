"""DDL files of the operator: what they declare, and what is refused with the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.errors import DataError, NbactlError, NotFoundError, UsageError
from nbactl.ports.warehouse import Column, TableSchema
from nbactl.warehouse.plan import ddl
from nbactl.warehouse.plan.changes import compare
from nbactl.warehouse.plan.declared import read_schemas
from nbactl.warehouse.tables import load_tables

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
CREATE TABLE IF NOT EXISTS `p-1.d.t` (
  at TIMESTAMP NOT NULL OPTIONS (description = "When."), n INTEGER, f FLOAT64, tags ARRAY<STRING>,
  s STRUCT<a INT64, b STRING>, x STRING DEFAULT 'a', short STRING(10)
)
PARTITION BY TIMESTAMP_TRUNC(at, HOUR) CLUSTER BY n, x
OPTIONS (description = "It's a table.", partition_expiration_days = 7.5, require_partition_filter = TRUE,
  labels = [("a", "b")]);
CREATE TABLE d.plain (day DATE) PARTITION BY day;
CREATE TABLE d.daily (at TIMESTAMP) PARTITION BY DATE(at);
"""


def test_statements_declare_tables(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(GOOD)
    tables, notes = read_schemas([tmp_path], "p-1")
    assert tables["d.t"] == TableSchema(
        "d.t",
        (
            Column("at", "TIMESTAMP", required=True, description="When."), Column("n", "INT64"), Column("f", "FLOAT64"),
            Column("tags", "ARRAY<STRING>"), Column("s", "STRUCT<a INT64, b STRING>"),  # type: ignore[arg-type]
            Column("x", "STRING"), Column("short", "STRING(10)"),  # type: ignore[arg-type]
        ),
        "at", ("n", "x"), "It's a table.", "HOUR", 7.5, require_partition_filter=True,
    )  # fmt: skip
    assert (tables["d.plain"].partition_by, tables["d.daily"].partition_by) == ("day", "at")
    assert tables["d.daily"].partition_unit == "DAY"
    assert notes == ("d.t: DEFAULT of x is not compared", "d.t: labels is not compared")


def test_what_a_plan_writes_as_ddl_declares_the_same_table(tmp_path: Path) -> None:
    file = tmp_path / "all.sql"
    file.write_text(";\n".join(ddl.create_table(schema, name) for name, schema in load_tables().items()))
    assert read_schemas([file], None) == (dict(load_tables()), ())
    assert compare(load_tables()["nba_raw.games"], None)[0].kind == "missing_table"


@pytest.mark.parametrize(
    ("sql", "kind", "said"),
    [
        ("CREATE TABLE d.t (a INT64", DataError, "cannot be read"),
        ("SELECT 1", DataError, "does not declare the columns"),
        ("CREATE TABLE d.t AS SELECT 1 AS a", DataError, "does not declare the columns"),
        ("CREATE VIEW d.t AS SELECT 1 AS a", DataError, "does not declare the columns"),
        ("CREATE TABLE t (a INT64)", DataError, "not the name of a table"),
        ("CREATE TABLE `other.d.t` (a INT64)", DataError, "declared in project other"),
        ("CREATE TABLE d.t (a INT64); CREATE TABLE d.t (a INT64)", DataError, "again"),
        ("CREATE TABLE d.t (a INT64, A STRING)", DataError, "twice"),
        ("CREATE TABLE d.t (a FLOAT64) CLUSTER BY a", DataError, "cannot be clustered by a, which is FLOAT64"),
        ("CREATE TABLE d.t (a ARRAY<STRING>) CLUSTER BY a", DataError, "cannot be clustered by a"),
        ("CREATE TABLE d.t (a JSON) CLUSTER BY a", DataError, "cannot be clustered by a"),
        ("CREATE TABLE d.t (a INT64) CLUSTER BY b", DataError, "not one of its columns"),
        ("CREATE TABLE d.t (a INT64, b INT64, c INT64, e INT64, f INT64) CLUSTER BY a, b, c, e, f", DataError, "by 5"),
        ("CREATE TABLE d.t (a INT64) PARTITION BY a", DataError, "partitioned by a, which is INT64"),
        ("CREATE TABLE d.t (a INT64) PARTITION BY RANGE_BUCKET(a, GENERATE_ARRAY(0, 9, 1))", DataError, "compare"),
        ("-- nothing", UsageError, "no table is declared"),
    ],
)
def test_what_cannot_be_declared_is_refused(sql: str, kind: type[NbactlError], said: str, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(sql)
    with pytest.raises(kind, match=said) as caught:
        read_schemas([tmp_path / "a.sql"], "p-1")
    assert caught.value.next_step


def test_paths_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no"):
        read_schemas([tmp_path / "none.sql"], None)
    (tmp_path / "odd.sql").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"odd\.sql cannot be read"):
        read_schemas([tmp_path / "odd.sql"], None)
