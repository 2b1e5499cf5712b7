"""Whatever a table is and is declared to be: its plan leaves only what is refused, and loses no row."""

from __future__ import annotations

import itertools
import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbactl.core._support.aio import Cancellation
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.lease.holder import process_identity
from nbactl.core.lease.leases import Leases
from nbactl.migrations.model import Operator
from nbactl.ports.warehouse import Column, TableSchema
from nbactl.testing import bigquery_server, memory_documents
from nbactl.warehouse.apply.engine import Caller, Durations, TableChanges
from nbactl.warehouse.apply.plan_file import Plan, read_plan
from nbactl.warehouse.apply.work import Limits
from nbactl.warehouse.plan import ddl
from nbactl.warehouse.plan.document import FORM, table_document
from nbactl.warehouse.plan.planner import make_plans
from nbactl.warehouse.plan.steps import Target
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.adapters.bigquery.warehouse import BigQueryWarehouse

_TYPES = {"a": ("INT64", "NUMERIC", "STRING"), "b": ("STRING", "INT64"), "c": ("BOOL", "STRING"), "e": ("INT64",)}
_VALUES = {"INT64": "7", "NUMERIC": "NUMERIC '3'", "STRING": "'1'", "BOOL": "TRUE"}
_NUMBERS = itertools.count()


@st.composite
def schemas(draw: st.DrawFn) -> TableSchema:
    """Return a table `d.t` that is always partitioned by `day`, by one unit or another, or not at all."""
    names = draw(st.lists(st.sampled_from(sorted(_TYPES)), unique=True, min_size=1))
    columns = [
        Column(
            name,
            draw(st.sampled_from(_TYPES[name])),
            required=draw(st.booleans()),
            description=draw(st.sampled_from(["", 'It\'s "it".'])),
        )
        for name in names
    ]
    columns.insert(draw(st.integers(0, len(columns))), Column("day", "DATE"))
    return TableSchema(
        "d.t",
        tuple(columns),
        partition_by=draw(st.sampled_from([None, "day"])),
        partition_unit=draw(st.sampled_from(["DAY", "MONTH"])),
        cluster_by=tuple(draw(st.lists(st.sampled_from(names), unique=True, max_size=2))),
        description=draw(st.sampled_from(["", "Some."])),
    )


@pytest.fixture(scope="module")
def warehouse() -> Iterator[BigQueryWarehouse]:
    with (
        bigquery_server(project=PROJECT, location=LOCATION) as server,
        closing(bigquery_warehouse(server.address)) as opened,
    ):
        server.store.create_dataset("d", {})
        server.limits.metadata_updates = 1_000
        yield opened


@settings(max_examples=8)
@given(
    tables=st.tuples(schemas(), schemas()),
    drop=st.booleans(),
    rows=st.integers(0, 4),
    gate=st.sampled_from([1, 2**40]),
)
def test_after_a_plan_was_applied_only_what_is_refused_is_left(
    warehouse: BigQueryWarehouse, tables: tuple[TableSchema, TableSchema], drop: bool, rows: int, gate: int
) -> None:
    name = f"d.t{next(_NUMBERS)}"
    actual, declared = (replace(one, name=name) for one in tables)
    warehouse.apply_ddl([ddl.create_table(actual, name)], timeout=30)
    for n in range(rows):
        values = [f"DATE '2024-0{1 + n}-05'" if one.name == "day" else value(one) for one in actual.columns]
        warehouse.run_dml([f"INSERT INTO `{name}` VALUES ({', '.join(values)})"], timeout=30)  # noqa: S608
    common = [one.name for one in actual.columns if one.name in {other.name for other in declared.columns}]
    before = texts(warehouse, name, common)

    plan = planned(warehouse, declared, drop=drop, gate=gate)
    for table in plan.tables:
        if table.made:
            changes(warehouse).apply(plan, table, keep=3600.0, caller=caller())

    left = [change for table in planned(warehouse, declared, drop=drop, gate=gate).tables for change in table.changes]
    assert {change.how for change in left} <= {"refused"}
    assert texts(warehouse, name, common) == before


def value(column: Column) -> str:
    """Return a value that each type of its column has."""
    return "'true'" if (column.name, column.type) == ("c", "STRING") else _VALUES[column.type]


def planned(warehouse: BigQueryWarehouse, declared: TableSchema, *, drop: bool, gate: int) -> Plan:
    plans = make_plans(warehouse, [declared], Target(PROJECT, None), timeout=30, drop_columns=drop)
    document = {
        "form": FORM,
        "made_at": "now",
        "target": "gcp",
        "project": PROJECT,
        "location": LOCATION,
        "drift": 0.0,
        "drop_columns": drop,
        "rewrite_above_bytes": gate,
        "tables": [table_document(plan) for plan in plans if plan.changes],
    }
    return read_plan(json.loads(json.dumps(document, default=str)), "the plan")


def changes(warehouse: BigQueryWarehouse) -> TableChanges:
    clock = SystemClock()
    ids = TimeSortedIds(clock)
    documents = memory_documents(clock)
    return TableChanges(
        warehouse,
        documents,
        Leases(documents, clock),
        clock=clock,
        ids=ids,
        owner=lambda: process_identity(ids.new("apply")),
        project=PROJECT,
        durations=Durations(30.0, 10.0, 0.1),
        limits=Limits(30.0, 60.0),
    )


def caller() -> Caller:
    return Caller(Operator("me"), lambda _event: None, Cancellation(), *[lambda _job: None] * 3)


def texts(warehouse: BigQueryWarehouse, name: str, columns: list[str]) -> list[str]:
    """Return the rows as texts that do not depend on the types of columns."""
    listed = ", ".join(f"CAST(`{column}` AS STRING) AS `{column}`" for column in columns)
    return sorted(map(str, warehouse.query(f"SELECT {listed} FROM `{name}`", timeout=30).rows))  # noqa: S608
