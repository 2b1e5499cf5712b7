"""The lease of a migration, held and renewed for the length of one action."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbactl.core.lease.heartbeat import Heartbeat
from nbactl.errors import StaleFenceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.core._support.clock import Clock
    from nbactl.core.lease.leases import Lease, Leases


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
