"""Identifiers."""

from __future__ import annotations

import random

from nbactl.core._support.ids import TimeSortedIds
from nbactl.testing.clock import FakeClock

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def test_an_id_is_its_time_in_milliseconds_and_35_random_bits_in_base_32() -> None:
    clock = FakeClock()
    made = TimeSortedIds(clock, random.Random(7)).new("run")
    prefix, digits = made.split("-")
    number = 0
    for digit in digits:
        number = number * 32 + ALPHABET.index(digit)
    assert (prefix, len(digits)) == ("run", 16)
    assert number >> 35 == int(clock.now().timestamp() * 1000)
    assert number & (2**35 - 1) == random.Random(7).getrandbits(35)


def test_ids_sort_by_the_millisecond_they_were_made_in() -> None:
    clock = FakeClock()
    ids = TimeSortedIds(clock)
    made = []
    for _ in range(500):
        made.append(ids.new("x"))
        clock.advance(0.001)
    assert made == sorted(made)


def test_ids_of_one_millisecond_differ() -> None:
    ids = TimeSortedIds(FakeClock())
    assert len({ids.new("x") for _ in range(5000)}) == 5000
