"""Leases, idempotency, outbox, completions and breakers in many orders of their steps, with faults between.

Each order comes from a seed; what breaks is reported with the seed that brings it back. `make stress` tries thousands.
"""

from __future__ import annotations

from functools import partial

import pytest

from nbactl.core.completions.stages import CompletionStage
from nbactl.testing.interleaving import FaultRates, explore
from tests.kit.budget import share
from tests.kit.interleavings import (
    JUMPS,
    breakers_told,
    completions_of_a_batch,
    counter_under_a_lease,
    decisions_announced,
    one_message_delivered_again_and_again,
    probes_of_a_breaker,
)

CALM = FaultRates()
LOSSES = FaultRates(kill=0.02, lose_answer=0.05, refuse=0.03)
EVERYTHING = FaultRates(kill=0.03, lose_answer=0.05, refuse=0.02, jump=0.1, jumps=JUMPS)

ALL_KINDS = pytest.mark.parametrize(
    ("rates", "seed", "schedules"),
    [(CALM, 0, share(300)), (LOSSES, 10_000, share(500)), (EVERYTHING, 20_000, share(700))],
    ids=["calm", "losses", "everything"],
)


@ALL_KINDS
def test_inv_12_a_number_written_under_a_lease_is_never_wrong(rates: FaultRates, seed: int, schedules: int) -> None:
    scenario = partial(counter_under_a_lease, fenced=True)
    found = explore(scenario, schedules=schedules, seed=seed, rates=rates)
    assert found.distinct > schedules / 2


@ALL_KINDS
def test_inv_05_a_message_is_done_once_whichever_process_is_killed_and_whatever_the_clock_says(
    rates: FaultRates, seed: int, schedules: int
) -> None:
    found = explore(one_message_delivered_again_and_again, schedules=schedules, seed=seed, rates=rates)
    assert found.distinct > schedules / 3
    if rates is EVERYTHING:
        assert found.killed > schedules / 7, "too few were killed for this to tell anything"
        assert found.lost_answers > schedules / 14


@ALL_KINDS
def test_inv_07_inv_08_one_of_two_decides_and_what_is_decided_is_announced(
    rates: FaultRates, seed: int, schedules: int
) -> None:
    found = explore(decisions_announced, schedules=schedules, seed=seed, rates=rates)
    assert found.distinct > schedules / 2


@pytest.mark.parametrize(
    "stage", [CompletionStage.LEGACY, CompletionStage.DUAL_WRITE, CompletionStage.DUAL_WRITE_STOPPED]
)
@pytest.mark.parametrize(("rates", "seed"), [(CALM, 0), (LOSSES, 10_000)])
def test_inv_01_inv_02_completions_count_once_and_a_batch_is_complete_once(
    stage: CompletionStage, rates: FaultRates, seed: int
) -> None:
    scenario = partial(completions_of_a_batch, stage=stage)
    found = explore(scenario, schedules=share(200), seed=seed, rates=rates)
    assert found.distinct > share(200) / 2


@pytest.mark.parametrize("probes", [1, 3])
def test_sixteen_callers_get_no_more_probes_through_than_there_are(probes: int) -> None:
    rates = FaultRates(jump=0.02, jumps=(1.0, 31.0))
    found = explore(partial(probes_of_a_breaker, probes=probes), schedules=share(200), rates=rates)
    assert found.distinct > share(200) / 2


@pytest.mark.parametrize("rates", [CALM, FaultRates(lose_answer=0.1, refuse=0.1), FaultRates(kill=0.02)])
def test_breakers_that_notified_one_another_agree(rates: FaultRates) -> None:
    found = explore(breakers_told, schedules=share(300), rates=rates)
    assert found.distinct > share(300) / 2
