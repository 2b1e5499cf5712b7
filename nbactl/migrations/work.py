"""A running action: holds the lease, waits while it is paused, records checkpoints, reports progress."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nbactl.core.lease.heartbeat import Heartbeat
from nbactl.errors import InterruptedRunError, StaleFenceError
from nbactl.migrations.model import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbactl.core._support.aio import Cancellation
    from nbactl.core._support.clock import Clock
    from nbactl.core.lease.leases import Lease, Leases
    from nbactl.migrations.model import MigrationState, Operator, Pause
    from nbactl.migrations.record import MigrationRecord


class ActionLease:
    """The lease of a running action, and why it was lost, if it was."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._lost: str | None = None

    @property
    def lease(self) -> Lease:
        """The lease. Raises StaleFenceError once it was lost."""
        if self._lost is not None:
            raise StaleFenceError(
                f"the lease {self._lease.name} was lost: {self._lost}",
                cause="Another process may be working on the migration by now.",
                next_step="Run the same command again; it resumes.",
            )
        return self._lease

    def lose(self, reason: str) -> None:
        """Record that the lease was lost."""
        self._lost = reason


@contextmanager
def hold_lease(
    leases: Leases, name: str, owner: str, *, ttl: float, renew_every: float, clock: Clock
) -> Iterator[ActionLease]:
    """Hold the lease `name` during the block; a thread renews it. Raises LeaseHeldError if another process has it."""
    lease = leases.acquire(name, owner, ttl)
    held = ActionLease(lease)
    heartbeat = Heartbeat(
        leases,
        lease,
        ttl=ttl,
        renew_every=renew_every,
        poll_every=renew_every,
        clock=clock,
        cancel_requested=lambda: False,
        on_cancel=lambda: None,
        on_lost=held.lose,
    )
    try:
        with heartbeat:
            yield held
    finally:
        try:
            leases.release(heartbeat.lease)
        except StaleFenceError as error:
            held.lose(error.message)  # another process took it over; late writes of this one were refused


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """The progress of an action. `done` and `total` count batches; `eta` is in seconds, None while it is unknown.

    `counts` has what was done so far, such as `created`.
    """

    action: str
    phase: str
    done: int
    total: int
    elapsed: float
    eta: float | None
    counts: Mapping[str, int] = field(default_factory=dict)
    paused: Pause | None = None


class Meter:
    """Measures a phase of an action, and estimates the rest from what this process has done."""

    def __init__(self, clock: Clock, action: str, phase: str, *, done: int, total: int) -> None:
        self._clock = clock
        self._action = action
        self._phase = phase
        self._first = done
        self._total = max(total, done)
        self._began = clock.monotonic()
        self._last = ProgressEvent(action, phase, done, self._total, 0.0, None)

    def at(self, done: int, counts: Mapping[str, int], *, paused: Pause | None = None) -> ProgressEvent:
        """Return the event for `done` batches."""
        elapsed = self._clock.monotonic() - self._began
        total = max(self._total, done)
        mine = done - self._first
        eta = elapsed / mine * (total - done) if mine > 0 else None
        self._last = ProgressEvent(self._action, self._phase, done, total, elapsed, eta, dict(counts), paused=paused)
        return self._last

    def again(self, pause: Pause | None) -> ProgressEvent:
        """Return the last event again, with the pause, or without one when it is over."""
        return self.at(self._last.done, self._last.counts, paused=pause)


@dataclass(frozen=True, slots=True)
class MigrationWork:
    """What a running action needs. `poll` is how often (seconds) a paused one checks whether it may continue."""

    record: MigrationRecord
    held: ActionLease
    operator: Operator
    clock: Clock
    observe: Callable[[ProgressEvent], None]
    cancellation: Cancellation
    poll: float

    @property
    def lease(self) -> Lease:
        """The lease. Raises StaleFenceError once it was lost."""
        return self.held.lease

    def state(self) -> MigrationState:
        """Return the migration as it is now."""
        return self.record.read()

    def wait_if_paused(self, meter: Meter | None = None) -> None:
        """Return at once, or when the migration is no longer paused.

        Raises InterruptedRunError if the action was cancelled, StaleFenceError if the lease was lost.
        """
        waited = False
        while True:
            self.check()
            paused = self.state().paused
            if meter is not None and (paused is not None or waited):
                self.observe(meter.again(paused))
            if paused is None:
                return
            waited = True
            self.clock.sleep(self.poll)

    def wait(self, seconds: float) -> None:
        """Wait `seconds`. Raises as `check` does."""
        until = self.clock.monotonic() + seconds
        while (left := until - self.clock.monotonic()) > 0:
            self.check()
            self.clock.sleep(min(left, self.poll))

    def check(self) -> None:
        """Raise InterruptedRunError if the action was cancelled, StaleFenceError if the lease was lost."""
        if self.cancellation.requested:
            raise stopped(self.record.name)
        _ = self.lease

    def begin(self, action: str, scope: str, *, cursor: Mapping[str, Any], young: float | None = None) -> Checkpoint:
        """Return the checkpoint of `action` if it was interrupted in this scope and stage, else a new one.

        With `young` a checkpoint whose action began more than that many seconds ago is not resumed.
        """
        state, now = self.state(), self.clock.now()
        found = state.checkpoint
        fits = found is not None and (found.action, found.scope, found.stage) == (action, scope, state.stage)
        if found is not None and fits and (young is None or (now - found.started_at).total_seconds() <= young):
            return found
        return Checkpoint(action, scope, state.stage, now, 0, cursor)

    def save(self, checkpoint: Checkpoint, cursor: Mapping[str, Any], chunk: Mapping[str, Any]) -> Checkpoint:
        """Record a chunk as done; returns the checkpoint after it."""
        behind = replace(checkpoint, chunks=checkpoint.chunks + 1, cursor=cursor)
        self.record.save(self.lease, behind, chunk)
        return behind


def stopped(name: str) -> InterruptedRunError:
    """Return the error of an action that was cancelled."""
    return InterruptedRunError(
        f"the migration {name} was stopped on request",
        cause="Progress is saved, and the lease is released.",
        next_step="Run the same command again; it resumes.",
    )
