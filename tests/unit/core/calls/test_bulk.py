from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import pytest

from nbactl.core.calls.bulk import BulkWriter
from nbactl.core.calls.rate_limit import RateLimit, RateLimiter
from nbactl.core.calls.retry import RetryPolicy
from nbactl.errors import AlreadyExistsError, DataError, NotAuthorisedError, UnavailableError
from nbactl.ports.documents import Create, Delete, Increment, Query, Set, Update, WriteResult
from nbactl.testing import FakeClock, faults
from tests.unit.core.calls.recording_store import RecordingStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.documents import Write

POLICY = RetryPolicy("firestore", attempts=4, base=0.1, cap=5.0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> Iterator[RecordingStore]:
    store = RecordingStore(clock)
    yield store
    store.close()


def writer(
    store: RecordingStore, clock: FakeClock, *, in_flight: int = 4, limiter: RateLimiter | None = None
) -> BulkWriter:
    rng = random.Random(1)
    return BulkWriter(store, in_flight=in_flight, limiter=limiter, retry=POLICY, clock=clock, rng=rng)


def creates(count: int) -> list[Write]:
    return [Create(f"c/{number:05}", {"n": number}) for number in range(count)]


def test_everything_is_written_and_reported_once(store: RecordingStore, clock: FakeClock) -> None:
    results = list(writer(store, clock).write_all(iter(creates(1_234))))
    assert sorted(result.path for result in results) == [write.path for write in creates(1_234)]
    assert all(result.error is None for result in results)
    assert store.count(Query("c")) == 1_234
    assert sorted(store.chunks) == [234, 500, 500]


def test_nothing_to_write_is_nothing_written(store: RecordingStore, clock: FakeClock) -> None:
    assert list(writer(store, clock).write_all([])) == []
    assert store.chunks == []


def test_what_is_refused_for_good_is_reported_and_spoils_nothing(store: RecordingStore, clock: FakeClock) -> None:
    store.commit([Create("c/00001", {"n": "live"}), Create("c/00003", {"n": "live"})])
    bad: list[Write] = [Set("c/bad", {"n": object()})]
    results = {result.path: result.error for result in writer(store, clock).write_all(creates(5) + bad)}
    assert {path for path, error in results.items() if isinstance(error, AlreadyExistsError)} == {"c/00001", "c/00003"}
    assert isinstance(results["c/bad"], DataError)
    assert [document.data["n"] for document in store.query(Query("c"))] == [0, "live", 2, "live", 4]
    assert clock.sleeps == []


def test_inv_16_single_writes_that_fail_for_a_moment_are_tried_again_alone(
    store: RecordingStore, clock: FakeClock
) -> None:
    store.fail_writes({"c/00002": 2, "c/00700": 1})
    results = list(writer(store, clock, in_flight=1).write_all(creates(1_000)))
    assert [result for result in results if result.error] == []
    assert store.count(Query("c")) == 1_000
    assert store.chunks == [500, 1, 1, 500, 1]
    assert len(clock.sleeps) == 3


def test_inv_16_a_write_that_keeps_failing_is_given_back_with_its_error(
    store: RecordingStore, clock: FakeClock
) -> None:
    store.fail_writes({"c/00002": 99})
    failed = [result for result in writer(store, clock).write_all(creates(5)) if result.error]
    assert [result.path for result in failed] == ["c/00002"]
    assert isinstance(failed[0].error, UnavailableError)
    assert len(store.chunks) == POLICY.attempts


def test_a_chunk_whose_answer_was_lost_is_sent_again(store: RecordingStore, clock: FakeClock) -> None:
    with faults.failing("documents.after_commit", UnavailableError("the answer was lost")):
        results = list(writer(store, clock).write_all(creates(10)))
    assert all(isinstance(result.error, AlreadyExistsError) for result in results)
    assert store.count(Query("c")) == 10


def test_a_store_that_stays_away_ends_it_after_what_was_in_flight(store: RecordingStore, clock: FakeClock) -> None:
    lost = UnavailableError("nobody answers")
    with (
        faults.failing("documents.before_commit", lost, times=POLICY.attempts),
        pytest.raises(UnavailableError) as raised,
    ):
        list(writer(store, clock, in_flight=1).write_all(creates(5_000)))
    assert raised.value is lost
    assert store.chunks == [500] * POLICY.attempts


def test_a_refusal_of_the_whole_is_not_tried_again(store: RecordingStore, clock: FakeClock) -> None:
    refused = NotAuthorisedError("not you")
    seen: list[WriteResult] = []
    with faults.failing("documents.before_commit", refused), pytest.raises(NotAuthorisedError):
        seen.extend(writer(store, clock, in_flight=2).write_all(creates(1_000)))
    assert clock.sleeps == []
    assert len(seen) == store.count(Query("c"))


def test_an_increment_is_refused_for_it_could_count_twice(store: RecordingStore, clock: FakeClock) -> None:
    with pytest.raises(DataError, match="c/d cannot be incremented"):
        list(writer(store, clock).write_all([Update("c/d", {"n": Increment(1)})]))


def test_writes_to_one_document_keep_their_order(store: RecordingStore, clock: FakeClock) -> None:
    writes: list[Write] = []
    for number in range(30):
        writes += [Set("c/same", {"n": number}), Set(f"c/{number}", {}), Delete(f"c/{number - 1}")]
    assert all(result.error is None for result in writer(store, clock).write_all(writes))
    assert {document.id: document.data for document in store.query(Query("c"))} == {"29": {}, "same": {"n": 29}}


def test_chunks_stay_below_ten_mebibytes(store: RecordingStore, clock: FakeClock) -> None:
    text = "é" * 150_000
    writes = [Set(f"c/{number:02}", {"text": text}) for number in range(70)]
    assert all(result.error is None for result in writer(store, clock).write_all(writes))
    assert max(store.chunks) == 34
    assert sum(store.chunks) == 70


def test_the_limiter_sets_the_pace_and_the_size_of_chunks(store: RecordingStore, clock: FakeClock) -> None:
    limiter = RateLimiter(RateLimit.per_second(50), clock)
    list(writer(store, clock, limiter=limiter).write_all(creates(200)))
    assert store.chunks == [50] * 4
    assert clock.monotonic() == pytest.approx(3.0)


def test_several_chunks_are_in_flight_but_no_more_than_allowed(store: RecordingStore, clock: FakeClock) -> None:
    store.together = threading.Barrier(3, timeout=10.0)
    list(writer(store, clock, in_flight=3).write_all(creates(3_000)))
    assert store.most_at_once == 3


def test_results_come_while_the_rest_is_not_even_known(store: RecordingStore, clock: FakeClock) -> None:
    asked: list[int] = []

    def endless() -> Iterator[Write]:
        for number in range(100_000):
            asked.append(number)
            yield Create(f"c/{number:06}", {})

    results = writer(store, clock, in_flight=2).write_all(endless())
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(asked) <= 2_500
