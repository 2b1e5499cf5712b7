from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core.once.claim import Claim, ClaimSettings, Done, current_claim
from nbactl.core.once.idempotency import Idempotency
from nbactl.errors import InProgressError
from nbactl.ports.documents import Create
from nbactl.testing import FakeClock, SequentialIds, faults, memory_documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.core._support.clock import Clock


def keeper(clock: Clock, *, renew_every: float = 10.0) -> Idempotency:
    terms = ClaimSettings(lease=3 * renew_every, renew_every=renew_every, keep=3600.0)
    store = memory_documents(clock)
    return Idempotency(store, clock, SequentialIds(), owner=lambda: "me", terms=terms, is_dead=lambda _: False)


@pytest.fixture
def once() -> Iterator[Idempotency]:
    built = keeper(FakeClock())
    yield built
    built.close()


def test_inv_05_coroutines_share_a_key_and_one_of_them_works(once: Idempotency) -> None:
    began = 0

    @once.once(key=lambda player: player)
    async def predict(player: str) -> str:
        nonlocal began
        began += 1
        current_claim().write(Create(f"effects/{player}", {}))
        await asyncio.sleep(0.01)
        return f"done {player}"

    async def scenario() -> list[object]:
        first = await asyncio.gather(*(predict("a") for _ in range(8)), return_exceptions=True)
        return [*first, await predict("a")]

    ends = asyncio.run(scenario())
    assert began == 1
    assert ends.count("done a") == 2
    assert sum(isinstance(end, InProgressError) for end in ends) == 7


def test_inv_05_a_coroutine_that_is_cancelled_gives_its_claim_back(once: Idempotency) -> None:
    async def scenario() -> None:
        task = asyncio.create_task(once.run_async("a", asyncio.Event().wait))
        while not task.done():
            await asyncio.sleep(0.005)
            try:
                await asyncio.to_thread(once.begin, "a")
            except InProgressError:
                break
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert isinstance(once.begin("a"), Claim)


def test_inv_05_a_coroutine_that_is_cancelled_while_it_asks_for_the_claim_gives_it_back(once: Idempotency) -> None:
    asking, go_on = threading.Event(), threading.Event()

    def hold_up() -> None:
        asking.set()
        go_on.wait(5)

    async def scenario() -> None:
        task = asyncio.create_task(once.run_async("a", asyncio.Event().wait))
        await asyncio.to_thread(asking.wait, 5)
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    with faults.calling("documents.before_commit", hold_up):
        asyncio.run(scenario())
    assert isinstance(once.begin("a"), Claim)


def test_a_claim_is_kept_alive_by_a_thread_of_its_own_while_the_work_blocks() -> None:
    once = keeper(SystemClock(), renew_every=0.02)
    renewed = threading.Event()

    def work() -> str:
        version = current_claim().version
        while current_claim().version == version:
            renewed.wait(0.005)
        return "done"

    assert once.run("a", work) == "done"
    once.close()
    assert once.begin("a") == Done("a", "done")


def test_outside_of_idempotent_work_there_is_no_claim() -> None:
    with pytest.raises(RuntimeError, match="inside idempotent work"):
        current_claim()
