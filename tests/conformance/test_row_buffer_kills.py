"""Rows that several processes append and load at once, each killed somewhere: every row is in the table once."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nbactl.testing import bigquery_server
from tests.conformance.rows_killed import LaterClock
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse
from tests.kit.engines import engine_at
from tests.kit.rows import TABLE, buffer_of, ids, row
from tests.kit.warm import run_module

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS, PROCESSES, ROWS = 4, 3, 12


@pytest.mark.timeout(120)
def test_inv_20_every_row_is_loaded_once_whichever_process_is_killed(tmp_path: Path) -> None:
    engine = engine_at("sqlite", tmp_path, str)
    kept: set[int] = set()
    kills = [0]
    lock = threading.Lock()

    def live(hours: int, number: int) -> None:
        first = (hours * PROCESSES + number) * ROWS
        numbers = [str(each) for each in range(first, first + ROWS)]
        seed = str(first)
        done = run_module("tests.conformance.rows_killed", engine.as_text(), server.address, str(hours), seed, *numbers)
        assert done.returncode in (0, -9), done.stderr
        with lock:
            kept.update(map(int, done.stdout.split()))
            kills[0] += done.returncode == -9

    with (
        bigquery_server(project=PROJECT, location=LOCATION) as server,
        closing(bigquery_warehouse(server.address)) as warehouse,
        closing(engine.open()) as store,
    ):
        warehouse.create_table(TABLE)
        for hours in range(ROUNDS):
            threads = [threading.Thread(target=live, args=(hours, number)) for number in range(PROCESSES)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            while any(job["state"] != "DONE" for job in server.jobs()):
                time.sleep(0.01)
        last = buffer_of(store, warehouse, LaterClock(ROUNDS))
        assert last.flush().error is None
        found = ids(warehouse)
        loads = sum(job["type"] == "LOAD" for job in server.jobs())
        assert last.waiting() == 0
    assert len(found) == len(set(found)), "a row was loaded twice"
    assert {row(number)["id"] for number in kept} <= set(found), "a row that was acknowledged is lost"
    assert kills[0] >= ROUNDS, "too few were killed for this to tell anything"
    assert loads < len(found)
