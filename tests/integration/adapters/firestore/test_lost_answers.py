"""What becomes of a call when the network fails between us and Firestore: nothing is lost, nothing is done twice."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.calls.retry import RetryPolicy, retry_call
from nbactl.errors import AlreadyExistsError, PreconditionError, TimedOutError, UnavailableError
from nbactl.ports.documents import ArrayUnion, Create, Delete, Increment, Query, Set, Update
from nbactl.testing import emulator_documents
from nbactl.testing.proxy import FaultProxy
from nbactl.workflows.ledger import Ledger
from tests.kit.run_records import run, task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.documents import Document, DocumentStore, Transaction, Write

QUICK = RetryPolicy("firestore", attempts=6, base=0.05, cap=0.2)


@pytest.fixture
def project() -> str:
    return f"test-{uuid.uuid4().hex[:20]}"


@pytest.fixture
def truth(firestore_address: str, project: str) -> Iterator[DocumentStore]:
    """A client whose network works."""
    store = emulator_documents(firestore_address, project)
    yield store
    store.close()


@pytest.fixture
def proxy(firestore_address: str) -> Iterator[FaultProxy]:
    with FaultProxy(firestore_address) as between:
        yield between


@pytest.fixture
def store(proxy: FaultProxy, project: str) -> Iterator[DocumentStore]:
    """A client whose network is the proxy; it is connected."""
    store = emulator_documents(proxy.address, project, retry=QUICK, call=5.0)
    store.get("any/document")
    yield store
    store.close()


def read(store: DocumentStore, path: str) -> Document:
    document = store.get(path)
    assert document is not None
    return document


def test_a_read_is_asked_again(store: DocumentStore, truth: DocumentStore, proxy: FaultProxy) -> None:
    truth.commit([Set("c/d", {"n": 1})])
    for break_it in (proxy.drop_answer, proxy.lose_request):
        break_it()
        assert read(store, "c/d").data == {"n": 1}
        break_it()
        assert store.count(Query("c")) == 1
        break_it()
        assert list(store.list_ids("c")) == ["d"]


def test_a_create_whose_answer_was_lost_looks_like_one_that_came_too_late(
    store: DocumentStore, truth: DocumentStore, proxy: FaultProxy
) -> None:
    proxy.drop_answer()
    with pytest.raises(AlreadyExistsError) as raised:
        store.commit([Create("c/d", {"n": 1})])
    assert raised.value.details == {"path": "c/d", "answer_lost": True}
    assert read(truth, "c/d").data == {"n": 1}


def test_a_run_whose_first_record_got_no_answer_begins(
    store: DocumentStore, truth: DocumentStore, proxy: FaultProxy
) -> None:
    record = run(task("a", "pending"), run_id="run-1")
    proxy.drop_answer()
    Ledger(store, SystemClock(), is_dead=lambda _: False).start(record, supersedes=None)
    assert read(truth, "runs/run-1").data["status"] == record.status
    with pytest.raises(AlreadyExistsError):  # another run of this id is not taken for it
        Ledger(store, SystemClock(), is_dead=lambda _: False).start(record, supersedes=None)


def test_a_create_that_never_arrived_is_sent_again(
    store: DocumentStore, truth: DocumentStore, proxy: FaultProxy
) -> None:
    proxy.lose_request()
    store.commit([Create("c/d", {"n": 1})])
    assert read(truth, "c/d").data == {"n": 1}


def test_inv_01_a_completion_whose_answer_was_lost_counts_once(
    store: DocumentStore, truth: DocumentStore, proxy: FaultProxy
) -> None:
    truth.commit([Create("batch/b", {"count": 0, "players": []})])
    counted: list[Write] = [
        Create("batch/b/completions/doncic", {}),
        Update("batch/b", {"count": Increment(1), "players": ArrayUnion(("doncic",))}),
    ]
    proxy.drop_answer()
    with pytest.raises(AlreadyExistsError):
        store.commit(counted)
    assert read(truth, "batch/b").data == {"count": 1, "players": ["doncic"]}


def test_an_increment_alone_is_not_sent_twice_but_reported_as_open(
    store: DocumentStore, truth: DocumentStore, proxy: FaultProxy
) -> None:
    truth.commit([Create("c/d", {"n": 0})])
    for break_it, then in ((proxy.drop_answer, 1), (proxy.lose_request, 1)):
        break_it()
        with pytest.raises(UnavailableError) as raised:
            store.commit([Update("c/d", {"n": Increment(1)})])
        assert raised.value.details["outcome"] == "unknown"
        assert not raised.value.retryable
        assert read(truth, "c/d").data == {"n": then}


def test_a_write_on_a_condition_is_refused_when_it_is_sent_again(
    store: DocumentStore, truth: DocumentStore, proxy: FaultProxy
) -> None:
    truth.commit([Create("c/d", {"n": 0})])
    seen = read(truth, "c/d").update_time
    proxy.drop_answer()
    with pytest.raises(PreconditionError) as raised:
        store.commit([Update("c/d", {"n": Increment(1)}, if_updated_at=seen)])
    assert raised.value.details["answer_lost"]
    assert read(truth, "c/d").data == {"n": 1}


@pytest.mark.parametrize(
    "write", [Set("c/d", {"n": 5}), Update("c/d", {"n": 5}), Update("c/d", {"l": ArrayUnion((5,))})]
)
def test_what_may_be_done_twice_is_simply_sent_again(
    store: DocumentStore, truth: DocumentStore, proxy: FaultProxy, write: Write
) -> None:
    truth.commit([Create("c/d", {"n": 0})])
    proxy.drop_answer()
    store.commit([write])
    assert 5 in (read(truth, "c/d").data["n"], *read(truth, "c/d").data.get("l", []))
    proxy.drop_answer()
    store.commit([Delete("c/d")])
    assert truth.get("c/d") is None


def add_one(transaction: Transaction) -> int:
    document = transaction.get("c/d")
    assert document is not None
    number: int = document.data["n"] + 1
    transaction.write(Set("c/d", {"n": number}))
    return number


def test_a_transaction_whose_commit_never_arrived_is_tried_again(
    store: DocumentStore, truth: DocumentStore, proxy: FaultProxy
) -> None:
    truth.commit([Create("c/d", {"n": 0})])
    proxy.lose_request(2)
    assert store.transaction(add_one) == 1
    assert read(truth, "c/d").data == {"n": 1}


def test_a_transaction_whose_answer_was_lost_is_not_done_twice_but_reported_as_open(
    store: DocumentStore, truth: DocumentStore, proxy: FaultProxy
) -> None:
    truth.commit([Create("c/d", {"n": 0})])
    proxy.drop_answer(2)
    with pytest.raises(UnavailableError) as raised:
        store.transaction(add_one)
    assert raised.value.details["outcome"] == "unknown"
    assert not raised.value.retryable
    assert read(truth, "c/d").data == {"n": 1}


def test_a_batch_that_is_broken_off_may_be_sent_again(
    store: DocumentStore, truth: DocumentStore, proxy: FaultProxy
) -> None:
    writes = [Create(f"c/{number:03}", {"n": number}) for number in range(100)]
    proxy.drop_answer()
    with pytest.raises(UnavailableError):
        store.batch_write(writes)
    again = retry_call(QUICK, lambda: store.batch_write(writes), clock=SystemClock(), rng=random.Random(1))
    assert all(isinstance(result.error, AlreadyExistsError) for result in again)
    assert truth.count(Query("c")) == 100


def test_a_stream_that_breaks_goes_on_as_of_the_same_moment(
    store: DocumentStore, truth: DocumentStore, proxy: FaultProxy
) -> None:
    text = "x" * 10_000
    for start in range(0, 400, 200):
        truth.commit([Set(f"c/{number:03}", {"n": number, "text": text}) for number in range(start, start + 200)])
    proxy.delay = 0.01  # so that most is still under way when the connection breaks
    stream = store.query(Query("c", limit=399))
    numbers = [next(stream).data["n"] for _ in range(3)]
    truth.commit([Delete("c/200"), Set("c/300", {"n": -1}), Set("c/1000", {"n": -1})])
    for _ in range(2):
        proxy.reset()
        numbers += [next(stream).data["n"] for _ in range(100)]
    numbers += [document.data["n"] for document in stream]
    assert numbers == list(range(399))
    assert proxy.connections >= 3


def test_inv_18_a_server_that_hangs_is_given_up_in_time(store: DocumentStore, proxy: FaultProxy) -> None:
    clock = SystemClock()
    proxy.delay = 60.0
    before = clock.monotonic()
    with deadline_scope(0.3, clock), pytest.raises(TimedOutError):
        store.get("c/d")
    with deadline_scope(0.3, clock), pytest.raises(TimedOutError) as raised:
        store.commit([Update("c/d", {"n": Increment(1)})])
    assert raised.value.details["outcome"] == "unknown"
    with deadline_scope(0.0, clock), pytest.raises(TimedOutError, match="no time is left"):
        store.get("c/d")
    assert clock.monotonic() - before < 3.0


def test_inv_16_a_server_that_is_away_is_tried_as_often_as_the_policy_says(
    store: DocumentStore, proxy: FaultProxy
) -> None:
    proxy.refusing = True
    proxy.reset()
    for use in (
        lambda: store.get("c/d"),
        lambda: list(store.query(Query("c"))),
        lambda: store.commit([Set("c/d", {})]),
    ):
        with pytest.raises(UnavailableError) as raised:
            use()
        assert raised.value.exit_code == 7
        assert len(raised.value.__notes__) == QUICK.attempts
    proxy.refusing = False
    patient = replace(QUICK, attempts=100)
    retry_call(patient, lambda: store.commit([Set("c/d", {})]), clock=SystemClock(), rng=random.Random(1))


def test_a_server_that_drips_is_waited_for(store: DocumentStore, truth: DocumentStore, proxy: FaultProxy) -> None:
    truth.commit([Set("c/d", {"text": "x" * 2_000})])
    proxy.piece, proxy.delay = 100, 0.005
    assert read(store, "c/d").data == {"text": "x" * 2_000}


def test_a_connection_that_is_half_closed_is_replaced(
    store: DocumentStore, truth: DocumentStore, proxy: FaultProxy
) -> None:
    truth.commit([Set("c/d", {"n": 1})])
    proxy.half_close()
    assert read(store, "c/d").data == {"n": 1}
