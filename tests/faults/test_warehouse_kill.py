"""A process that works with the warehouse is killed with SIGKILL."""

from __future__ import annotations

import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.kit.warehouse_process import FIRST, ROWS, TABLE, batches, end_all, ended, open_warehouse, start, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    warehouse = open_warehouse(path)
    warehouse.create_table(TABLE)
    write(warehouse, 0, 1)
    warehouse.close()
    return path


@pytest.mark.parametrize(("point", "found"), [("before", 1), ("after", 2)])
def test_inv_20_a_killed_replacement_happened_whole_or_not_at_all(path: Path, point: str, found: int) -> None:
    process = start(path, 5.0, "write", 0, 2, fault=f"warehouse.{point}_commit=kill")
    assert ended(process) == -signal.SIGKILL
    warehouse = open_warehouse(path)
    assert batches(warehouse) == [(0, found, ROWS)]
    assert write(warehouse, 0, 2) == ROWS
    assert batches(warehouse) == [(0, 2, ROWS)]
    warehouse.close()


def test_inv_20_writes_before_the_killed_one_stay(path: Path) -> None:
    process = start(path, 5.0, "write_many", 1, 5, fault="warehouse.before_commit=kill@4")
    assert ended(process) == -signal.SIGKILL
    warehouse = open_warehouse(path)
    assert batches(warehouse) == [(0, 1, ROWS), (1, 2, ROWS)]
    warehouse.close()


def test_inv_20_a_killed_holder_leaves_no_lock_behind(path: Path) -> None:
    process = start(path, 5.0, "write", 0, 2, held_at="warehouse.before_commit")
    process.kill()
    ended(process)
    warehouse = open_warehouse(path, lock_wait=0.0)
    assert batches(warehouse) == [(0, 1, ROWS)]
    warehouse.close()


def test_inv_20_kills_at_any_moment_leave_whole_partitions(path: Path) -> None:
    rng = random.Random(20)
    for _ in range(6):
        process = start(path, 5.0, "write_many", 0, 1000)
        time.sleep(rng.uniform(0.05, 0.4))
        process.kill()
        ended(process)
        warehouse = open_warehouse(path)
        ((day, _, rows),) = batches(warehouse)
        warehouse.close()
        assert (day, rows) == (0, ROWS)


def test_inv_20_a_process_killed_while_it_makes_the_file_leaves_no_half_made_one(tmp_path: Path) -> None:
    path = tmp_path / "fresh.duckdb"
    process = start(path, 5.0, "write", 1, 1, fault="warehouse.before_rename=kill")
    assert ended(process) == -signal.SIGKILL
    assert not path.exists()
    warehouse = open_warehouse(path)
    warehouse.create_table(TABLE)
    assert write(warehouse, 0, 1) == ROWS
    warehouse.close()


@pytest.mark.parametrize(("point", "batch"), [("before", 1), ("after", 2)])
def test_inv_20_versions_after_a_kill_are_those_of_the_rows(path: Path, point: str, batch: int) -> None:
    process = start(path, 5.0, "write", 0, 2, fault=f"warehouse.{point}_commit=kill")
    assert ended(process) == -signal.SIGKILL
    warehouse = open_warehouse(path)
    found = warehouse.versions([TABLE.name], FIRST, FIRST, timeout=20.0)
    assert batches(warehouse) == [(0, batch, ROWS)]
    write(warehouse, 0, batch)
    assert warehouse.versions([TABLE.name], FIRST, FIRST, timeout=20.0) == found
    warehouse.close()
    warehouse = open_warehouse(path)
    assert warehouse.versions([TABLE.name], FIRST, FIRST, timeout=20.0) == found
    warehouse.close()
