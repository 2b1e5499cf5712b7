"""One action at work: it holds the lease, looks at each chunk whether it may go on, and records how far it is."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nbactl.core.lease.heartbeat import Heartbeat
from nbactl.errors import InterruptedRunError, StaleFenceError
from nbactl.migrations.model import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbactl.core._support.aio import Cancellation
    from nbactl.core._support.clock import Clock
    from nbactl.core.lease.leases import Lease, Leases
    from nbactl.migrations.model import MigrationState, Operator
    from nbactl.migrations.progress import Meter, ProgressEvent
    from nbactl.migrations.record import MigrationRecord


class Held:
    """A lease in hand. `lost` says why it is no longer, once it is not."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._lost: str | None = None

    @property
    def lease(self) -> Lease:
        """The lease. Raises StaleFenceError once it was lost."""
        if self._lost is not None:
            raise StaleFenceError(
                f"the lease {self._lease.name} was lost: {self._lost}",
                cause="Somebody else may be at work on the migration by now.",
                next_step="Give the same command again: it goes on where this one stopped.",
            )
        return self._lease

    def lose(self, reason: str) -> None:
        """Note that the lease is gone."""
        self._lost = reason


@contextmanager
def holding(leases: Leases, name: str, owner: str, *, ttl: float, renew_every: float, clock: Clock) -> Iterator[Held]:
    """Hold the lease `name` during the block, renewing it in a thread. Raises LeaseHeldError while another has it."""
    lease = leases.acquire(name, owner, ttl)
    held = Held(lease)
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
            held.lose(error.message)  # whoever took it over has it; what this one wrote was fenced


@dataclass(frozen=True, slots=True)
class Work:
    """What an action needs while it moves a migration. `poll` is how often (seconds) a paused one looks again."""

    record: MigrationRecord
    held: Held
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

    def may_go_on(self, meter: Meter | None = None) -> None:
        """Return when the action may take its next step: at once, or when it is no longer paused.

        Raises InterruptedRunError if it was told to stop, StaleFenceError if the lease was lost.
        """
        while True:
            self.check()
            paused = self.state().paused
            if paused is None:
                return
            if meter is not None:
                self.observe(meter.held_up(paused))
            self.clock.sleep(self.poll)

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass, unless the action is told to stop."""
        until = self.clock.monotonic() + seconds
        while (left := until - self.clock.monotonic()) > 0:
            self.check()
            self.clock.sleep(min(left, self.poll))

    def check(self) -> None:
        """Raise InterruptedRunError if the action was told to stop, StaleFenceError if the lease was lost."""
        if self.cancellation.requested:
            raise stopped(self.record.name)
        _ = self.lease

    def begin(self, action: str, scope: str, *, cursor: Mapping[str, Any], young: float | None = None) -> Checkpoint:
        """Return where `action` left off if it was interrupted in this scope and stage, or else its beginning.

        With `young` a checkpoint whose action began longer ago than that many seconds is not gone on from.
        """
        state, now = self.state(), self.clock.now()
        found = state.checkpoint
        fits = found is not None and (found.action, found.scope, found.stage) == (action, scope, state.stage)
        if found is not None and fits and (young is None or (now - found.started_at).total_seconds() <= young):
            return found
        return Checkpoint(action, scope, state.stage, now, 0, cursor)

    def save(self, checkpoint: Checkpoint, cursor: Mapping[str, Any], chunk: Mapping[str, Any]) -> Checkpoint:
        """Record a chunk as done; returns the checkpoint behind it."""
        behind = replace(checkpoint, chunks=checkpoint.chunks + 1, cursor=cursor)
        self.record.save(self.lease, behind, chunk)
        return behind


def stopped(name: str) -> InterruptedRunError:
    """Return the error of an action that was told to stop."""
    return InterruptedRunError(
        f"the migration {name} was stopped on request",
        cause="What is done is recorded, and the lease is given back.",
        next_step="Give the same command again: it goes on from here.",
    )
