"""Progress of an action, for whoever watches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.core._support.clock import Clock
    from nbactl.migrations.model import Pause


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """How far an action is. `done` and `total` count batches; `eta` is in seconds, None while nobody can tell.

    `counts` has what was done so far, such as `created`; `note` is what a person should know now.
    """

    action: str
    phase: str
    done: int
    total: int
    elapsed: float
    eta: float | None
    counts: Mapping[str, int] = field(default_factory=dict)
    paused: Pause | None = None
    note: str | None = None


class Meter:
    """Measures a phase of an action: what this process has done of it in which time gives the rest."""

    def __init__(self, clock: Clock, action: str, phase: str, *, done: int, total: int) -> None:
        self._clock = clock
        self._action = action
        self._phase = phase
        self._first = done
        self._total = max(total, done)
        self._began = clock.monotonic()
        self._last = ProgressEvent(action, phase, done, self._total, 0.0, None)

    def at(
        self, done: int, counts: Mapping[str, int], *, paused: Pause | None = None, note: str | None = None
    ) -> ProgressEvent:
        """Return the event for `done` batches."""
        elapsed = self._clock.monotonic() - self._began
        total = max(self._total, done)
        mine = done - self._first
        eta = elapsed / mine * (total - done) if mine > 0 else None
        self._last = ProgressEvent(
            self._action, self._phase, done, total, elapsed, eta, dict(counts), paused=paused, note=note
        )
        return self._last

    def held_up(self, paused: Pause | None, note: str | None = None) -> ProgressEvent:
        """Return the last event anew, with why nothing moves."""
        last = self._last
        return self.at(last.done, last.counts, paused=paused, note=note)
