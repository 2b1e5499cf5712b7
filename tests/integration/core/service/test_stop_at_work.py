"""A service that is stopped while it works on a message: in time, and with its claim given back."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from tests.kit.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMITS = {
    "ENABLE_IDEMPOTENCY_KEYS": "true",
    "NBACTL_TIMEOUT_SERVICE_FINISH_REQUESTS": "300ms",
    "NBACTL_TIMEOUT_SERVICE_LET_GO": "5s",
    "NBACTL_TIMEOUT_DOCUMENTS_BUSY": "80s",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteDocuments]:
    path = tmp_path / "state" / "documents.db"
    with closing(SqliteDocuments(path, clock=SystemClock(), busy_timeout=20.0)) as opened:
        yield opened


def push(service: ServiceProcess, path: str, store: SqliteDocuments) -> threading.Thread:
    """Push a message, and return when work on it is under way."""

    def call() -> None:
        with contextlib.suppress(OSError):
            service.push(path, {}, message_id="1")

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    give_up = time.monotonic() + 60
    while store.get("message_dedup/1") is None:
        assert time.monotonic() < give_up, service.output()
        time.sleep(0.02)
    return thread


@pytest.mark.parametrize("path", ["/long", "/long_coroutine"])
def test_inv_05_what_is_cut_short_is_free_for_the_next_delivery(
    tmp_path: Path, store: SqliteDocuments, path: str
) -> None:
    with ServiceProcess("tests.kit.small_service:app", tmp_path, LIMITS) as service:
        push(service, path, store)
        service.stop(30.0)
    assert store.get("message_dedup/1") is None


def test_a_store_that_is_stuck_does_not_keep_the_service_from_ending(tmp_path: Path, store: SqliteDocuments) -> None:
    with ServiceProcess(
        "tests.kit.small_service:app", tmp_path, {**LIMITS, "NBACTL_TIMEOUT_SERVICE_LET_GO": "300ms"}
    ) as service:
        push(service, "/long_coroutine", store)
        with closing(sqlite3.connect(tmp_path / "state" / "documents.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            service.stop(40.0)  # half of what the store would be waited for
