from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, cast

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
    from nbactl.ports.documents import DocumentStore


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


def test_a_new_key_needs_one_thread_for_all_that_come_together_and_two_commits(once: Idempotency) -> None:
    threads: set[int] = set()

    async def scenario() -> None:
        await asyncio.gather(*(once.run_async(f"key {number}", _nothing) for number in range(50)))

    with (
        faults.calling("documents.before_commit", lambda: threads.add(threading.get_ident())),
        faults.counting("documents.after_commit") as commits,
    ):
        asyncio.run(scenario())
    assert commits() == 2
    assert len(threads) <= 2
    assert once.begin("key 49") == Done("key 49", None)


async def _nothing() -> None:
    return None


def test_inv_05_a_cancelled_coroutine_leaves_the_claim_of_another_alone() -> None:
    asking, go_on = threading.Event(), threading.Event()
    store = memory_documents(clock := FakeClock())
    terms = ClaimSettings(lease=30.0, renew_every=10.0, keep=3600.0)
    once = Idempotency(store, clock, SequentialIds(), owner=lambda: "me", terms=terms, is_dead=lambda _: False)
    once.begin("a")

    def hold_up() -> None:
        asking.set()
        go_on.wait(5)

    async def scenario() -> None:
        # The commit of another key holds the transaction up in which the refusal is found.
        other = asyncio.create_task(once.begin_async("b"))
        task = asyncio.create_task(once.run_async("a", asyncio.Event().wait))
        await asyncio.to_thread(asking.wait, 5)
        task.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await other

    with faults.calling("documents.before_commit", hold_up):
        asyncio.run(scenario())
    once.close()
    assert sorted(store.list_ids("message_dedup")) == ["a", "b"]
    with pytest.raises(InProgressError):
        once.begin("a")


def test_a_claim_that_was_renewed_or_is_being_renewed_is_completed(once: Idempotency) -> None:
    async def scenario() -> None:
        renewed = await once.begin_async("renewed")
        assert isinstance(renewed, Claim)
        version = renewed.version
        once.renew(renewed)
        renewed.version = version  # as if the answer had been lost
        await once.complete_async(renewed, 1)
        busy = await once.begin_async("busy")
        assert isinstance(busy, Claim)
        with busy.lock:
            end = asyncio.ensure_future(once.complete_async(busy, 2))
            await asyncio.sleep(0)
            assert not end.done()
        await end

    asyncio.run(scenario())
    assert (once.begin("renewed"), once.begin("busy")) == (Done("renewed", 1), Done("busy", 2))


def test_without_claims_the_writes_are_committed_in_one_shared_commit_and_nothing_else_is() -> None:
    store = memory_documents(clock := FakeClock())
    terms = ClaimSettings(lease=30.0, renew_every=10.0, keep=3600.0)
    once = Idempotency(store, clock, SequentialIds(), owner=lambda: "me", terms=terms, enabled=lambda _: False)

    @once.once(key=lambda number: f"key {number}")
    async def work(number: int) -> None:
        if number:
            current_claim().write(Create(f"effects/{number}", {}))

    async def scenario() -> None:
        await asyncio.gather(*map(work, range(5)))

    with faults.counting("documents.after_commit") as commits:
        asyncio.run(scenario())
    assert commits() == 1
    assert list(store.list_ids("effects")) == ["1", "2", "3", "4"]
    assert store.list_collections() == ["effects"]


class InThreads:
    """A store whose commits cannot be awaited, as Firestore's."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        if name == "commit_soon":
            raise AttributeError(name)
        return getattr(self._store, name)


def test_a_store_whose_commits_cannot_be_awaited_is_asked_in_threads() -> None:
    clock = FakeClock()
    store = cast("DocumentStore", InThreads(memory_documents(clock)))
    terms = ClaimSettings(lease=30.0, renew_every=10.0, keep=3600.0)
    once = Idempotency(store, clock, SequentialIds(), owner=lambda: "me", terms=terms, is_dead=lambda _: False)

    async def work() -> str:
        current_claim().write(Create("effects/a", {}))
        return "done"

    async def scenario() -> list[str]:
        return [await once.run_async("a", work), await once.run_async("a", work)]

    threads: set[int] = set()
    with faults.calling("documents.before_commit", lambda: threads.add(threading.get_ident())):
        assert asyncio.run(scenario()) == ["done", "done"]
    once.close()
    assert threads.isdisjoint({threading.get_ident()})
    assert list(store.list_ids("effects")) == ["a"]
