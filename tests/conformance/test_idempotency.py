"""What idempotency must do on every engine.

Each test works on keys of its own, so that an engine may keep its data from test to test.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.once.claim import Claim, ClaimSettings, Done, current_claim
from nbactl.core.once.idempotency import Idempotency
from nbactl.errors import (
    AlreadyExistsError,
    DataError,
    InProgressError,
    PayloadMismatchError,
    StaleFenceError,
    TimedOutError,
    UnavailableError,
)
from nbactl.ports.documents import Create, Delete, Increment, Set, Update
from nbactl.testing import FakeClock, SequentialIds, faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.core.observe.events import Event
    from nbactl.ports.documents import DocumentStore

WEEK = 7 * 86400.0


class Lab:
    """Keepers of several processes on one store and one clock, and a key of its own."""

    def __init__(self, store: DocumentStore) -> None:
        self.store = store
        self.clock = FakeClock()
        self.key = f"batch/{uuid.uuid4().hex}"
        self.events: list[Event] = []
        self.dead: set[str] = set()
        self.keepers: list[Idempotency] = []
        self.keeper = self.process("first")

    def process(self, owner: str, enabled: Callable[[str], bool] = lambda _: True) -> Idempotency:
        keeper = Idempotency(
            self.store,
            self.clock,
            SequentialIds(),
            owner=lambda: owner,
            terms=ClaimSettings(lease=30.0, renew_every=10.0, keep=WEEK),
            is_dead=lambda text: text.split("/")[0] in self.dead,
            enabled=enabled,
            hook=self.events.append,
        )
        self.keepers.append(keeper)
        return keeper

    def record(self) -> dict[str, Any] | None:
        document = self.store.get(f"message_dedup/{self.key.replace('/', '%2F')}")
        return None if document is None else document.data

    def kinds(self) -> list[str]:
        return [event.kind.removeprefix("idempotency.") for event in self.events]

    def effect(self) -> str:
        return f"effects-{self.key.replace('/', '-')}/one"


class TestIdempotency:
    @pytest.fixture
    def lab(self, store: DocumentStore) -> Iterator[Lab]:
        lab = Lab(store)
        yield lab
        for keeper in lab.keepers:
            keeper.close()

    def test_work_that_ran_out_of_time_gives_its_claim_back(self, lab: Lab) -> None:
        def work() -> None:
            lab.clock.advance(2.0)
            raise TimedOutError("late")

        with pytest.raises(TimedOutError) as late, deadline_scope(1.0, lab.clock):
            lab.keeper.run(lab.key, work)
        assert not hasattr(late.value, "__notes__")
        assert lab.record() is None, "the next delivery need not wait for the lease to run out"

    def test_inv_05_a_second_delivery_gets_the_first_result_without_work(self, lab: Lab) -> None:
        calls: list[int] = []

        def work() -> dict[str, Any]:
            calls.append(1)
            return {"predictions": [1.5, None, "x"]}

        results = [process.run(lab.key, work) for process in (lab.keeper, lab.keeper, lab.process("second"))]
        assert results == [{"predictions": [1.5, None, "x"]}] * 3
        assert (len(calls), lab.kinds()) == (1, ["claimed", "completed", "replayed", "replayed"])

    def test_a_key_that_is_not_enabled_is_worked_at_each_delivery_and_leaves_no_trace_of_a_claim(
        self, lab: Lab
    ) -> None:
        keeper, path = lab.process("before", enabled=lambda key: key != lab.key), lab.effect()
        keeper.run(lab.key, lambda: current_claim().write(Set(path, {"count": 0})))
        for _ in range(3):
            keeper.run(lab.key, lambda: current_claim().write(Update(path, {"count": Increment(1)})))
        begun = keeper.begin(lab.key)
        assert isinstance(begun, Claim)
        keeper.renew(begun)
        keeper.release(begun)

        def fail() -> None:
            current_claim().write(Delete(path))
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            keeper.run(lab.key, fail)
        document = lab.store.get(path)
        assert document is not None
        assert document.data == {"count": 3}, "each delivery's writes are committed at its end, those of a failure not"
        assert (lab.record(), lab.kinds()) == (None, [])
        other = f"{lab.key}-other"
        assert [keeper.run(other, lambda: "once"), keeper.run(other, lambda: "twice")] == ["once", "once"]

    def test_inv_05_work_that_failed_is_done_by_the_next_delivery(self, lab: Lab) -> None:
        with pytest.raises(ZeroDivisionError):
            lab.keeper.run(lab.key, lambda: 1 // 0)
        assert lab.record() is None
        assert lab.process("second").run(lab.key, lambda: "done") == "done"

    def test_inv_05_while_a_claim_is_alive_nobody_else_gets_it(self, lab: Lab) -> None:
        lab.keeper.begin(lab.key)
        lab.clock.advance(29)
        with pytest.raises(InProgressError, match="is being worked on by first") as raised:
            lab.process("second").begin(lab.key)
        assert raised.value.retryable

    @pytest.mark.parametrize("how", ["its lease ran out", "its process died"])
    def test_inv_05_a_claim_whose_owner_crashed_is_taken_over_and_the_old_owner_can_write_nothing(
        self, lab: Lab, how: str
    ) -> None:
        old = lab.keeper.begin(lab.key)
        assert isinstance(old, Claim)
        if how == "its process died":
            lab.dead.add("first")
        else:
            lab.clock.advance(31)
        new = lab.process("second").begin(lab.key)
        assert isinstance(new, Claim)
        with pytest.raises(StaleFenceError, match="was lost"):
            lab.keeper.complete(old, "late", (Create(lab.effect(), {}),))
        assert lab.store.get(lab.effect()) is None
        with pytest.raises(StaleFenceError):
            lab.keeper.release(old)
        with pytest.raises(StaleFenceError):
            lab.keeper.renew(old)
        assert old.lost
        lab.process("second").complete(new, "in time", (Create(lab.effect(), {}),))
        assert lab.keeper.begin(lab.key) == Done(lab.key, "in time")

    def test_who_is_late_but_was_not_overtaken_may_finish(self, lab: Lab) -> None:
        claim = lab.keeper.begin(lab.key)
        assert isinstance(claim, Claim)
        lab.clock.advance(1000)
        lab.keeper.complete(claim, "late")
        assert lab.keeper.run(lab.key, lambda: "again") == "late"

    def test_inv_06_the_effect_and_the_end_are_one_commit(self, lab: Lab) -> None:
        def work() -> None:
            current_claim().write(Create(lab.effect(), {"n": 1}))
            assert lab.store.get(lab.effect()) is None

        with faults.failing("idempotency.worked", UnavailableError("down")), pytest.raises(UnavailableError):
            lab.keeper.run(lab.key, work)
        assert (lab.store.get(lab.effect()), lab.record()) == (None, None)
        lab.keeper.run(lab.key, work)
        effect, record = lab.store.get(lab.effect()), lab.record()
        assert effect is not None
        assert record is not None
        assert record["state"] == "done"

    def test_inv_06_an_effect_that_cannot_be_written_leaves_the_work_undone(self, lab: Lab) -> None:
        lab.store.commit([Create(lab.effect(), {})])
        with pytest.raises(AlreadyExistsError):
            lab.keeper.run(lab.key, lambda: current_claim().write(Create(lab.effect(), {})))
        assert lab.record() is None

    def test_inv_06_a_result_that_cannot_be_stored_leaves_the_work_undone(self, lab: Lab) -> None:
        with pytest.raises(DataError):
            lab.keeper.run(lab.key, object)
        assert lab.record() is None

    def test_another_payload_under_the_same_key_is_refused_and_reported(self, lab: Lab) -> None:
        with pytest.raises(ZeroDivisionError):
            lab.keeper.run(lab.key, lambda: 1 // 0, payload=b"first try")
        lab.keeper.run(lab.key, lambda: "one", payload=b"one")
        assert lab.keeper.run(lab.key, lambda: "again", payload=b"one") == "one"
        with pytest.raises(PayloadMismatchError) as raised:
            lab.keeper.run(lab.key, lambda: "two", payload=b"two")
        assert not raised.value.retryable
        assert lab.kinds()[-1] == "payload_mismatch"

    def test_what_was_done_is_forgotten_after_its_time_even_if_nobody_deleted_it(self, lab: Lab) -> None:
        lab.keeper.run(lab.key, lambda: 1, payload=b"one")
        lab.clock.advance(WEEK - 1)
        assert lab.keeper.run(lab.key, lambda: 2, payload=b"one") == 1
        lab.clock.advance(1)
        record = lab.record()
        assert record is not None
        assert record["expires_at"] <= lab.clock.now()
        assert lab.keeper.run(lab.key, lambda: 2, payload=b"two") == 2
        assert lab.keeper.run(lab.key, lambda: 3, payload=b"two") == 2

    def test_long_work_is_kept_alive(self, lab: Lab) -> None:
        claim = lab.keeper.begin(lab.key)
        assert isinstance(claim, Claim)
        for _ in range(10):
            lab.clock.advance(10)
            lab.keeper.renew_due()
            with pytest.raises(InProgressError):
                lab.process("second").begin(lab.key)
        lab.keeper.complete(claim)
        lab.clock.advance(1000)
        lab.keeper.renew_due()
        assert lab.process("second").begin(lab.key) == Done(lab.key, None)

    def test_a_beat_that_finds_the_claim_lost_says_so_to_the_work(self, lab: Lab) -> None:
        claim = lab.keeper.begin(lab.key)
        assert isinstance(claim, Claim)
        lab.clock.advance(31)
        lab.process("second").begin(lab.key)
        assert not claim.lost
        lab.keeper.renew_due()
        assert claim.lost

    def test_a_beat_while_the_store_is_down_is_made_up_for_by_the_next(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        claim = lab.keeper.begin(lab.key)
        assert isinstance(claim, Claim)
        lab.clock.advance(10)
        with monkeypatch.context() as patch:
            patch.setattr(lab.store, "commit", _down)
            lab.keeper.renew_due()
        lab.keeper.renew_due()
        lab.clock.advance(29)
        with pytest.raises(InProgressError):
            lab.process("second").begin(lab.key)

    @pytest.mark.parametrize("step", ["complete", "renew", "release"])
    def test_a_step_whose_answer_was_lost_can_be_taken_again(
        self, lab: Lab, step: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        claim = lab.keeper.begin(lab.key)
        assert isinstance(claim, Claim)
        take = getattr(lab.keeper, step)
        with monkeypatch.context() as patch:
            patch.setattr(lab.store, "commit", _losing_the_answer(lab.store.commit))
            with pytest.raises(UnavailableError):
                take(claim)
        if step == "release":
            with pytest.raises(StaleFenceError):
                take(claim)
            assert lab.record() is None
            return
        take(claim)
        lab.keeper.complete(claim)
        assert lab.keeper.begin(lab.key) == Done(lab.key, None)

    def test_a_decorated_function_works_once_per_key_of_its_arguments(self, lab: Lab) -> None:
        calls: list[str] = []

        def key(player: str, *, stat: str) -> str:  # noqa: ARG001 - the arguments of what it decorates
            return f"{lab.key}/{player}"

        def payload(player: str, *, stat: str) -> bytes:  # noqa: ARG001 - as above
            return stat.encode()

        @lab.keeper.once(key, payload)
        def predict(player: str, *, stat: str) -> str:
            """Predict."""
            calls.append(player)
            return f"{player} {stat}"

        assert [predict("a", stat="points"), predict("a", stat="points"), predict("b", stat="points")] == [
            "a points",
            "a points",
            "b points",
        ]
        assert (calls, predict.__doc__) == (["a", "b"], "Predict.")
        with pytest.raises(PayloadMismatchError):
            predict("a", stat="rebounds")


def _down(*_: object) -> None:
    raise UnavailableError("down")


def _losing_the_answer(commit: Callable[..., Any]) -> Callable[..., None]:
    def lose(writes: Any) -> None:
        commit(writes)
        raise UnavailableError("the answer was lost")

    return lose
