from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.breaker import BreakerSettings
from nbactl.core.calls.deadline import current_deadline, deadline_scope, remaining
from nbactl.core.calls.policies import CallPolicies
from nbactl.core.calls.policy import CallPolicy, CallSettings
from nbactl.core.calls.rate_limit import RateLimit
from nbactl.core.calls.retry import RetryPolicy
from nbactl.errors import BreakerOpenError, ConfigError, DataError, TimedOutError, UnavailableError
from nbactl.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core.observe.events import Event

RETRY = RetryPolicy("steady", attempts=3, base=1.0, factor=2.0, cap=8.0, jitter=False)
BREAKER = BreakerSettings("upstream", failure_rate=1.0, minimum_calls=3, open_for=30.0, window=600.0)


class Lab:
    """A policy, and a dependency that fails with each of `errors` in turn, then answers after `takes` seconds."""

    def __init__(self, *errors: Exception, takes: float = 0.0, fails_late: bool = False, **changes: Any) -> None:
        self.clock = FakeClock(autojump=True)
        self.events: list[Event] = []
        settings = CallSettings("upstream", **{"total": 60.0, "retry": RETRY, "attempt": 10.0, **changes})
        self.policy = CallPolicy(settings, clock=self.clock, rng=random.Random(1), hook=self.events.append)
        self.errors = list(errors)
        self.takes = takes
        self.fails_late = fails_late
        self.calls = 0
        self.left: list[float] = []

    def answer(self) -> str:
        self.calls += 1
        self.left.append(remaining(1e9))
        if self.fails_late or not self.errors:
            self.clock.advance(self.takes)
        if self.errors:
            raise self.errors.pop(0)
        return "answer"

    async def answer_async(self) -> str:
        return self.answer()


def _call(lab: Lab) -> str:
    return lab.policy.call(lab.answer)


def _decorated(lab: Lab) -> str:
    return lab.policy(lab.answer)()


def _block(lab: Lab) -> str:
    for attempt in lab.policy.attempts():
        with attempt:
            result = lab.answer()
    return result


def _call_async(lab: Lab) -> str:
    return asyncio.run(lab.policy.call_async(lab.answer_async))


def _decorated_async(lab: Lab) -> str:
    return asyncio.run(lab.policy(lab.answer_async)())


def _block_async(lab: Lab) -> str:
    async def scenario() -> str:
        async for attempt in lab.policy.attempts():
            async with attempt:
                result = await lab.answer_async()
        return result

    return asyncio.run(scenario())


FORMS = [_call, _decorated, _block, _call_async, _decorated_async, _block_async]


@pytest.fixture(params=FORMS, ids=lambda form: form.__name__.strip("_"))
def made(request: pytest.FixtureRequest) -> Callable[[Lab], str]:
    return request.param  # type: ignore[no-any-return]


def down(count: int) -> list[Exception]:
    return [UnavailableError(f"down {number}") for number in range(1, count + 1)]


def test_an_answer_comes_back_and_leaves_no_deadline(made: Callable[[Lab], str]) -> None:
    lab = Lab()
    assert made(lab) == "answer"
    assert (lab.calls, lab.clock.sleeps, lab.left, lab.events) == (1, [], [10.0], [])
    assert current_deadline() is None


def test_inv_16_transient_errors_are_tried_again_and_the_last_one_tells_of_all(made: Callable[[Lab], str]) -> None:
    lab = Lab(*down(2))
    assert made(lab) == "answer"
    assert lab.clock.sleeps == [1.0, 2.0]
    lab = Lab(*down(3))
    with pytest.raises(UnavailableError, match="down 3") as raised:
        made(lab)
    assert raised.value.__notes__ == [
        f"attempt {n} of 3 failed after 0.0s: UnavailableError: down {n}" for n in (1, 2, 3)
    ]
    assert [event.kind for event in lab.events] == ["retry.again", "retry.again", "retry.gave_up"]
    assert {event.name for event in lab.events} == {"upstream"}


def test_inv_16_a_permanent_error_ends_it(made: Callable[[Lab], str]) -> None:
    lab = Lab(DataError("bad"))
    with pytest.raises(DataError):
        made(lab)
    assert (lab.calls, lab.events) == (1, [])


def test_inv_16_tries_have_a_budget_that_all_calls_share(made: Callable[[Lab], str]) -> None:
    lab = Lab(*down(9), retry_budget=RateLimit(3, 3600.0))
    for _ in range(2):
        with pytest.raises(UnavailableError) as raised:
            made(lab)
    assert lab.calls == 5
    assert raised.value.__notes__[-1] == "not tried again: too many calls of upstream were tried again lately"
    lab.clock.advance(3600)
    with pytest.raises(UnavailableError):
        made(lab)
    assert lab.calls == 8


def test_inv_18_the_total_bounds_tries_and_pauses(made: Callable[[Lab], str]) -> None:
    lab = Lab(*down(3), total=2.5)
    with pytest.raises(UnavailableError, match="down 2"):
        made(lab)
    assert (lab.clock.sleeps, lab.left) == ([1.0], [2.5, 1.5])


def test_inv_18_a_deadline_in_force_shortens_everything_below(made: Callable[[Lab], str]) -> None:
    lab = Lab()
    with deadline_scope(4.0, lab.clock):
        made(lab)
    assert lab.left == [4.0]
    with deadline_scope(4.0, lab.clock):
        lab.clock.advance(4.0)
        with pytest.raises(TimedOutError, match="no time is left for a call of upstream"):
            made(lab)
    assert lab.calls == 1


def test_a_server_that_asks_for_a_longer_pause_gets_it(made: Callable[[Lab], str]) -> None:
    lab = Lab(UnavailableError("busy", retry_after=17.0))
    made(lab)
    assert lab.clock.sleeps == [17.0]


