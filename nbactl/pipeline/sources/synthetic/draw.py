"""Chance for the synthetic season: the same on every machine and Python version.

Only `Random.random()` and the four basic operations are used: shuffles and normal variates have changed between
Python versions, and logarithms differ in the last bit between C libraries.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SEED = "nbactl sample season 1"
GENERATOR = 1
"""Goes up with every change of the code that changes what is made, so that finished dates are made again."""


def stream(*parts: object) -> Random:
    """Return the random stream of one thing (a team, a game), independent of every other."""
    return Random(":".join((SEED, *map(str, parts))))  # noqa: S311 - a simulation, no secret


def between(rng: Random, low: float, high: float) -> float:
    """Return a number in [low, high), uniform."""
    return low + (high - low) * rng.random()


def whole(rng: Random, low: int, high: int) -> int:
    """Return an integer from `low` to `high`, both included, uniform."""
    return low + int((high - low + 1) * rng.random())


def bell(rng: Random) -> float:
    """Return a number around 0 within [-1, 1], nearer values more often (the mean of three uniform ones)."""
    return (rng.random() + rng.random() + rng.random()) * 2 / 3 - 1


class Weighted:
    """Draws of an index with given weights."""

    __slots__ = ("_cumulative", "_last", "_random", "_total")

    def __init__(self, rng: Random, weights: Sequence[float]) -> None:
        self._cumulative = list(accumulate(weights))
        self._total = self._cumulative[-1]
        self._last = len(weights) - 1
        self._random = rng.random

    def __call__(self) -> int:
        """Return an index."""
        return min(bisect_right(self._cumulative, self._random() * self._total), self._last)


def apportion(total: int, weights: Sequence[float]) -> list[int]:
    """Split a whole number by weights so that the parts add up to it (largest remainders, ties to the first)."""
    scale = total / sum(weights)
    exact = [weight * scale for weight in weights]
    parts = [int(value // 1) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: parts[i] - exact[i])
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts
