from __future__ import annotations

import asyncio
import errno
import http.client
import random
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbactl.core.calls.deadline import Deadline, deadline_scope
from nbactl.core.calls.retry import NO_RETRY, RetryPolicy, is_transient, retry_call, retry_call_async
from nbactl.errors import ContentionError, DataError, TimedOutError, UnavailableError, UsageError
from nbactl.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EXACT = RetryPolicy("exact", attempts=4, base=1.0, factor=2.0, cap=60.0, jitter=False)


class Upstream:
    """Fails with each of `errors` in turn, then answers."""

    def __init__(self, clock: FakeClock, errors: Sequence[BaseException], takes: float = 0.0) -> None:
        self.calls = 0
        self._clock = clock
        self._errors = errors
        self._takes = takes

    def __call__(self) -> str:
        self.calls += 1
        self._clock.advance(self._takes)
        if self.calls <= len(self._errors):
            raise self._errors[self.calls - 1]
        return "answer"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(autojump=True)


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, clock: FakeClock) -> Callable[..., str]:
    def sync(policy: RetryPolicy, upstream: Upstream, deadline: Deadline | None = None) -> str:
        return retry_call(policy, upstream, clock=clock, rng=random.Random(1), deadline=deadline)

    def in_loop(policy: RetryPolicy, upstream: Upstream, deadline: Deadline | None = None) -> str:
        async def answer() -> str:
            return upstream()

        return asyncio.run(retry_call_async(policy, answer, clock=clock, rng=random.Random(1), deadline=deadline))

    return sync if request.param == "sync" else in_loop


def unavailable(count: int) -> list[BaseException]:
    return [UnavailableError(f"down {number}") for number in range(1, count + 1)]


def test_an_answer_at_once_is_returned_without_a_pause(call: Callable[..., str], clock: FakeClock) -> None:
    upstream = Upstream(clock, [])
    assert call(EXACT, upstream) == "answer"
    assert (upstream.calls, clock.sleeps) == (1, [])


def test_transient_errors_are_tried_again_with_growing_pauses(call: Callable[..., str], clock: FakeClock) -> None:
    upstream = Upstream(clock, unavailable(3))
    assert call(EXACT, upstream) == "answer"
    assert (upstream.calls, clock.sleeps) == (4, [1.0, 2.0, 4.0])


@pytest.mark.parametrize(
    "error", [DataError("bad row"), UsageError("no"), ValueError("bug"), UnavailableError("full", retryable=False)]
)
def test_inv_16_a_permanent_error_is_never_tried_again(
    call: Callable[..., str], clock: FakeClock, error: Exception
) -> None:
    upstream = Upstream(clock, [error])
    with pytest.raises(type(error)) as raised:
        call(EXACT, upstream)
    assert raised.value is error
    assert (upstream.calls, clock.sleeps) == (1, [])
    assert not getattr(error, "__notes__", [])


def test_inv_16_tries_end_when_they_are_used_up(call: Callable[..., str], clock: FakeClock) -> None:
    errors = unavailable(9)
    upstream = Upstream(clock, errors)
    with pytest.raises(UnavailableError) as raised:
        call(EXACT, upstream)
    assert raised.value is errors[3]
    assert upstream.calls == 4


def test_inv_17_the_last_error_tells_what_became_of_every_try(call: Callable[..., str], clock: FakeClock) -> None:
    with pytest.raises(TimeoutError) as raised:
        call(
            EXACT, Upstream(clock, [UnavailableError("down"), ConnectionError("reset"), *[TimeoutError("slow")] * 2], 2)
        )
    assert raised.value.__notes__ == [
        "attempt 1 of 4 failed after 2.0s: UnavailableError: down",
        "attempt 2 of 4 failed after 2.0s: ConnectionError: reset",
        "attempt 3 of 4 failed after 2.0s: TimeoutError: slow",
        "attempt 4 of 4 failed after 2.0s: TimeoutError: slow",
    ]


def test_inv_18_no_try_begins_after_the_deadline(call: Callable[..., str], clock: FakeClock) -> None:
    upstream = Upstream(clock, unavailable(9), takes=1.0)
    with pytest.raises(UnavailableError) as raised:
        call(EXACT, upstream, Deadline.after(5.0, clock))
    assert (upstream.calls, clock.sleeps) == (2, [1.0])  # 1 s + pause 1 s + 1 s; a pause of 2 s would end at 5 s
    assert raised.value.__notes__[-1] == "not tried again: the deadline comes before the next try, due in 2.0s"


def test_inv_18_the_deadline_in_force_counts_without_being_passed(call: Callable[..., str], clock: FakeClock) -> None:
    upstream = Upstream(clock, unavailable(9))
    with deadline_scope(2.5, clock), pytest.raises(UnavailableError):
        call(EXACT, upstream)
    assert upstream.calls == 2


def test_a_server_that_asks_for_a_longer_pause_gets_it(call: Callable[..., str], clock: FakeClock) -> None:
    asks = UnavailableError("too many requests", retry_after=30.0)
    hurries = UnavailableError("too many requests", retry_after=0.1)
    call(EXACT, Upstream(clock, [asks, hurries]))
    assert clock.sleeps == [30.0, 2.0]


def test_without_a_policy_there_is_one_try(call: Callable[..., str], clock: FakeClock) -> None:
    upstream = Upstream(clock, unavailable(1))
    with pytest.raises(UnavailableError):
        call(NO_RETRY, upstream)
    assert upstream.calls == 1


def test_cancelling_is_no_failure_to_try_again() -> None:
    calls = 0

    async def hang() -> None:
        nonlocal calls
        calls += 1
        await asyncio.Event().wait()

    async def scenario() -> None:
        task = asyncio.create_task(retry_call_async(EXACT, hang, clock=FakeClock(), rng=random.Random(1)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert calls == 1


@given(attempt=st.integers(1, 60), seed=st.integers(), cap=st.floats(0.1, 120))
def test_full_jitter_stays_between_nothing_and_the_ceiling(attempt: int, seed: int, cap: float) -> None:
    policy = RetryPolicy("jitter", attempts=99, base=1.0, cap=cap)
    assert 0.0 <= policy.delay(attempt, random.Random(seed)) <= min(cap, 2.0 ** (attempt - 1))


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (UnavailableError("x"), True),
        (ContentionError("x"), True),
        (TimedOutError("x"), True),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (OSError("disk"), False),
        (DataError("x"), False),
        (DataError("x", retryable=True), True),
        (KeyError("x"), False),
        (socket.gaierror(-2, "Name or service not known"), True),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (http.client.IncompleteRead(b"half"), True),
        (http.client.BadStatusLine("x"), True),
        (http.client.RemoteDisconnected("x"), True),
        (http.client.InvalidURL("x"), False),
    ],
)
def test_errors_know_whether_they_pass(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


def test_a_pause_after_very_many_tries_is_the_longest() -> None:
    assert RetryPolicy(attempts=10**6, cap=60.0, jitter=False).delay(5000, random.Random(1)) == 60.0
