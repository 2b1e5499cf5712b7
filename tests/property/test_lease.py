"""Leases against a plain model: holders that stall, die and come back, and a clock that is set forward and back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nbactl.core.lease.leases import Lease, Leases
from nbactl.errors import LeaseHeldError, StaleFenceError
from nbactl.ports.documents import Set
from nbactl.testing import FakeClock, memory_documents
from tests.kit.budget import budget

if TYPE_CHECKING:
    from nbactl.ports.documents import Transaction

NAMES = st.sampled_from(["phase3/2024-01-15", "phase4"])
OWNERS = st.sampled_from(["a", "b", "c"])
TTLS = st.sampled_from([5.0, 30.0])
JUMPS = st.sampled_from([-86400.0, -31.0, -1.0, 1.0, 29.0, 31.0, 86400.0])


@dataclass
class Held:
    """What the model knows of one lease."""

    owner: str | None
    token: int
    until: datetime


class Model(RuleBasedStateMachine):
    """`handed` are all leases that were ever given out: of each name at most one may act."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.store = memory_documents(self.clock)
        self.dead: set[str] = set()
        self.leases = Leases(self.store, self.clock, is_dead=self.dead.__contains__)
        self.known: dict[str, Held] = {}
        self.handed: list[Lease] = []
        self.written: dict[str, int] = {}
        self.taken_away = 0

    def is_good(self, lease: Lease) -> bool:
        held = self.known[lease.name]
        return (held.owner, held.token) == (lease.owner, lease.token)

    @rule(name=NAMES, owner=OWNERS, ttl=TTLS)
    def acquire(self, name: str, owner: str, ttl: float) -> None:
        held = self.known.get(name)
        now = self.clock.now()
        busy = held is not None and held.owner not in (None, owner, *self.dead) and held.until > now
        try:
            lease = self.leases.acquire(name, owner, ttl)
        except LeaseHeldError as error:
            told = (error.details["holder"], error.details["expires_at"])
            assert held is not None
            assert (busy, *told) == (True, held.owner, held.until)
            return
        assert not busy
        assert lease.token > (0 if held is None else held.token), "a token only grows, whatever the clock says"
        assert lease.expires_at == now + timedelta(seconds=ttl)
        self.known[name] = Held(owner, lease.token, lease.expires_at)
        self.handed.append(lease)

    @precondition(lambda self: self.handed)
    @rule(data=st.data(), ttl=TTLS)
    def renew(self, data: st.DataObject, ttl: float) -> None:
        lease = data.draw(st.sampled_from(self.handed))
        good = self.is_good(lease)
        try:
            renewed = self.leases.renew(lease, ttl)
        except StaleFenceError:
            assert not good
            return
        assert good
        assert renewed.token == lease.token
        self.known[lease.name].until = renewed.expires_at
        self.handed.append(renewed)

    @precondition(lambda self: self.handed)
    @rule(data=st.data(), by_force=st.booleans())
    def release(self, data: st.DataObject, by_force: bool) -> None:
        lease = data.draw(st.sampled_from(self.handed))
        good = self.is_good(lease)
        try:
            if by_force:
                self.leases.take_away(lease, by="operator", reason="a test")
            else:
                self.leases.release(lease)
        except StaleFenceError:
            assert not good
            return
        assert good
        self.known[lease.name].owner = None
        self.taken_away += by_force

    @precondition(lambda self: self.handed)
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.handed))
        good = self.is_good(lease)

        def guarded(transaction: Transaction) -> None:
            self.leases.check(transaction, lease)
            transaction.write(Set(f"guarded/{lease.name.replace('/', '-')}", {"token": lease.token}))

        try:
            self.store.transaction(guarded)
        except StaleFenceError:
            assert not good
            return
        assert good
        assert lease.token >= self.written.get(lease.name, 0), "an older token wrote after a newer one"
        self.written[lease.name] = lease.token

    @rule(seconds=JUMPS)
    def clock_is_set(self, seconds: float) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    @rule(seconds=st.sampled_from([0.001, 4.0, 6.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(owner=OWNERS)
    def die_or_come_back(self, owner: str) -> None:
        self.dead.symmetric_difference_update({owner})

    @invariant()
    def the_store_says_what_the_model_knows(self) -> None:
        for name, held in self.known.items():
            expected = None if held.owner is None else Lease(name, held.owner, held.token, held.until)
            assert self.leases.current(name) == expected
            assert self.leases.is_known(name)
        live = sorted(name for name, held in self.known.items() if held.owner is not None)
        assert [lease.name for lease in self.leases.held()] == live
        assert len(self.leases.removals(1000)) == self.taken_away

    def teardown(self) -> None:
        self.store.close()


TestLeaseModel = Model.TestCase
TestLeaseModel.settings = budget(60, steps=30)
