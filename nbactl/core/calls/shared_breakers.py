"""Keeps the breakers of a process in step with those of others: a beat in the background, never in a call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from nbactl.core._support.periodic import Beat
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from nbactl.core._support.interval import Interval
    from nbactl.core.breaker_shared import SharedBreakers
    from nbactl.core.calls.breaker import Breaker

_LOG = logging.getLogger(__name__)


class BreakerBeat:
    """Syncs each breaker that `breakers` names, `every` so often, in a thread of its own, after a fork too.

    A store that is down costs time and nothing else: each process then decides alone, as it does between two beats.
    """

    def __init__(
        self, shared: SharedBreakers, breakers: Callable[[], Iterable[Breaker]], *, every: Interval, rng: Random
    ) -> None:
        self._shared = shared
        self._breakers = breakers
        self._failing: set[str] = set()
        self._beat = Beat("breakers", self.beat, lambda: every.pause(rng), every.seconds)

    def start(self) -> None:
        """Begin, with what the others know already."""
        self.beat()
        self._beat.start()

    def beat(self) -> None:
        """Sync now. What fails is logged once, until it works again."""
        for breaker in self._breakers():
            try:
                self._shared.sync(breaker)
            except NbactlError as error:
                if breaker.name not in self._failing:
                    _LOG.warning("the breaker %s knows only this process: %s", breaker.name, error, exc_info=error)
                self._failing.add(breaker.name)
            else:
                if breaker.name in self._failing:
                    _LOG.info("the breaker %s knows of other processes again", breaker.name)
                self._failing.discard(breaker.name)

    def close(self) -> None:
        """End the thread, and tell the others what happened since its last beat."""
        self._beat.close()
        self.beat()
