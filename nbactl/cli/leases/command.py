"""Leases: which are held, and how to free one whose holder is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from nbactl.cli.ask import Question, operator, proceed
from nbactl.core._support.durations import format_duration
from nbactl.core._support.names import closest
from nbactl.core.lease.holder import describe, is_dead, is_running
from nbactl.errors import DataError, LeaseHeldError, NotFoundError, PreconditionError, StaleFenceError

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.core.lease.leases import Lease, Removal

_REMOVALS: Final = 10


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A lease as it is now. `dead`: its process on this machine is gone. `expires_in`: seconds, negative if past."""

    lease: Lease
    state: Literal["held", "expired", "dead"]
    holder: str
    expires_in: float


@dataclass(frozen=True, slots=True)
class LeaseList:
    """The leases that were taken and not given back, and the last ones that an operator released."""

    leases: tuple[HeldLease, ...]
    removals: tuple[Removal, ...]


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """Which lease to release. `force` also takes it from a holder that may be alive."""

    name: str
    force: bool = False
    reason: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """What was released; `lease` is None if nobody held it, or if it is `replaced`: its holder cannot be read."""

    request: ReleaseRequest
    lease: HeldLease | None
    replaced: bool = False

    @property
    def changed(self) -> bool:
        """Whether the lease was released."""
        return (self.lease is not None or self.replaced) and not self.request.dry_run

    @property
    def forced(self) -> bool:
        """Whether its holder may be alive."""
        return self.lease is not None and self.lease.state == "held"


def list_leases(app: Container) -> LeaseList:
    """Return the leases that are held."""
    now = app.clock.now()
    held = tuple(_held_lease(lease, now) for lease in app.leases.held())
    return LeaseList(held, tuple(app.leases.removals(_REMOVALS)))


def release_lease(app: Container, request: ReleaseRequest, *, confirm: Confirm = proceed) -> Released:
    """Release a lease. Raises NotFoundError if it was never taken, LeaseHeldError if its holder may be alive."""
    try:
        lease = _find(app, request.name)
    except DataError:
        if not request.force:
            raise
        if not request.dry_run:
            confirm(Question(f"Release {request.name}, whose holder cannot be read?", always=True))
            app.leases.replace_unreadable(request.name)
        return Released(request, None, replaced=True)
    if lease is None:
        return Released(request, None)
    found = Released(request, _held_lease(lease, app.clock.now()))
    if found.forced and not request.force:
        raise LeaseHeldError(
            f"{lease.name} is held by {describe(lease.owner)}",
            cause=f"The holder renews it while it runs. It expires at {lease.expires_at.isoformat()}.",
            next_step="Stop the holder, or wait. If the holder is certainly gone, add --force.",
            details={"holder": lease.owner, "expires_at": lease.expires_at},
        )
    if not request.dry_run:
        confirm(Question(f"Release {description(found)}?", always=found.forced))
        _take_away(app, lease, request.reason)
    return found


def description(released: Released) -> str:
    """Return which lease it is, who holds it and until when."""
    held = released.lease
    if held is None:
        return released.request.name
    if held.state == "dead":
        return f"{held.lease.name} from {held.holder}, whose process is gone"
    verb = "expires" if held.expires_in > 0 else "expired"
    return f"{held.lease.name} from {held.holder}, which {verb} {expiry(held)}"


def expiry(held: HeldLease) -> str:
    """Return when a lease expires or expired: `in 30s`, `5m ago`."""
    left = held.expires_in
    return f"in {format_duration(left)}" if left > 0 else f"{format_duration(-left)} ago"


def _take_away(app: Container, lease: Lease, reason: str | None) -> None:
    try:
        app.leases.take_away(lease, by=operator(), reason=reason)
    except StaleFenceError as error:
        raise PreconditionError(
            f"{lease.name} changed hands meanwhile; nothing was changed",
            cause=error.message,
            next_step="Look again: nbactl leases list",
        ) from error


def _find(app: Container, name: str) -> Lease | None:
    """Return the lease, None if it is free. Raises NotFoundError if nobody ever took one of this name."""
    lease = app.leases.current(name)
    if lease is None and not app.leases.is_known(name):
        match = closest(name, [held.name for held in app.leases.held()])
        raise NotFoundError(
            f"no lease named '{name}' was ever taken",
            next_step=f"Did you mean '{match}'?"
            if match
            else "Run 'nbactl leases list' to see the ones that are held.",
        )
    return lease


def _held_lease(lease: Lease, now: datetime) -> HeldLease:
    left = (lease.expires_at - now).total_seconds()
    state: Literal["held", "expired", "dead"] = "held"
    if is_dead(lease.owner):
        state = "dead"
    elif left <= 0 and not is_running(lease.owner):
        state = "expired"
    return HeldLease(lease, state, describe(lease.owner), left)
