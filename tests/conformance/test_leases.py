"""Leases, on every engine of the document port."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.core.lease.leases import Lease, Leases
from nbactl.errors import LeaseHeldError, StaleFenceError
from nbactl.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.documents import DocumentStore
    from tests.kit.engines import Engine

NAME = "phase3/2024-01-15"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def dead() -> set[str]:
    return set()


@pytest.fixture
def store(engine: Engine, clock: FakeClock) -> Iterator[DocumentStore]:
    with closing(engine.open(clock)) as opened:
        yield opened


@pytest.fixture
def leases(store: DocumentStore, clock: FakeClock, dead: set[str]) -> Leases:
    return Leases(store, clock, is_dead=dead.__contains__)


def test_inv_12_one_owner_at_a_time_and_the_refusal_names_it(leases: Leases, clock: FakeClock) -> None:
    held = leases.acquire(NAME, "first", 30.0)
    with pytest.raises(LeaseHeldError) as refused:
        leases.acquire(NAME, "second", 30.0)
    assert refused.value.details == {"holder": "first", "expires_at": clock.now() + timedelta(seconds=30)}
    assert leases.current(NAME) == held


def test_inv_12_an_expired_lease_is_taken_over_with_a_greater_token(leases: Leases, clock: FakeClock) -> None:
    first = leases.acquire(NAME, "first", 30.0)
    clock.advance(29.999)
    with pytest.raises(LeaseHeldError):
        leases.acquire(NAME, "second", 30.0)
    clock.advance(0.001)
    assert leases.acquire(NAME, "second", 30.0).token > first.token


def test_inv_12_a_dead_owners_lease_is_taken_over_at_once(leases: Leases, dead: set[str]) -> None:
    first = leases.acquire(NAME, "first", 30.0)
    dead.add("first")
    assert leases.acquire(NAME, "second", 30.0).token > first.token


def test_inv_12_a_holder_that_was_overtaken_can_neither_renew_nor_release(leases: Leases, clock: FakeClock) -> None:
    first = leases.acquire(NAME, "first", 30.0)
    clock.advance(30)
    second = leases.acquire(NAME, "second", 30.0)
    for use in (lambda: leases.renew(first, 30.0), lambda: leases.release(first)):
        with pytest.raises(StaleFenceError) as stale:
            use()
        assert stale.value.details["holder"] == "second"
    assert leases.current(NAME) == second


def test_inv_12_the_owners_own_older_token_is_stale_too(leases: Leases) -> None:
    first = leases.acquire(NAME, "same", 30.0)
    second = leases.acquire(NAME, "same", 30.0)
    with pytest.raises(StaleFenceError):
        leases.renew(first, 30.0)
    assert leases.renew(second, 30.0).token == second.token > first.token


def test_inv_12_the_token_grows_through_release_and_a_clock_that_goes_back(leases: Leases, clock: FakeClock) -> None:
    tokens = []
    for _ in range(5):
        lease = leases.acquire(NAME, "owner", 30.0)
        tokens.append(lease.token)
        leases.release(lease)
        clock.set(clock.now() - timedelta(days=1))
    assert tokens == sorted(set(tokens))


def test_tokens_of_different_leases_compare_by_time(leases: Leases, clock: FakeClock) -> None:
    early = leases.acquire("phase3/2024-01-15", "run-1", 30.0)
    clock.advance(1)
    assert leases.acquire("player_game_summary/2024-01-15", "run-2", 30.0).token > early.token


def test_renewing_moves_the_expiry_and_keeps_others_out(leases: Leases, clock: FakeClock) -> None:
    lease = leases.acquire(NAME, "first", 30.0)
    for _ in range(10):
        clock.advance(20)
        lease = leases.renew(lease, 30.0)
        assert lease.expires_at == clock.now() + timedelta(seconds=30)
        with pytest.raises(LeaseHeldError):
            leases.acquire(NAME, "second", 30.0)


def test_a_released_lease_has_no_holder_and_cannot_be_renewed(leases: Leases) -> None:
    lease = leases.acquire(NAME, "first", 30.0)
    leases.release(lease)
    assert leases.current(NAME) is None
    with pytest.raises(StaleFenceError):
        leases.renew(lease, 30.0)
    with pytest.raises(StaleFenceError):
        leases.release(lease)
    assert leases.acquire(NAME, "second", 30.0).owner == "second"


def test_names_that_differ_are_different_leases(leases: Leases) -> None:
    for name in ("a/b", "a%2Fb", "a%252Fb", "a"):
        assert leases.acquire(name, f"owner of {name}", 30.0).name == name
    assert leases.current("never taken") is None


def test_all_that_is_held_is_listed_under_its_name(leases: Leases, clock: FakeClock) -> None:
    assert leases.held() == []
    names = ["%252F", "%2F", "a", "a%/b", "a/b"]
    taken = [leases.acquire(name, "owner", 30.0) for name in names]
    leases.release(leases.acquire("released", "owner", 30.0))
    clock.advance(60)
    assert leases.held() == taken


def test_inv_12_of_many_that_want_it_at_the_same_moment_one_gets_it(leases: Leases) -> None:
    got: list[Lease] = []
    refused: list[LeaseHeldError] = []

    def want(owner: str) -> None:
        try:
            got.append(leases.acquire(NAME, owner, 30.0))
        except LeaseHeldError as error:
            refused.append(error)

    threads = [threading.Thread(target=want, args=(f"owner-{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [leases.current(NAME)]
    assert {error.details["holder"] for error in refused} == {got[0].owner}
    assert len(refused) == 7


def test_inv_12_an_expired_lease_of_a_process_that_is_seen_to_run_is_not_taken_over(
    store: DocumentStore, clock: FakeClock, dead: set[str]
) -> None:
    running = {"first"}
    leases = Leases(store, clock, is_dead=dead.__contains__, is_running=running.__contains__)
    first = leases.acquire(NAME, "first", 30.0)
    clock.advance(3600)
    assert leases.is_alive(first)
    with pytest.raises(LeaseHeldError) as refused:
        leases.acquire(NAME, "second", 30.0)
    assert "still running on this machine" in str(refused.value.cause)
    assert leases.renew(first, 30.0).token == first.token
    clock.advance(3600)
    running.clear()
    assert leases.acquire(NAME, "second", 30.0).token > first.token