def test_the_breaker_counts_every_try_and_its_refusal_is_not_tried_again(made: Callable[[Lab], str]) -> None:
    lab = Lab(*down(9), breaker=BREAKER)
    with pytest.raises(UnavailableError, match="down 3"):
        made(lab)
    sleeps = list(lab.clock.sleeps)
    with pytest.raises(BreakerOpenError):
        made(lab)
    assert (lab.calls, lab.clock.sleeps) == (3, sleeps)
    lab.errors.clear()
    lab.clock.advance(30)
    assert made(lab) == "answer"


def test_a_call_that_the_callers_deadline_cut_short_tells_nothing_about_the_dependency(
    made: Callable[[Lab], str],
) -> None:
    lab = Lab(*[TimedOutError("late")] * 4, takes=5.0, fails_late=True, breaker=BREAKER)
    for _ in range(4):
        with deadline_scope(5.0, lab.clock), pytest.raises(TimedOutError):
            made(lab)
    assert lab.policy.breaker is not None
    assert (lab.policy.breaker.state, lab.policy.breaker.status().calls) == ("closed", 0)


def test_the_throttle_makes_calls_wait_for_their_turn_and_refuses_those_whose_turn_comes_too_late(
    made: Callable[[Lab], str],
) -> None:
    lab = Lab(throttle=RateLimit(2, 10.0), breaker=BREAKER)
    for _ in range(3):
        made(lab)
    assert lab.clock.sleeps == [5.0]
    with deadline_scope(2.0, lab.clock), pytest.raises(UnavailableError, match="wait for their turn"):
        made(lab)
    assert lab.calls == 3


def test_inv_18_a_coroutine_that_does_not_answer_is_cut_off_and_tried_again() -> None:
    lab = Lab(breaker=BREAKER)
    ended: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(f"{lab.clock.monotonic():.0f}")

    with pytest.raises(TimedOutError, match="upstream was cut off") as raised:
        asyncio.run(lab.policy.call_async(hang))
    assert ended == ["10", "21", "33"]
    assert raised.value.cause == "It took longer than 10s."
    assert lab.policy.breaker is not None
    assert lab.policy.breaker.state == "open"


def test_a_block_that_does_not_answer_is_cut_off_and_tried_again() -> None:
    lab = Lab()
    began: list[float] = []

    async def scenario() -> None:
        async for attempt in lab.policy.attempts():
            async with attempt:
                began.append(lab.clock.monotonic())
                await asyncio.Event().wait()

    with pytest.raises(TimedOutError):
        asyncio.run(scenario())
    assert began == [0.0, 11.0, 23.0]


def test_the_system_clock_cuts_off_as_well() -> None:
    settings = CallSettings("real", total=5.0, retry=RetryPolicy(), attempt=0.01)
    policy = CallPolicy(settings, clock=SystemClock(), rng=random.Random(1))
    with pytest.raises(TimedOutError):
        asyncio.run(policy.call_async(asyncio.Event().wait))


def test_cancelling_is_no_timeout_even_when_both_come_together() -> None:
    lab = Lab()

    async def scenario() -> None:
        task = asyncio.create_task(lab.policy.call_async(asyncio.Event().wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async def hang() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                both.cancel()
                raise

        both = asyncio.create_task(lab.policy.call_async(hang))
        with pytest.raises(asyncio.CancelledError):
            await both

    asyncio.run(scenario())
    assert lab.events == []


def test_an_error_of_the_call_that_looks_like_a_timeout_stays_what_it_is() -> None:
    lab = Lab(TimeoutError("its own"), retry=RetryPolicy())
    with pytest.raises(TimeoutError, match="its own"):
        _call_async(lab)


def test_arguments_and_names_pass_through_a_decorator() -> None:
    lab = Lab()

    @lab.policy
    def add(one: int, *, two: int) -> int:
        """Add."""
        return one + two

    assert (add(1, two=2), add.__name__, add.__doc__) == (3, "add", "Add.")
    assert lab.policy.call(add, 1, two=3) == 4


def test_policies_that_name_the_same_breaker_share_it_and_a_misspelt_name_is_answered_with_the_right_one() -> None:
    settings = {
        name: CallSettings(name, total=60.0, retry=RETRY, breaker=BREAKER) for name in ("bigquery", "bigquery_dml")
    }
    policies = CallPolicies(settings, clock=FakeClock(), rng=random.Random(1))
    assert policies["bigquery"].breaker is policies["bigquery_dml"].breaker is policies.breakers["upstream"]
    assert policies["bigquery"] is policies["bigquery"]
    with pytest.raises(ConfigError) as raised:
        policies["bigqery"]
    assert raised.value.next_step == "Did you mean 'bigquery'?"


@pytest.mark.parametrize("attempt", [None, 60.0, 9.0])
def test_what_always_hangs_opens_the_breaker_however_the_limits_stand(attempt: float | None) -> None:
    late = [TimedOutError("hangs") for _ in range(9)]
    lab = Lab(*late, takes=60.0, fails_late=True, attempt=attempt, breaker=BREAKER)
    for _ in range(3):
        with pytest.raises(TimedOutError):
            lab.policy.call(lab.answer)
    with pytest.raises(BreakerOpenError):
        lab.policy.call(lab.answer)


def test_a_coroutine_that_nobody_would_await_is_refused_and_an_object_is_what_its_call_is() -> None:
    lab = Lab()

    class Caller:
        async def __call__(self) -> str:
            return lab.answer()

    assert asyncio.run(lab.policy(Caller())()) == "answer"
    with pytest.raises(TypeError, match="gave a coroutine"):
        lab.policy.call(lab.answer_async)  # type: ignore[unused-coroutine] # that is the mistake
    assert lab.calls == 1
