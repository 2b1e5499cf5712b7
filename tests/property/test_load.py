"""Every intended request of a load is in exactly one bucket, and percentiles are exact."""

from __future__ import annotations

import asyncio
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from nbactl.checks.load.open_loop import NoAnswerError, Outcome, open_loop
from nbactl.checks.load.report import percentiles, report_of
from tests.kit.virtual_time import run_virtually

INSTANTS = st.lists(st.integers(0, 200), max_size=40).map(lambda found: [each / 8 for each in sorted(found)])
ANSWERS = st.lists(
    st.tuples(st.sampled_from(["204", "400", "503", None]), st.integers(0, 80)), min_size=40, max_size=40
)


@settings(max_examples=60)
@given(INSTANTS, ANSWERS, st.integers(1, 6))
def test_every_intended_request_is_in_exactly_one_bucket(
    instants: list[float], answers: list[tuple[str | None, int]], most_open: int
) -> None:
    is_open, widest, sent = 0, 0, list[int]()

    async def serve(number: int) -> str:
        nonlocal is_open, widest
        sent.append(number)
        is_open += 1
        widest = max(widest, is_open)
        status, eighths = answers[number]
        await asyncio.sleep(eighths / 8)
        is_open -= 1
        if status is None:
            raise NoAnswerError("timeout")
        return status

    outcomes = run_virtually(open_loop(instants, serve, most_open=most_open))
    report = report_of(outcomes)
    assert [outcome.intended for outcome in outcomes] == instants
    assert report.intended == len(instants)
    assert report.answered + sum(report.errors.values()) + report.overflow == report.intended
    assert report.intended - report.overflow == len(sent)
    assert sorted(set(sent)) == [number for number, one in enumerate(outcomes) if not one.is_overflow]
    assert widest <= most_open
    assert sum(one.latency is not None for one in outcomes) == report.answered
    for number in sent:
        status, eighths = answers[number]
        assert outcomes[number].status == status
        if status is not None:
            latency = outcomes[number].latency
            assert latency is not None
            assert abs(latency - eighths / 8) < 1e-6, "the generator of a virtual clock is never late"
    open_at = [
        sum(one.started is not None and one.started <= at <= (one.ended or 0.0) for one in outcomes[:number])
        for number, at in enumerate(instants)
    ]
    assert all(open_at[number] >= most_open for number, one in enumerate(outcomes) if one.is_overflow)


@given(st.lists(st.one_of(st.none(), st.integers(0, 50).map(float)), min_size=1, max_size=60))
def test_a_percentile_is_the_least_latency_that_so_many_requests_do_not_exceed(found: list[float | None]) -> None:
    shown = percentiles(found)
    for percent, value in ((50, shown.p50), (90, shown.p90), (99, shown.p99), (100, shown.max)):
        share = Fraction(percent, 100) * len(found)
        answered = sorted(each for each in found if each is not None)
        if value is None:
            assert len(answered) < share
        else:
            assert sum(each <= value for each in answered) >= share
            assert sum(each < value for each in answered) < share


def test_what_was_not_sent_has_no_latency() -> None:
    assert Outcome(1.0).is_overflow
    assert Outcome(1.0).latency is None
