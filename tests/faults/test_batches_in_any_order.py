"""A prediction batch in many orders of its steps: starts, requests, ready messages and sweeps at once, with faults.

Messages are delivered several times and in any order; in the end those again that were never acknowledged. Then each
player is done once, the table has all rows, and phase 5 was announced once.
"""

from __future__ import annotations

import json
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.errors import NbactlError
from nbactl.testing import memory_documents
from nbactl.testing.interleaving import FaultRates, explore
from tests.kit.budget import share
from tests.kit.prediction_night import BATCH, DONE, READY, REQUESTS, TRIGGER, Night, player_inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.ports.documents import DocumentStore
    from nbactl.testing.interleaving import Interleaving
    from tests.kit.stored_bus import Published

ROSTER = {
    "ada": player_inputs("ada"),
    "bob": player_inputs("bob"),
    "cyd": player_inputs("cyd", games=200),  # by reference
    "rookie": player_inputs("rookie", games=0),
}
JUMPS = (1.0, 61.0, 601.0, 1_801.0, -5.0)


def a_night(order: Interleaving) -> Callable[[], None]:  # noqa: C901 - one scenario, read from top to bottom
    inner = memory_documents(order.clock)
    rng = random.Random(order.seed)

    def process(name: str, store: DocumentStore) -> Night:
        return Night(store, order.clock, ROSTER, owner=name, is_dead=order.killed.__contains__)

    acknowledged: set[str] = set()

    def start(night: Night) -> None:
        night.coordinator.start(TRIGGER)
        acknowledged.add("trigger")

    def deliver(handle: Callable[[dict[str, Any]], None], messages: list[Published]) -> None:
        for message in rng.sample(messages, len(messages)):
            with suppress(NbactlError):
                handle(json.loads(message.data))
                acknowledged.add(message.message_id)

    def work(night: Night) -> None:
        deliver(night.worker.work, list(night.stored.messages(REQUESTS)))

    def hear(night: Night) -> None:
        deliver(night.coordinator.ready, list(night.stored.messages(READY)))

    def sweep(night: Night) -> None:
        night.coordinator.sweep()

    def live(name: str, *acts: Callable[[Night], None]) -> None:
        night = process(name, order.store(inner))
        for act in acts:
            with suppress(NbactlError):
                act(night)

    live_as = {
        "starter": (start, sweep),
        "starter again": (start, work),
        "worker": (work, work),
        "worker again": (work, hear, work),
        "coordinator": (hear, hear, sweep),
        "clock": (sweep, sweep, hear, sweep),
    }
    for name, acts in live_as.items():
        order.program(name, lambda name=name, acts=acts: live(name, *acts))  # type: ignore[misc]

    def check() -> None:
        order.clock.advance(61.0)
        last = process("last", inner)
        if "trigger" not in acknowledged:
            start(last)
        for topic, handle in ((REQUESTS, last.worker.work), (READY, last.coordinator.ready)):
            for message in last.stored.messages(topic):
                if message.message_id not in acknowledged:
                    handle(json.loads(message.data))
        for _ in range(8):
            order.clock.advance(601.0)
            last.coordinator.sweep()
        last.outbox.sweep()
        batch = last.batch()
        assert "_next_check_at" not in batch
        assert batch["consolidated_at"] is not None
        assert len(last.merged()) == 9, "a row is missing in the table"
        progress = last.tracker.progress(BATCH)
        assert (progress.completed, progress.failed, progress.predictions) == (3, ("rookie",), 9)
        said = {(each.attributes["outbox_key"], each.data) for each in last.stored.messages(DONE)}
        assert len(said) == 1, f"the end was announced as {said}"
        inner.close()

    return check


CALM = FaultRates()
LOSSES = FaultRates(kill=0.01, lose_answer=0.03, refuse=0.02)
EVERYTHING = FaultRates(kill=0.01, lose_answer=0.03, refuse=0.02, jump=0.05, jumps=JUMPS)
LATE = FaultRates(kill=0.01, jump=0.1, jumps=(1_801.0, 61.0))
"""Time flies: batches are closed, and players come after it."""


@pytest.mark.parametrize(
    ("rates", "seed", "schedules"),
    [(CALM, 0, share(40)), (LOSSES, 10_000, share(100)), (EVERYTHING, 20_000, share(100)), (LATE, 30_000, share(100))],
    ids=["calm", "losses", "everything", "late"],
)
def test_inv_08_a_batch_ends_once_with_every_player_whatever_the_order(
    rates: FaultRates, seed: int, schedules: int
) -> None:
    found = explore(a_night, schedules=schedules, seed=seed, rates=rates)
    assert found.distinct > schedules / 2
