"""Another time of day for commands in this process: the clock of the machine, moved by the test."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.cli.main import main
from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator


class WallClock:
    """Time passes as it does, from where the test set it. It never goes back: fencing tokens are made of it."""

    def __init__(self, at: datetime) -> None:
        self._moved = at - datetime.now(UTC)

    def now(self) -> datetime:
        """Return what every SystemClock says."""
        return datetime.now(UTC) + self._moved

    def to(self, at: datetime) -> None:
        """Let time pass until then."""
        assert at >= self.now(), f"{at} is over: it is {self.now()}"
        self._moved = at - datetime.now(UTC)

    def later(self, **of: float) -> None:
        """Let time pass."""
        self._moved += timedelta(**of)


@contextmanager
def wall_clock(at: datetime) -> Iterator[WallClock]:
    """Move the clock of the machine as commands of this process see it."""
    clock = WallClock(at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SystemClock, "now", lambda _: clock.now())
        yield clock


def main_at(at: str, *words: str) -> int:
    """Run a command at a time."""
    with wall_clock(datetime.fromisoformat(at)):
        return main(list(words))


if __name__ == "__main__":
    faults.arm_from_environment(os.environ.get("NBACTL_FAULTS", ""))
    sys.exit(main_at(*sys.argv[1:]))
