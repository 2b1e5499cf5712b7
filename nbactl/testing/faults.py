"""Fault points armed for the length of a `with` block.

The document store has two: `documents.before_commit` (all is written, nothing is durable) and
`documents.after_commit` (durable, but the caller does not know yet).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbactl.core._support.faults import arm, disarm, reach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["arm", "calling", "counting", "disarm", "failing", "reach"]


@contextmanager
def calling(name: str, action: Callable[[], None]) -> Iterator[None]:
    """Have `action` called whenever the point `name` is reached."""
    arm(name, action)
    try:
        yield
    finally:
        disarm(name)


@contextmanager
def failing(name: str, error: BaseException, *, times: int = 1) -> Iterator[None]:
    """Raise `error` the first `times` times that the point `name` is reached."""
    left = times

    def fail() -> None:
        nonlocal left
        if left > 0:
            left -= 1
            raise error

    with calling(name, fail):
        yield


@contextmanager
def counting(name: str) -> Iterator[Callable[[], int]]:
    """Yield a function that says how often the point `name` was reached."""
    count = 0

    def note() -> None:
        nonlocal count
        count += 1

    with calling(name, note):
        yield lambda: count
