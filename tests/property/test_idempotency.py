"""Idempotency against a model: processes that claim, finish, stall, die and come back, in any order."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nbactl.core.once.claim import Claim, ClaimSettings, Done
from nbactl.core.once.idempotency import Idempotency
from nbactl.errors import InProgressError, PayloadMismatchError, StaleFenceError
from nbactl.ports.documents import Create, Increment, Update
from nbactl.testing import FakeClock, SequentialIds, memory_documents
from tests.kit.budget import budget

LEASE, KEEP = 10.0, 100.0
OWNERS = st.sampled_from(["a", "b", "c"])


class Model(RuleBasedStateMachine):
    """One key. `alive` is the claim that may finish; all that were taken over or released before must be refused."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.store = memory_documents(self.clock)
        self.store.commit([Create("effects/one", {"n": 0})])
        self.dead: set[str] = set()
        self.ids = SequentialIds()
        self.claims: list[tuple[str, Claim]] = []
        self.ended: list[Claim] = []
        self.alive: Claim | None = None
        self.until = self.kept_until = -1.0
        self.payload: bytes | None = None
        self.result: str | None = None
        self.effects = 0

    def keeper(self, owner: str) -> Idempotency:
        # Renewals by hand only: their thread would be a second source of time.
        terms = ClaimSettings(lease=LEASE, renew_every=1e6, keep=KEEP)
        return Idempotency(
            self.store, self.clock, self.ids, owner=lambda: owner, terms=terms,
            is_dead=lambda o: o.split("/")[0] in self.dead,
        )  # fmt: skip

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    @property
    def is_known(self) -> bool:
        return (self.alive is not None or self.result is not None) and self.now < self.kept_until

    @rule(owner=OWNERS, payload=st.sampled_from([b"x", b"y"]))
    def deliver(self, owner: str, payload: bytes) -> None:
        self.dead.discard(owner)
        keeper = self.keeper(owner)
        held = next((who for who, claim in self.claims if claim is self.alive), None)
        try:
            begun = keeper.begin("key", payload)
        except PayloadMismatchError:
            assert self.is_known
            assert payload != self.payload
            return
        except InProgressError:
            assert self.is_known
            assert self.alive is not None
            assert self.now < self.until
            assert held not in self.dead
            return
        finally:
            keeper.close()
        if isinstance(begun, Done):
            assert self.is_known
            assert begun.result == self.result
            return
        assert not self.is_known or (
            self.alive is not None and payload == self.payload and (self.now >= self.until or held in self.dead)
        )
        self.claims.append((owner, begun))
        self.alive, self.payload, self.result = begun, payload, None
        self.until, self.kept_until = self.now + LEASE, self.now + KEEP

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        owner, claim = data.draw(st.sampled_from(self.claims))
        keeper = self.keeper(owner)
        result = f"by {claim.owner}"
        try:
            keeper.complete(claim, result, (Update("effects/one", {"n": Increment(1)}),))
        except StaleFenceError:
            assert claim is not self.alive
            return
        if claim is self.alive:
            self.effects += 1
            self.alive, self.result, self.kept_until = None, result, self.now + KEEP
            self.ended.append(claim)
        else:
            assert claim in self.ended, "only who finished may be told so again"

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), renew=st.booleans())
    def renew_or_release(self, data: st.DataObject, renew: bool) -> None:
        owner, claim = data.draw(st.sampled_from(self.claims))
        keeper = self.keeper(owner)
        try:
            (keeper.renew if renew else keeper.release)(claim)
        except StaleFenceError:
            assert claim is not self.alive
            return
        if claim is not self.alive:
            assert claim in self.ended
        elif renew:
            self.until = self.now + LEASE
        else:
            self.alive = None

    @rule(owner=OWNERS)
    def die(self, owner: str) -> None:
        self.dead.add(owner)

    @rule(seconds=st.sampled_from([1.0, 9.0, 11.0, 99.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def every_effect_belongs_to_one_end(self) -> None:
        effect = self.store.get("effects/one")
        assert effect is not None
        assert effect.data["n"] == self.effects

    def teardown(self) -> None:
        self.store.close()


TestIdempotencyModel = Model.TestCase
TestIdempotencyModel.settings = budget(40, steps=25)
