"""Leases and locks of other programs whose holders are gone (invariant 12)."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from nbactl.core.lease.holder import describe
from nbactl.core.lease.locks import find_lock, is_lock, read_locks, remove_lock
from nbactl.errors import NotFoundError
from nbactl.frozen import frozen
from nbactl.healing.model import Fault, date_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.core._support.clock import Clock
    from nbactl.core.lease.leases import Leases
    from nbactl.healing.model import Scope
    from nbactl.ports.documents import DocumentStore

_MOST: Final = 50
_REASON: Final = "its holder is gone"


@frozen
class LeaseStale:
    """A lease that expired, or whose process is gone, or a lock of another program that is past its expiry.

    A lock without an expiry is not judged: nobody can say whether its holder is gone.
    """

    documents: DocumentStore
    leases: Leases
    clock: Clock
    operator: Callable[[], str]
    after: float
    name: str = "lease_stale"

    def find(self, scope: Scope) -> Iterator[Fault]:
        latest = scope.now - timedelta(seconds=self.after)
        for lease in self.leases.held():
            if lease.expires_at <= latest and not self.leases.is_alive(lease):
                yield Fault(
                    self.name,
                    lease.name,
                    f"held by {describe(lease.owner)}, which is gone",
                    "release it; its fencing token becomes stale",
                    f"nbactl leases release {lease.name}",
                    date_in(lease.name),
                    lease.expires_at,
                )
        expired = (lock for lock in read_locks(self.documents) if lock.expires_at and lock.expires_at <= latest)
        for lock in islice(expired, _MOST):
            yield Fault(
                self.name,
                lock.name,
                f"a lock of another program, held by {lock.owner or 'an unknown owner'}, is past its expiry",
                "remove it, with a copy in lock_removals",
                f"nbactl leases release {lock.name} --foreign",
                date_in(lock.id),
                lock.expires_at,
            )

    def repair(self, fault: Fault) -> str:
        if is_lock(fault.object):
            lock = find_lock(self.documents, fault.object)
            if not lock.is_expired(self.clock.now()):
                return f"{fault.object} was taken again"
            copy = remove_lock(self.documents, self.clock, lock, by=self.operator(), reason=_REASON)
            return f"removed {fault.object}; a copy is in {copy}"
        lease = self.leases.current(fault.object)
        if lease is None or self.leases.is_alive(lease):
            return f"{fault.object} was released or taken again"
        self.leases.take_away(lease, by=self.operator(), reason=_REASON)
        return f"released {fault.object}"

    def verify(self, fault: Fault) -> str | None:
        if is_lock(fault.object):
            try:
                lock = find_lock(self.documents, fault.object)
            except NotFoundError:
                return "the lock is gone"
            return None if lock.is_expired(self.clock.now()) else "its program took it again"
        lease = self.leases.current(fault.object)
        if lease is None:
            return "the lease is free"
        return f"held by {describe(lease.owner)}, which is alive" if self.leases.is_alive(lease) else None
