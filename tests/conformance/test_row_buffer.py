"""What the buffer of bookkeeping rows promises, on each warehouse."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.core._support import faults
from nbactl.core.lease.holder import is_dead, process_identity
from nbactl.core.lease.leases import Leases
from nbactl.errors import DataError, TimedOutError, UnavailableError
from nbactl.ports.documents import Query
from nbactl.ports.warehouse import Column
from nbactl.testing import FakeClock, bigquery_server, memory_documents
from nbactl.warehouse import buffer as buffers
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse
from tests.kit.rows import TABLE, TIMES, buffer_of, ids, row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.warehouse import Warehouse
    from nbactl.testing.bigquery import BigQueryServer
    from nbactl.warehouse.buffer import RowBuffer


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def documents(clock: FakeClock) -> Iterator[DocumentStore]:
    with closing(memory_documents(clock)) as store:
        yield store


@pytest.fixture
def buffer(documents: DocumentStore, warehouse: Warehouse, clock: FakeClock) -> RowBuffer:
    return buffer_of(documents, warehouse, clock)


@pytest.fixture(autouse=True)
def _no_fault_stays() -> Iterator[None]:
    yield
    faults.disarm_all()


def append(buffer: RowBuffer, *numbers: int) -> None:
    for number in numbers:
        buffer.append(TABLE.name, "id", row(number))


def test_rows_wait_for_others_and_are_loaded_together(
    buffer: RowBuffer, warehouse: Warehouse, clock: FakeClock
) -> None:
    append(buffer, 1)
    clock.advance(TIMES.age - 1)
    append(buffer, 2)
    assert buffer.flush_due().loaded == {}
    assert warehouse.list_tables() == [], "no warehouse is needed to append"
    clock.advance(1)
    assert buffer.flush_due().loaded == {TABLE.name: 2}
    assert ids(warehouse) == ["r001", "r002"]
    assert buffer.waiting() == 0


def test_many_rows_do_not_wait(buffer: RowBuffer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "MANY", 3)
    append(buffer, 1, 2)
    assert buffer.flush_due().loaded == {}
    append(buffer, 3)
    assert buffer.flush_due().loaded == {TABLE.name: 3}


def test_a_row_that_is_appended_again_is_the_same_row(buffer: RowBuffer, warehouse: Warehouse) -> None:
    append(buffer, 1, 1)
    buffer.flush()
    append(buffer, 1, 2)
    buffer.flush()
    assert ids(warehouse) == ["r001", "r002"]


def test_inv_20_a_process_that_ends_between_load_and_delete_loads_nothing_twice(
    buffer: RowBuffer, warehouse: Warehouse, clock: FakeClock
) -> None:
    def end() -> None:
        raise KeyboardInterrupt

    append(buffer, 1, 2)
    faults.arm("rows.loaded", end)
    with pytest.raises(KeyboardInterrupt):
        buffer.flush()
    faults.disarm_all()
    assert (ids(warehouse), buffer.waiting()) == (["r001", "r002"], 2)
    append(buffer, 3)
    clock.advance(TIMES.lease)
    assert buffer.flush().loaded == {TABLE.name: 3}
    assert ids(warehouse) == ["r001", "r002", "r003"]


def test_two_processes_do_not_load_the_same_rows(
    buffer: RowBuffer, documents: DocumentStore, warehouse: Warehouse, clock: FakeClock
) -> None:
    append(buffer, 1)
    found = []
    faults.arm("rows.loaded", lambda: found.append(buffer_of(documents, warehouse, clock).flush().loaded))
    assert buffer.flush().loaded == {TABLE.name: 1}
    assert found == [{}]


def test_the_lease_of_a_killed_process_is_waited_for_because_its_load_may_still_run(
    buffer: RowBuffer, documents: DocumentStore, clock: FakeClock
) -> None:
    host, boot, _, start, name = process_identity("flush-0").split(":", 4)
    dead = f"{host}:{boot}:999999999:{start}:{name}"
    Leases(documents, clock).acquire("row_buffer/here", dead, TIMES.lease)
    append(buffer, 1)
    assert is_dead(dead)
    assert buffer.flush().loaded == {}
    clock.advance(TIMES.lease)
    assert buffer.flush().loaded == {TABLE.name: 1}


def test_a_row_that_does_not_fit_is_set_aside_and_holds_up_no_other(
    buffer: RowBuffer, documents: DocumentStore, warehouse: Warehouse
) -> None:
    buffer.append(TABLE.name, "id", row(1, note=7))
    append(buffer, 2)
    done = buffer.flush()
    assert (done.loaded, done.refused, done.error) == ({TABLE.name: 1}, 1, None)
    assert ids(warehouse) == ["r002"]
    [aside] = documents.query(Query("row_buffer/here/refused"))
    assert aside.data["row"]["note"] == 7
    assert "log.note cannot take int 7" in aside.data["error"]


def test_a_table_of_another_program_gets_the_columns_that_it_has(buffer: RowBuffer, warehouse: Warehouse) -> None:
    warehouse.create_table(replace(TABLE, columns=(*TABLE.columns[:2], Column("more", "INT64")), cluster_by=()))
    append(buffer, 1)
    assert buffer.flush().loaded == {TABLE.name: 1}
    assert ids(warehouse) == ["r001"]


def test_rows_that_their_table_takes_none_of_wait_and_say_why(buffer: RowBuffer, warehouse: Warehouse) -> None:
    warehouse.create_table(replace(TABLE, columns=(*TABLE.columns, Column("more", "INT64", required=True))))
    append(buffer, 1, 2)
    done = buffer.flush()
    assert isinstance(done.error, DataError)
    assert "required column more" in done.error.message
    assert (done.loaded, done.refused, buffer.waiting()) == ({}, 0, 2)


def test_a_table_without_the_key_gets_no_rows(buffer: RowBuffer, warehouse: Warehouse) -> None:
    warehouse.create_table(replace(TABLE, columns=TABLE.columns[1:]))
    append(buffer, 1)
    done = buffer.flush()
    assert isinstance(done.error, DataError)
    assert done.error.message == "nba_test.log has no column id, which tells its rows apart"
    assert buffer.waiting() == 1


@pytest.fixture
def server() -> Iterator[BigQueryServer]:
    with bigquery_server(project=PROJECT, location=LOCATION) as running:
        yield running


@pytest.fixture
def on_bigquery(documents: DocumentStore, server: BigQueryServer, clock: FakeClock) -> Iterator[RowBuffer]:
    with closing(bigquery_warehouse(server.address, attempts=1)) as warehouse:
        yield buffer_of(documents, warehouse, clock)


def test_an_outage_loses_nothing_and_costs_one_try_a_while(
    on_bigquery: RowBuffer, documents: DocumentStore, server: BigQueryServer, clock: FakeClock
) -> None:
    append(on_bigquery, 1)
    clock.advance(TIMES.age)
    server.fail("/projects/", 503, "backendError", times=2)
    assert isinstance(on_bigquery.flush_due().error, UnavailableError)
    asked = len(server.requests)
    append(on_bigquery, 2)
    clock.advance(TIMES.age - 1)
    assert on_bigquery.flush_due().error is None
    assert len(server.requests) == asked, "the next try is not due"
    clock.advance(1)
    assert isinstance(on_bigquery.flush_due().error, UnavailableError)
    clock.advance(2 * TIMES.age)
    assert on_bigquery.flush_due().loaded == {TABLE.name: 2}
    assert documents.get("row_buffer/here") is None


def test_a_command_at_its_end_gives_up_soon_and_does_not_put_off_the_next_try(
    documents: DocumentStore, clock: FakeClock, tmp_path: Path
) -> None:
    file = tmp_path / "w.duckdb"
    with closing(DuckDbWarehouse(file, clock=clock, lock_wait=30.0, holder="ours")) as ours:
        rows = buffer_of(documents, ours, clock)
        append(rows, 1)
        clock.advance(TIMES.age)
        with closing(DuckDbWarehouse(file, clock=clock, lock_wait=30.0, holder="other")) as other, other._file.use(1.0):
            for _ in range(3):
                began = clock.monotonic()
                assert isinstance(rows.flush_due(at_end=True).error, (UnavailableError, TimedOutError))
                assert clock.monotonic() - began <= TIMES.at_end + 1
                clock.advance(TIMES.age)
        done = rows.flush_due(at_end=True)
        assert (done.loaded, done.error) == ({TABLE.name: 1}, None)


def test_incident_3_a_row_a_minute_is_a_load_in_five_minutes(
    on_bigquery: RowBuffer, server: BigQueryServer, clock: FakeClock
) -> None:
    for number in range(31):
        append(on_bigquery, number)
        on_bigquery.flush_due()
        clock.advance(60)
    assert sum(job["type"] == "LOAD" for job in server.jobs()) == 31 // 6
    assert on_bigquery.waiting() == 31 % 6
