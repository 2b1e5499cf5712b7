"""Ranges of partitions, and how fast statements follow each other."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.aio import Cancellation
from nbactl.core.lease.leases import Lease, Leases
from nbactl.migrations.model import Operator
from nbactl.migrations.record import MigrationRecord
from nbactl.migrations.work import ActionLease, MigrationWork
from nbactl.ports.warehouse import Column, TableSchema
from nbactl.testing import FakeClock, memory_documents
from nbactl.warehouse.apply import work
from nbactl.warehouse.apply.job import Job
from nbactl.warehouse.apply.ranges import Key, everything_of, ranges_of
from nbactl.warehouse.apply.work import Limits, TableWork

if TYPE_CHECKING:
    from nbactl.ports.warehouse import Warehouse

DAY = Key("day", "DATE", "DAY")


@pytest.mark.parametrize(
    ("key", "start", "last"),
    [
        (DAY, date(2024, 2, 29), date(2024, 2, 29)),
        (Key("day", "DATE", "MONTH"), date(2024, 2, 1), date(2024, 2, 29)),
        (Key("day", "DATE", "MONTH"), date(2024, 12, 1), date(2024, 12, 31)),
        (Key("day", "DATE", "YEAR"), date(2024, 1, 1), date(2024, 12, 31)),
        (
            Key("at", "TIMESTAMP", "HOUR"),
            datetime(2024, 1, 1, 23, tzinfo=UTC),
            datetime(2024, 1, 1, 23, 59, 59, 999999, tzinfo=UTC),
        ),
        (
            Key("at", "TIMESTAMP", "DAY"),
            datetime(2024, 1, 1, tzinfo=UTC),
            datetime(2024, 1, 1, 23, 59, 59, 999999, tzinfo=UTC),
        ),
    ],
)
def test_a_partition_ends_where_the_next_one_begins(key: Key, start: date, last: date) -> None:
    assert key.last(start) == last


def test_ranges_are_as_large_as_they_may_be_and_rows_without_a_partition_come_last() -> None:
    found = [(None, 1), *((date(2024, 1, day), 10) for day in (3, 1, 2, 5)), (date(2024, 1, 4), 1000)]
    ranges = ranges_of(DAY, found, 1.0, most=25, partitions=4000)
    assert [(one.name, one.size) for one in ranges] == [
        ("20240101-20240102", 20), ("20240103-20240103", 10), ("20240104-20240104", 1000), ("20240105-20240105", 10),
        ("null", 1),
    ]  # fmt: skip
    assert ranges[0].parameters == {"first": date(2024, 1, 1), "last": date(2024, 1, 2)}
    assert ranges[-1].where == "WHERE `day` IS NULL"
    assert len(ranges_of(DAY, found, None, most=25, partitions=2)) == 4
    assert [one.where for one in ranges_of(None, [(None, 7)], 1.0, most=1, partitions=1)] == ["WHERE TRUE"]


def test_all_rows_of_a_table_that_requires_a_filter_meet_one() -> None:
    schema = TableSchema("d.t", (Column("day", "DATE"), Column("n", "INT64")))
    assert everything_of(schema) == "WHERE TRUE"
    filtered = TableSchema("d.t", schema.columns, "day")
    assert everything_of(filtered) == "WHERE `day` >= DATE '0001-01-01' OR `day` IS NULL"


@pytest.fixture
def table() -> TableWork:
    """A table that is changed, with a clock that moves when it is slept."""
    clock = FakeClock()
    documents = memory_documents(clock)
    leases = Leases(documents, clock)
    record = MigrationRecord(documents, clock, leases, name="bq:d.t", first="untouched", project="p")
    held = ActionLease(Lease("bq:d.t", "me", 1, clock.now()))
    migration = MigrationWork(record, held, Operator("me"), clock, lambda _event: None, Cancellation(), 1.0)
    schema = TableSchema("d.t", (Column("n", "INT64"),))
    job = Job("d.t", "plan", "run", schema, schema, (), 1, 60.0, clock.now())
    warehouse: Warehouse = None  # type: ignore[assignment]
    return TableWork(warehouse, migration, job, Limits(1.0, 1.0, rate=1_000.0))


def test_bytes_above_the_rate_are_waited_for(table: TableWork) -> None:
    began = table.work.clock.monotonic()
    table.throttle(30_000, 10.0)
    assert table.work.clock.monotonic() - began == pytest.approx(20.0)
    table.throttle(30_000, 40.0)
    assert table.work.clock.monotonic() - began == pytest.approx(20.0), "it was slower than the rate by itself"


def test_metadata_are_updated_at_most_five_times_in_ten_seconds(table: TableWork) -> None:
    assert work.UPDATES == 5
    began, times = table.work.clock.monotonic(), []
    for _ in range(11):
        table.before_update()
        times.append(table.work.clock.monotonic() - began)
    for first, sixth in zip(times, times[5:], strict=False):
        assert sixth - first > 10.0
