"""Sets of dates: what the contexts of one task for many dates have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from nbactl.ports.compute import TaskContext
    from nbactl.ports.warehouse import Fence


class SetFence:
    """The right to write many dates: that of each of them, under one token."""

    def __init__(self, fences: Sequence[Fence]) -> None:
        """Raises ValueError for fences of several tokens."""
        tokens = {fence.token for fence in fences}
        if len(tokens) > 1:
            raise ValueError(f"a set of dates is written under one token, not {len(tokens)}")
        self._fences = fences
        (self.token,) = tokens
        self.holder = fences[0].holder

    def guard(self, commit: Callable[[], None]) -> None:
        """Call `commit` unless the right to one of the dates was revoked (StaleFenceError)."""
        self._guard(commit, 0)

    def _guard(self, commit: Callable[[], None], number: int) -> None:
        if number == len(self._fences):
            commit()
        else:
            self._fences[number].guard(lambda: self._guard(commit, number + 1))


def days_of(contexts: Sequence[TaskContext]) -> list[date]:
    """Return the dates, in order."""
    return sorted(context.call.game_date for context in contexts)


def fence_of(contexts: Sequence[TaskContext]) -> Fence:
    """Return the right to write all of them."""
    return contexts[0].fence if len(contexts) == 1 else SetFence([context.fence for context in contexts])


def labels_of(contexts: Sequence[TaskContext]) -> dict[str, str]:
    """Return the labels of a job for all of them: those of the first run, with the first and the last date."""
    days = days_of(contexts)
    labels = contexts[0].call.labels
    return labels if len(days) == 1 else {**labels, "game_date": f"{days[0]}_{days[-1]}"}
