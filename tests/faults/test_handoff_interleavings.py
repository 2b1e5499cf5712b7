"""Hand-offs in many orders of their steps, with kills, lost answers and a clock that jumps between them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import NbactlError
from nbactl.testing import SequentialIds, memory_documents
from nbactl.testing.interleaving import FaultRates, explore
from tests.kit.budget import share
from tests.kit.handoffs import DATE, PHASE3_TOPIC, Night
from tests.kit.production import DAY, PHASE2
from tests.kit.stored_bus import StoredBus

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.documents import DocumentStore
    from nbactl.testing.interleaving import Interleaving

CRITICAL = PHASE2[:3]
LOSSES = FaultRates(kill=0.02, lose_answer=0.05, refuse=0.03)
EVERYTHING = FaultRates(kill=0.03, lose_answer=0.05, refuse=0.02, jump=0.1, jumps=(200.0, 700.0, -300.0))


def hand_offs(order: Interleaving) -> Callable[[], None]:
    """Three recorders report the same and two sweepers sweep; then every message comes once more, without faults."""
    inner = memory_documents(order.clock)
    store, ids = order.store(inner), SequentialIds()

    def night(on: DocumentStore) -> Night:
        return Night(on, clock=order.clock, day=DATE, bus=StoredBus(on, order.clock, ids))

    def record(number: int) -> None:
        for name in (*CRITICAL[number:], *CRITICAL[:number]):
            with suppress(NbactlError):
                night(store).report("phase2", name)

    def sweep() -> None:
        for _ in range(2):
            with suppress(NbactlError):
                night(store).outbox.sweep()
            with suppress(NbactlError):
                night(store).recorder.sweep()

    for number in range(3):
        order.program(f"recorder-{number}", lambda number=number: record(number))  # type: ignore[misc]
    for number in range(2):
        order.program(f"sweeper-{number}", sweep)

    def check() -> None:
        last = night(inner)
        last.report("phase2", *CRITICAL)
        last.began.add("phase3")
        for _ in range(3):
            order.clock.advance(5000.0)
            last.outbox.sweep()
            last.recorder.sweep()
        document = last.document("phase2")
        record = document.hand_off
        assert record is not None
        assert document.triggered
        assert record.confirmed_at is not None
        assert not document.unsent, "an alert was forgotten"
        first = f"phase3/{DAY}/1"
        assert set(last.keys(PHASE3_TOPIC)) == {
            first, *(f"{first}/again/{number + 1}" for number in range(record.again)),
        }  # fmt: skip
        inner.close()

    return check


@pytest.mark.parametrize(
    ("rates", "seed", "schedules"),
    [(FaultRates(), 0, share(100)), (LOSSES, 10_000, share(200)), (EVERYTHING, 20_000, share(300))],
    ids=["calm", "losses", "everything"],
)
def test_inv_07_inv_08_inv_26_one_decision_whichever_process_is_killed(
    rates: FaultRates, seed: int, schedules: int
) -> None:
    found = explore(hand_offs, schedules=schedules, seed=seed, rates=rates)
    assert found.distinct > schedules / 2
