"""A breaker on a clock that stands still, with the events it told."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from nbactl.core.calls.breaker import Breaker, BreakerSettings
from nbactl.errors import UnavailableError
from nbactl.testing import FakeClock

if TYPE_CHECKING:
    from nbactl.core.observe.events import Event

SETTINGS: dict[str, Any] = {"failure_rate": 0.5, "minimum_calls": 4, "open_for": 30.0, "window": 60.0}


class Lab:
    """Makes calls that end well or badly."""

    def __init__(self, settings: BreakerSettings | None = None, **changes: Any) -> None:
        self.clock = FakeClock(autojump=True)
        self.events: list[Event] = []
        self.breaker = Breaker(
            settings or BreakerSettings("upstream", **{**SETTINGS, **changes}), self.clock, self.events.append
        )

    @property
    def state(self) -> str:
        return self.breaker.state

    def good(self, count: int = 1, *, takes: float = 0.0) -> None:
        for _ in range(count):
            self.breaker.call(self.clock.advance, takes)

    def bad(self, count: int = 1, error: Exception | None = None) -> None:
        """Make calls that fail as an outage does, or with `error`."""
        for _ in range(count):
            with contextlib.suppress(UnavailableError if error is None else type(error)):
                self.breaker.call(_fail, error or UnavailableError("down"))

    def trip(self) -> None:
        """Open it."""
        self.bad(self.breaker.settings.minimum_calls)
        assert self.state == "open"

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def _fail(error: Exception) -> None:
    raise error
