"""Leases: one holder at a time, an expiry, and a fencing token that only grows (invariant 12).

Martin Kleppmann, "How to do distributed locking", 2016.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from nbactl.core.calls.deadline import beyond_deadline
from nbactl.core.calls.in_thread import in_thread
from nbactl.core.lease.holder import describe, is_dead, is_running
from nbactl.errors import DataError, LeaseHeldError, PreconditionError, StaleFenceError
from nbactl.frozen import frozen
from nbactl.ports.documents import Create, Document, Filter, Order, Query, Set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import DocumentStore, Transaction

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_COLLECTION = "leases"
_REMOVALS = "lease_removals"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@frozen
class Lease:
    """The right of `owner` to act under `name` until `expires_at`; writes carry `token`."""

    name: str
    owner: str
    token: int
    expires_at: datetime


@frozen
class Removal:
    """A lease that was taken away from its owner, with the operator and the reason."""

    name: str
    owner: str
    token: int
    at: datetime
    by: str
    reason: str | None


class Leases:
    """Takes, renews and gives back leases, each change in one transaction.

    `is_dead` says whether an owner has provably ended, so that its lease need not be waited for; `is_running` whether
    it provably has not, so that its lease is not taken over though it looks expired: a clock may have jumped. What
    cannot be read is left out of lists, and `notice` gets a message about it; what must decide about it raises
    DataError.
    """

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        *,
        is_dead: Callable[[str], bool] = is_dead,
        is_running: Callable[[str], bool] = is_running,
        notice: Callable[[str], None] = _LOG.warning,
    ) -> None:
        self._store = store
        self._clock = clock
        self._is_dead = is_dead
        self._is_running = is_running
        self._notice = notice

    def acquire(self, name: str, owner: str, ttl: float) -> Lease:
        """Take the lease for `ttl` seconds. Raises LeaseHeldError while another owner has it.

        It is taken over from an owner that is dead, and from one that let it expire unless its process is seen to run
        on this machine. An owner that has it already gets it again, with a greater token, so that an answer that was
        lost does no harm.
        """
        (lease,) = self.acquire_all({name: owner}, ttl)
        return lease

    def acquire_all(self, owners: Mapping[str, str], ttl: float) -> list[Lease]:
        """Take several leases, each for its owner, or none of them: in one transaction, all with the same token.

        Raises LeaseHeldError, as `acquire`, for the first that another owner has.
        """

        def take(transaction: Transaction) -> list[Lease]:
            token = (self._clock.now() - _EPOCH) // _MICROSECOND
            for name, owner in owners.items():
                record = transaction.get(_path(name))
                held = _held(name, record)
                if held is not None and not self._free_for(held, owner):
                    raise _held_by_other(held, expired=held.expires_at <= self._clock.now())
                token = max(token, 1 if record is None else _fields_of(record, _LEASE)["token"] + 1)
            return [self._write(transaction, name, owner, token, ttl) for name, owner in owners.items()]

        return self._store.transaction(take)

    async def acquire_async(self, name: str, owner: str, ttl: float) -> Lease:
        """Do as `acquire` in a thread; a lease that comes after the wait has ended is released."""
        return await in_thread(lambda: self.acquire(name, owner, ttl), undo=self.release)

    def renew(self, lease: Lease, ttl: float) -> Lease:
        """Hold the lease for `ttl` seconds from now. Raises StaleFenceError if it was taken over or released."""

        def prolong(transaction: Transaction) -> Lease:
            _check_still_held(lease, transaction.get(_path(lease.name)))
            return self._write(transaction, lease.name, lease.owner, lease.token, ttl)

        return self._store.transaction(prolong)

    async def renew_async(self, lease: Lease, ttl: float) -> Lease:
        """Do as `renew` in a thread."""
        return await in_thread(lambda: self.renew(lease, ttl))

    def release(self, lease: Lease) -> None:
        """Give the lease back. Raises StaleFenceError if it was taken over or released."""
        self.release_all([lease])

    def release_all(self, leases: Sequence[Lease]) -> None:
        """Give leases back in one transaction. Raises StaleFenceError, and keeps all, if one was taken over."""

        def give_back(transaction: Transaction) -> None:
            for lease in leases:
                _check_still_held(lease, transaction.get(_path(lease.name)))
            for lease in leases:
                # The document stays, so that the token never starts again.
                transaction.write(Set(_path(lease.name), _fields(None, lease.token, self._clock.now())))

        with beyond_deadline():
            self._store.transaction(give_back)

    async def release_async(self, lease: Lease) -> None:
        """Do as `release` in a thread, whatever time is left."""
        await in_thread(lambda: self.release(lease), bounded=False)

    def take_away(self, lease: Lease, *, by: str, reason: str | None = None) -> None:
        """End a lease from outside, and keep whose it was: its owner's token is stale from now on.

        Raises StaleFenceError if it is not held as it is in `lease` any more; nothing is changed then.
        """

        def take(transaction: Transaction) -> None:
            _check_still_held(lease, transaction.get(_path(lease.name)))
            now = self._clock.now()
            kept = {"name": lease.name, "owner": lease.owner, "token": lease.token, "at": now}
            transaction.write(
                Create(f"{_REMOVALS}/{lease.token}-{_document_name(lease.name)}", {**kept, "by": by, "reason": reason}),
                Set(_path(lease.name), _fields(None, lease.token, now)),
            )

        self._store.transaction(take)

    def replace_unreadable(self, name: str) -> None:
        """Free a lease whose document cannot be read. Raises PreconditionError if it can."""

        def free(transaction: Transaction) -> None:
            record = transaction.get(_path(name))
            try:
                _held(name, record)
            except DataError:
                now = self._clock.now()
                # Tokens are at least the time they are taken at, so this one is above them.
                transaction.write(Set(_path(name), _fields(None, (now - _EPOCH) // _MICROSECOND, now)))
            else:
                raise PreconditionError(f"the lease {name} can be read", next_step=f"Run: nbactl leases release {name}")

        self._store.transaction(free)

    def removals(self, limit: int) -> list[Removal]:
        """Return the leases that were taken away, the last one first."""
        newest = Query(_REMOVALS, order=(Order("at", descending=True),), limit=limit)
        return self._readable(self._store.query(newest), lambda document: Removal(**_fields_of(document, _REMOVAL)))

    def is_known(self, name: str) -> bool:
        """Say whether the lease was ever taken."""
        return self._store.get(_path(name)) is not None

    def is_alive(self, lease: Lease) -> bool:
        """Say whether its owner may still act under it: not dead, and the lease lasts or its process runs here."""
        if self._is_dead(lease.owner):
            return False
        return lease.expires_at > self._clock.now() or self._is_running(lease.owner)

    def check(self, transaction: Transaction, lease: Lease) -> None:
        """Have `transaction` commit only while the lease is held. Raises StaleFenceError if it is not."""
        _check_still_held(lease, transaction.get(_path(lease.name)))

    def current(self, name: str) -> Lease | None:
        """Return the lease as it was last taken, expired or not; None if it is released or was never taken."""
        return _held(name, self._store.get(_path(name)))

    def held(self) -> list[Lease]:
        """Return all leases that were taken and not released, expired or not, by name."""
        taken = self._store.query(Query(_COLLECTION, (Filter("owner", "!=", None),)))
        # A document without an owner is not a lease; it is named, as one with another owner than a text is.
        records = chain(taken, self._store.lacking(_COLLECTION, "owner"))
        leases = self._readable(records, lambda record: _held(_name(record.id), record))
        return sorted((lease for lease in leases if lease is not None), key=lambda lease: lease.name)

    def _readable(self, documents: Iterable[Document], read: Callable[[Document], T]) -> list[T]:
        found = []
        for document in documents:
            try:
                found.append(read(document))
            except DataError as error:
                self._notice(f"left out: {error.message}. {error.next_step}")
        return found

    def _free_for(self, held: Lease, owner: str) -> bool:
        return held.owner == owner or not self.is_alive(held)

    def _write(self, transaction: Transaction, name: str, owner: str, token: int, ttl: float) -> Lease:
        expires_at = self._clock.now() + timedelta(seconds=ttl)
        transaction.write(Set(_path(name), _fields(owner, token, expires_at)))
        return Lease(name, owner, token, expires_at)


def _path(name: str) -> str:
    return f"{_COLLECTION}/{_document_name(name)}"


def _document_name(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")


def _name(identifier: str) -> str:
    return identifier.replace("%2F", "/").replace("%25", "%")


def _fields(owner: str | None, token: int, expires_at: datetime) -> dict[str, Any]:
    return {"owner": owner, "token": token, "expires_at": expires_at}


def _held(name: str, record: Document | None) -> Lease | None:
    if record is None:
        return None
    data = _fields_of(record, _LEASE)
    return None if data["owner"] is None else Lease(name, data["owner"], data["token"], data["expires_at"])


_TEXT_OR_NOTHING = (str, type(None))
_LEASE: Mapping[str, tuple[type, ...]] = {"owner": _TEXT_OR_NOTHING, "token": (int,), "expires_at": (datetime,)}
_REMOVAL: Mapping[str, tuple[type, ...]] = {
    "name": (str,), "owner": (str,), "token": (int,), "at": (datetime,), "by": (str,), "reason": _TEXT_OR_NOTHING,
}  # fmt: skip


def _next_step(document: Document) -> str:
    collection, _, identifier = document.path.partition("/")
    release = f" If that does not help: nbactl leases release {_name(identifier)} --force"
    return f"Update nbactl.{release if collection == _COLLECTION else ''}"


def _fields_of(document: Document, kinds: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """Return the fields of a document that are known. Raises DataError for one that is missing or of another type."""
    try:
        data = document.data
    except DataError as error:
        raise DataError(error.message, cause=error.cause, next_step=_next_step(document)) from error
    for name, kind in kinds.items():
        if name not in data or not isinstance(data[name], kind) or isinstance(data[name], bool):
            what = f"is {data[name]!r}" if name in data else "is missing"
            raise DataError(
                f"{document.path} cannot be read: its {name} {what}",
                cause="A newer nbactl wrote it, or it was damaged.",
                next_step=_next_step(document),
                details={"path": document.path},
            )
    return {name: data[name] for name in kinds}


def _held_by_other(held: Lease, *, expired: bool) -> LeaseHeldError:
    until = held.expires_at.isoformat(timespec="seconds")
    return LeaseHeldError(
        f"{held.name} is held by {describe(held.owner)}",
        cause=f"Its lease ran out at {until}, but its process is still running on this machine."
        if expired
        else f"Its lease lasts until {until} unless it is renewed.",
        next_step="Wait until it has finished, or stop it.",
        details={"holder": held.owner, "expires_at": held.expires_at},
    )


def _check_still_held(lease: Lease, record: Document | None) -> None:
    held = _held(lease.name, record)
    if held is None:
        raise StaleFenceError(f"the lease {lease.name} was released", details={"holder": None})
    if (held.owner, held.token) != (lease.owner, lease.token):
        raise StaleFenceError(
            f"the lease {lease.name} was taken over by {describe(held.owner)}",
            cause="It was not renewed in time, or its holder was taken for dead.",
            next_step="Stop; what was begun under it is refused from now on.",
            details={"holder": held.owner, "expires_at": held.expires_at},
        )
