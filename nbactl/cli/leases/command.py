"""Leases: which are held, and how to free one whose holder is gone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from nbactl.cli.ask import Question, operator, proceed
from nbactl.core._support.durations import format_duration
from nbactl.core._support.names import closest
from nbactl.core.lease.holder import describe, is_dead, is_running
from nbactl.core.lease.locks import find_lock, is_lock, read_locks, remove_lock
from nbactl.errors import DataError, LeaseHeldError, NotFoundError, PreconditionError, StaleFenceError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.core.lease.leases import Lease, Removal
    from nbactl.core.lease.locks import OldLock

_REMOVALS: Final = 10


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A lease as it is now. `dead`: its process on this machine is gone. `expires_in`: seconds, negative if past."""

    lease: Lease
    state: Literal["held", "expired", "dead"]
    holder: str
    expires_in: float


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock of another program as it is now. `expires_in`: seconds, negative if past, None if it has no expiry."""

    lock: OldLock
    state: Literal["held", "expired"]
    expires_in: float | None


@dataclass(frozen=True, slots=True)
class LeaseList:
    """The leases that were taken and not given back, and the last ones that an operator released.

    `locks` are those of other programs.
    """

    leases: tuple[HeldLease, ...]
    removals: tuple[Removal, ...]
    locks: tuple[HeldLock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """Which lease to release. `force` also takes it from a holder that may be alive.

    `foreign`: it is a lock of another program, which knows nothing of nbactl.
    """

    name: str
    force: bool = False
    foreign: bool = False
    reason: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """What was released; `lease` is None if nobody held it, or if it is `replaced`: its holder cannot be read."""

    request: ReleaseRequest
    lease: HeldLease | None
    replaced: bool = False
    lock: HeldLock | None = None
    """The lock of another program that was released."""
    copy: str | None = None
    """The document that keeps what the lock held."""

    @property
    def changed(self) -> bool:
        """Whether the lease was released."""
        return (self.lease is not None or self.lock is not None or self.replaced) and not self.request.dry_run

    @property
    def forced(self) -> bool:
        """Whether its holder may be alive."""
        held = self.lease or self.lock
        return held is not None and held.state == "held"


def list_leases(app: Container) -> LeaseList:
    """Return the leases that are held, and the locks of other programs."""
    now = app.clock.now()
    held = tuple(_held_lease(lease, now) for lease in app.leases.held())
    locks = tuple(held_lock(lock, now) for lock in read_locks(app.documents, app.notice))
    return LeaseList(held, tuple(app.leases.removals(_REMOVALS)), locks)


def release_lease(app: Container, request: ReleaseRequest, *, confirm: Confirm = proceed) -> Released:
    """Release a lease. Raises NotFoundError if it was never taken, LeaseHeldError if its holder may be alive.

    A lock of another program is refused with PreconditionError unless `foreign` is set.
    """
    if is_lock(request.name):
        return _release_lock(app, request, confirm)
    if request.foreign:
        raise UsageError(
            f"{request.name} is not a lock of another program",
            next_step="Leave --foreign out. Those locks are named collection_locks/id.",
        )
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


def held_lock(lock: OldLock, now: datetime) -> HeldLock:
    """Return a lock as it is now."""
    left = None if lock.expires_at is None else (lock.expires_at - now).total_seconds()
    return HeldLock(lock, "expired" if lock.is_expired(now) else "held", left)


def _release_lock(app: Container, request: ReleaseRequest, confirm: Confirm) -> Released:
    held = held_lock(find_lock(app.documents, request.name), app.clock.now())
    released = Released(request, None, lock=held)
    if not request.foreign:
        raise PreconditionError(
            f"{request.name} is a lock of another program",
            cause="nbactl did not take it, and its program is not informed when it is removed.",
            next_step="If its program is certainly gone, add --foreign.",
            details={"holder": held.lock.owner, "expires_at": held.lock.expires_at},
        )
    if released.forced and not request.force:
        raise LeaseHeldError(
            f"{request.name} has not expired",
            cause=f"It is held by {held.lock.owner or 'an unknown owner'}.",
            next_step="Wait until it expires. If its program is certainly gone, add --force.",
            details={"holder": held.lock.owner, "expires_at": held.lock.expires_at},
        )
    if request.dry_run:
        return released
    confirm(Question(f"Release {description(released)}?", always=True))
    copy = remove_lock(app.documents, app.clock, held.lock, by=operator(), reason=request.reason)
    return replace(released, copy=copy)


def description(released: Released) -> str:
    """Return which lease it is, who holds it and until when."""
    if released.lock is not None:
        lock = released.lock
        return f"{lock.lock.name} of another program, held by {lock.lock.owner or 'an unknown owner'}"
    held = released.lease
    if held is None:
        return released.request.name
    if held.state == "dead":
        return f"{held.lease.name} from {held.holder}, whose process is gone"
    verb = "expires" if held.expires_in > 0 else "expired"
    return f"{held.lease.name} from {held.holder}, which {verb} {expiry(held)}"


def expiry(held: HeldLease | HeldLock) -> str:
    """Return when a lease expires or expired: `in 30s`, `5m ago`."""
    left = held.expires_in
    if left is None:
        return "never"
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
