"""Leases, idempotency and the outbox on Firestore, behind a network that loses, delays and breaks."""

from __future__ import annotations

import contextlib
import threading
import uuid
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.calls.retry import NO_RETRY, RetryPolicy
from nbactl.core.lease.leases import Leases
from nbactl.core.once.claim import ClaimSettings, current_claim
from nbactl.core.once.idempotency import Idempotency
from nbactl.core.outbox.outbox import Outbox
from nbactl.errors import LeaseHeldError, NbactlError, StaleFenceError, UnavailableError
from nbactl.ports.documents import Create, Increment, Update
from nbactl.testing import emulator_documents
from nbactl.testing.proxy import FaultProxy
from tests.kit.stored_bus import StoredBus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.adapters.firestore.documents import FirestoreDocuments
    from nbactl.ports.documents import DocumentStore

CLOCK = SystemClock()
SOON = RetryPolicy("firestore", attempts=4, base=0.01, cap=0.05)
FAULTS = ["lose_request", "drop_answer"]
REQUESTS = range(1, 6)
"""Which request from the begin of the work is hit."""


@pytest.fixture
def proxy(firestore_address: str) -> Iterator[FaultProxy]:
    with FaultProxy(firestore_address) as proxy:
        yield proxy


@pytest.fixture
def project() -> str:
    return f"test-{uuid.uuid4().hex[:20]}"


@pytest.fixture
def direct(firestore_address: str, project: str) -> Iterator[FirestoreDocuments]:
    """The same documents without the network between."""
    store = emulator_documents(firestore_address, project)
    yield store
    store.close()


@pytest.fixture
def through(proxy: FaultProxy, project: str) -> Iterator[Callable[..., FirestoreDocuments]]:
    with contextlib.ExitStack() as opened:

        def open_store(retry: RetryPolicy = SOON, call: float = 5.0) -> FirestoreDocuments:
            store = emulator_documents(proxy.address, project, retry=retry, call=call)
            opened.callback(store.close)
            store.get("warm/up")
            return store

        yield open_store


def keeper(store: DocumentStore, owner: str, lease: float = 30.0) -> Idempotency:
    terms = ClaimSettings(lease=lease, renew_every=lease / 3, keep=3600.0)
    return Idempotency(store, CLOCK, TimeSortedIds(CLOCK), owner=lambda: owner, terms=terms, is_dead=lambda _: False)


def effect(store: DocumentStore) -> int:
    document = store.get("effects/one")
    assert document is not None
    count: int = document.data["n"]
    return count


def work() -> str:
    current_claim().write(Update("effects/one", {"n": Increment(1)}))
    return "done"


