"""What processes tell one another of their breakers, on every engine of documents."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nbactl.core.calls.breaker import Breaker, BreakerSettings
from nbactl.core.calls.shared_breakers import SharedBreakers
from nbactl.errors import UnavailableError
from nbactl.testing import FakeClock, faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.documents import DocumentStore
    from tests.kit.engines import Engine

SETTINGS = BreakerSettings("odds/api", failure_rate=0.5, minimum_calls=1, open_for=30.0, window=60.0)


class Cluster:
    """Two processes with a store in common."""

    def __init__(self, clock: FakeClock, store: DocumentStore) -> None:
        self.clock = clock
        self.store = store
        self.breakers = [Breaker(SETTINGS, self.clock) for _ in range(2)]
        self.shared = [SharedBreakers(self.store, self.clock) for _ in range(2)]

    def sync(self, *which: int) -> list[str]:
        for index in which:
            self.shared[index].sync(self.breakers[index])
        return [breaker.state for breaker in self.breakers]

    def fail(self, index: int) -> None:
        with pytest.raises(TimeoutError):
            self.breakers[index].call(_time_out)


def _time_out() -> None:
    raise TimeoutError


@pytest.fixture
def cluster(engine: Engine) -> Iterator[Cluster]:
    clock = FakeClock()
    with closing(engine.open(clock)) as store:
        yield Cluster(clock, store)


def test_what_one_process_found_out_opens_the_breaker_of_the_other_for_what_is_left_of_the_time(
    cluster: Cluster,
) -> None:
    cluster.fail(0)
    cluster.clock.advance(10)
    assert cluster.sync(0, 1) == ["open", "open"]
    assert cluster.breakers[1].status().wait == 20.0
    [known] = cluster.shared[1].known()
    assert (known.name, known.state, known.failures) == ("odds/api", "open", 1)
    assert known.opened_at is not None
    assert (cluster.clock.now() - known.opened_at).total_seconds() == 10


def test_what_was_taken_over_is_not_reported_again_as_news(cluster: Cluster) -> None:
    cluster.fail(0)
    cluster.sync(0, 1)
    cluster.clock.advance(20)
    cluster.sync(1, 0, 1, 0)
    assert [breaker.status().wait for breaker in cluster.breakers] == [10.0, 10.0]


def test_a_probe_that_succeeds_in_one_process_closes_both(cluster: Cluster) -> None:
    cluster.fail(0)
    cluster.sync(0, 1)
    cluster.clock.advance(30)
    cluster.breakers[1].call(int)
    assert cluster.sync(1, 0) == ["closed", "closed"]


def test_an_old_opening_does_not_open_a_breaker_that_starts_later(cluster: Cluster) -> None:
    cluster.fail(0)
    cluster.sync(0)
    cluster.clock.advance(31)
    assert cluster.sync(1)[1] == "closed"


def test_opened_by_hand_in_one_process_all_stay_open_until_one_command_closes_them(cluster: Cluster) -> None:
    cluster.breakers[0].open("maintenance")
    cluster.sync(0, 1)
    cluster.clock.advance(1e6)
    assert cluster.sync(0, 1) == ["open", "open"]
    assert cluster.shared[1].known()[0].until is None
    cluster.shared[1].reset("odds/api")
    assert cluster.sync(0, 1) == ["closed", "closed"]


def test_of_an_opening_and_a_closing_the_later_one_holds(cluster: Cluster) -> None:
    cluster.fail(0)
    cluster.sync(0, 1)
    cluster.clock.advance(1)
    cluster.breakers[0].reset()
    cluster.clock.advance(1)
    cluster.breakers[1].open("still broken", seconds=30)
    assert cluster.sync(1, 0) == ["open", "open"]


def test_a_store_that_is_down_costs_only_time(cluster: Cluster) -> None:
    cluster.fail(0)
    with faults.failing("documents.before_commit", UnavailableError("down")), pytest.raises(UnavailableError):
        cluster.sync(0)
    assert cluster.sync(0, 1) == ["open", "open"]
