"""The beat that keeps breakers of several processes in step."""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.durations import Interval
from nbactl.core.calls.breaker import Breaker, BreakerSettings
from nbactl.core.calls.shared_breakers import BreakerSync, SharedBreakers
from nbactl.errors import BreakerOpenError, UnavailableError
from nbactl.ports.documents import Set
from nbactl.testing import FakeClock, faults, memory_documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.adapters.sqlite.documents import SqliteDocuments

SETTINGS = BreakerSettings("odds", failure_rate=0.5, minimum_calls=1, open_for=30.0, window=60.0)
SOON, NEVER = Interval(0.002), Interval(3600.0)


@pytest.fixture
def store() -> Iterator[SqliteDocuments]:
    opened = memory_documents()
    yield opened
    opened.close()


CLOCK = FakeClock()


def beat_of(store: SqliteDocuments, breaker: Breaker, every: Interval = NEVER) -> BreakerSync:
    return BreakerSync(SharedBreakers(store, CLOCK), lambda: [breaker], every=every, rng=random.Random(1))


def here() -> Breaker:
    """Return the breaker of another process, a second after the last one."""
    CLOCK.advance(1)
    return Breaker(SETTINGS, CLOCK)


def open_it(breaker: Breaker) -> None:
    CLOCK.advance(1)
    breaker.open("broken", seconds=3000)


def await_state(breaker: Breaker, state: str) -> None:
    reached = threading.Event()
    for _ in range(2000):
        if breaker.state == state:
            return
        reached.wait(0.005)
    pytest.fail(f"still {breaker.state} after ten seconds")


def test_an_opening_reaches_the_other_process_in_the_background_and_the_thread_ends(store: SqliteDocuments) -> None:
    one, other = here(), here()
    beats = [beat_of(store, one, SOON), beat_of(store, other, SOON)]
    for beat in beats:
        beat.start()
    open_it(one)
    await_state(other, "open")
    for beat in beats:
        beat.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "nbactl-breakers"]


def test_it_begins_with_what_others_know_and_ends_by_telling_what_it_knows(store: SqliteDocuments) -> None:
    first, second, third = here(), here(), here()
    beat = beat_of(store, first)
    beat.start()
    open_it(first)
    beat.close()
    late = beat_of(store, second)
    late.start()
    assert second.state == "open"
    CLOCK.advance(1)
    second.reset()
    late.close()
    last = beat_of(store, third)
    last.start()
    last.close()
    assert third.state == "closed"


def test_a_store_that_is_down_costs_nothing_and_is_reported_once(
    store: SqliteDocuments, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="nbactl.core.calls.shared_breakers")
    breaker = here()
    beat = beat_of(store, breaker)
    open_it(breaker)
    with faults.failing("documents.before_commit", UnavailableError("down"), times=2):
        beat.sync()
        beat.sync()
        with pytest.raises(BreakerOpenError):
            breaker.admit()
    beat.sync()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    other = here()
    beat_of(store, other).sync()
    assert other.state == "open"


def test_a_document_that_is_not_ours_is_reported_and_does_not_end_the_beat(
    store: SqliteDocuments, caplog: pytest.LogCaptureFixture
) -> None:
    store.commit([Set("breakers/odds", {"state": "open"})])
    beat_of(store, here()).sync()
    assert "lacks 'failures'" in caplog.text