@pytest.mark.parametrize("retry", [SOON, NO_RETRY], ids=["retried", "not-retried"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", REQUESTS)
def test_inv_05_a_message_is_done_once_whichever_request_is_hit(  # noqa: PLR0917 - what pytest gives by name
    proxy: FaultProxy,
    direct: FirestoreDocuments,
    through: Callable[..., FirestoreDocuments],
    number: int,
    fault: str,
    retry: RetryPolicy,
) -> None:
    direct.commit([Create("effects/one", {"n": 0})])
    process = keeper(through(retry), "one")
    getattr(proxy, fault)(number)
    with contextlib.nullcontext() if retry is SOON else contextlib.suppress(UnavailableError):
        assert process.run("message", work) == "done"
    process.close()
    assert effect(direct) in ({1} if retry is SOON else {0, 1})
    later = keeper(direct, "later")
    # What the first one may have left claimed runs out: as if its process had died.
    later._is_dead = lambda owner: owner.startswith("one")
    assert later.run("message", work) == "done"
    later.close()
    assert effect(direct) == 1


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", REQUESTS)
def test_inv_12_one_holder_whichever_request_is_hit(
    proxy: FaultProxy,
    direct: FirestoreDocuments,
    through: Callable[..., FirestoreDocuments],
    number: int,
    fault: str,
) -> None:
    leases, others = (Leases(store, CLOCK, is_dead=lambda _: False) for store in (through(), direct))
    getattr(proxy, fault)(number)
    for _ in range(2):
        try:
            lease = leases.acquire("lease", "one", 30.0)
            break
        except UnavailableError:
            continue  # an owner that has it already gets it anew
    assert others.current("lease") == lease
    with pytest.raises(LeaseHeldError):
        others.acquire("lease", "two", 30.0)
    with contextlib.suppress(UnavailableError):
        renewed = leases.renew(lease, 60.0)
        assert others.current("lease") == renewed
    # If it fails it was given back and the answer lost, or it was not and runs out.
    with contextlib.suppress(UnavailableError, StaleFenceError):
        leases.release(lease)
    current = others.current("lease")
    assert current is None or current.token == lease.token


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", REQUESTS)
def test_inv_07_what_is_decided_is_announced_whichever_request_is_hit(
    proxy: FaultProxy,
    direct: FirestoreDocuments,
    through: Callable[..., FirestoreDocuments],
    number: int,
    fault: str,
) -> None:
    store = through()
    ids = TimeSortedIds(CLOCK)
    outbox = Outbox(store, StoredBus(store, CLOCK, ids), CLOCK, redrive_after=0.001, keep=60.0)
    getattr(proxy, fault)(number)
    with contextlib.suppress(NbactlError):
        store.commit([Create("decisions/one", {}), outbox.message("one", "topic", {})])
        outbox.drive("one")
    sweeper = Outbox(direct, StoredBus(direct, CLOCK, ids), CLOCK, redrive_after=0.001, keep=60.0)
    sweeper.sweep()
    said = {message.attributes["outbox_key"] for message in StoredBus(direct, CLOCK, ids).messages("topic")}
    decided = direct.get("decisions/one") is not None
    assert said == ({"one"} if decided else set())
    assert decided, "a commit that may be repeated is"
    assert list(sweeper.pending()) == []


def test_a_store_that_answers_too_late_is_timed_out_within_the_deadline_and_nothing_is_lost(
    proxy: FaultProxy, direct: FirestoreDocuments, through: Callable[..., FirestoreDocuments]
) -> None:
    direct.commit([Create("effects/one", {"n": 0})])
    process = keeper(through(NO_RETRY, call=0.3), "one")
    proxy.delay = 0.5
    began = CLOCK.monotonic()
    with deadline_scope(2.0, CLOCK), pytest.raises(UnavailableError):
        process.run("message", work)
    assert CLOCK.monotonic() - began < 10.0
    proxy.delay = 0.0
    process.close()
    later = keeper(direct, "later")
    later._is_dead = lambda owner: owner.startswith("one")
    assert later.run("message", work) == "done"
    later.close()
    assert effect(direct) == 1


def test_a_holder_whose_network_stalls_is_overtaken_and_can_write_nothing(
    proxy: FaultProxy, direct: FirestoreDocuments, through: Callable[..., FirestoreDocuments]
) -> None:
    direct.commit([Create("effects/one", {"n": 0})])
    slow = keeper(through(NO_RETRY, call=5.0), "slow", lease=0.3)
    claimed, overtaken = threading.Event(), threading.Event()

    def stalled() -> str:
        claimed.set()
        proxy.refusing = True
        proxy.reset()
        assert overtaken.wait(30)
        proxy.refusing = False
        return work()

    def overtake() -> None:
        process = keeper(direct, "fast")
        assert claimed.wait(30)
        while True:
            try:
                process.run("message", work)
                break
            except NbactlError:
                CLOCK.sleep(0.05)
        process.close()
        overtaken.set()

    thread = threading.Thread(target=overtake)
    thread.start()
    try:
        # Whether its last commit is refused or does not get through: it wrote nothing.
        with contextlib.suppress(StaleFenceError, UnavailableError):
            slow.run("message", stalled)
    finally:
        thread.join()
        slow.close()
    assert effect(direct) == 1
