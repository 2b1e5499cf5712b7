"""Sticky, uniform, monotone, independent: over 20,000 ids and all flags that are shipped."""

from __future__ import annotations

import itertools

import pytest

from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.core.flags.snapshot import BUCKETS, bucket_of, limit_of

IDS = [f"player{number:05d}" for number in range(20_000)]
SALTS = sorted(flag.salt for flag in load_config(shipped_config_dir()).flags.flags.values())
# What these entities were given when the hash was chosen. A change here reshuffles who is inside of every rollout.
GOLDEN = {
    ("query_caching", "lebronjames"): 5695,
    ("query_caching", "stephencurry"): 90441,
    ("subcollection_reads", "2024-01-15"): 83709,
    ("salt", "nikolajokić"): 61908,
    ("salt", ""): 9453,
    ("", "x"): 24973,
    ("phase2_completion_deadline", "x" * 1000): 59159,
}


def inside(salt: str, percent: float) -> set[str]:
    limit = limit_of(percent)
    return {entity for entity in IDS if bucket_of(salt, entity) < limit}


def murmur3(data: bytes) -> int:
    """MurmurHash3 x86 32, seed 0, as Austin Appleby published it."""
    mask, result = 0xFFFFFFFF, 0
    for start in range(0, len(data), 4):
        block = data[start : start + 4]
        k = int.from_bytes(block, "little") * 0xCC9E2D51 & mask
        k = (k << 15 | k >> 17) & mask
        result ^= k * 0x1B873593 & mask
        if len(block) == 4:
            result = (result << 13 | result >> 19) & mask
            result = (result * 5 + 0xE6546B64) & mask
    result ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        result = (result ^ result >> shift) * factor & mask
    return result ^ result >> 16


@pytest.mark.parametrize(("salt", "entity"), GOLDEN)
def test_a_bucket_is_for_ever(salt: str, entity: str) -> None:
    assert bucket_of(salt, entity) == GOLDEN[salt, entity]


def test_the_library_computes_the_published_hash() -> None:
    for salt, entity in [*GOLDEN, *((salt, entity) for salt in SALTS for entity in IDS[:50])]:
        assert bucket_of(salt, entity) == murmur3(f"{salt}:{entity}".encode()) % BUCKETS


@pytest.mark.parametrize("salt", SALTS)
def test_each_percentage_gets_its_share(salt: str) -> None:
    for percent in (1, 10, 50, 90):
        share = percent / 100
        four_deviations = 4 * (share * (1 - share) / len(IDS)) ** 0.5
        assert abs(len(inside(salt, percent)) / len(IDS) - share) < four_deviations


@pytest.mark.parametrize("salt", SALTS)
def test_buckets_are_uniform(salt: str) -> None:
    tenths = [0] * 10
    for entity in IDS:
        tenths[bucket_of(salt, entity) * 10 // BUCKETS] += 1
    expected = len(IDS) / 10
    chi_square = sum((count - expected) ** 2 / expected for count in tenths)
    assert chi_square < 27.9, "beyond the 99.9 % quantile of chi-square with 9 degrees of freedom"


@pytest.mark.parametrize("salt", SALTS)
def test_who_is_inside_stays_inside(salt: str) -> None:
    steps = [inside(salt, percent) for percent in (0, 0.001, 10, 33.333, 50, 99.999, 100)]
    assert steps[0] == set()
    assert steps[-1] == set(IDS)
    assert all(fewer <= more for fewer, more in itertools.pairwise(steps))


def test_two_flags_of_50_percent_overlap_by_a_quarter() -> None:
    halves = {salt: inside(salt, 50) for salt in SALTS}
    for one, other in itertools.combinations(SALTS, 2):
        assert 0.24 < len(halves[one] & halves[other]) / len(IDS) < 0.26, f"{one} and {other} are not independent"


def test_ten_percent_of_one_flag_is_spread_over_another() -> None:
    tenth = inside(SALTS[0], 10)
    for other in SALTS[1:]:
        assert 0.45 < len(tenth & inside(other, 50)) / len(tenth) < 0.55


@pytest.mark.parametrize(
    ("percent", "limit"),
    [(0, 0), (0.001, 1), (1.001, 1_001), (33.333, 33_333), (50, 50_000), (99.999, 99_999), (100, 100_000)],
)
def test_a_percentage_is_a_number_of_buckets(percent: float, limit: int) -> None:
    assert limit_of(percent) == limit


def test_text_that_is_no_unicode_is_refused_and_not_hashed() -> None:
    with pytest.raises(UnicodeEncodeError):
        bucket_of("salt", "\ud800")
