"""Claims: the document of a key, `message_dedup/{key}`, and the thread that renews the claims of a process."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import weakref
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nbactl.core.lease.holder import describe
from nbactl.errors import InProgressError, PayloadMismatchError, StaleFenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import Document, Write


@dataclass(frozen=True, slots=True)
class Done:
    """The work of the key was done before, with this result."""

    key: str
    result: Any


class Claim:
    """Work under way. `owner` is unique to this claim; `version` is the update time that guards every step of it.

    A claim that is not `kept` is not stored and excludes no other: it only carries the writes to the end of the work.
    """

    __slots__ = ("_writes", "began", "completed", "kept", "key", "lock", "lost", "owner", "path", "renewed", "version")

    def __init__(self, key: str, path: str, owner: str, began: float, *, kept: bool = True) -> None:
        self.kept = kept
        self.key = key
        self.path = path
        self.owner = owner
        self.began = self.renewed = began
        self.version: datetime | None = None
        self.lost = False
        """Whether another process is known to have taken over: further steps are refused."""
        self.completed = False
        """Whether the end of the work is known to be durable; no step is taken after that."""
        self.lock = threading.Lock()
        self._writes: list[Write] = []

    def write(self, *writes: Write) -> None:
        """Have `writes` committed together with the end of the work: both are durable or neither."""
        self._writes.extend(writes)

    def writes(self) -> tuple[Write, ...]:
        """Return what was given to `write`."""
        return tuple(self._writes)


_current: ContextVar[Claim | None] = ContextVar("nbactl_claim", default=None)


def current_claim() -> Claim:
    """Return the claim under which this code runs. Raises RuntimeError outside of idempotent work."""
    claim = _current.get()
    if claim is None:
        raise RuntimeError("no current claim: call this inside idempotent work")
    return claim


@contextmanager
def working_under(claim: Claim) -> Iterator[None]:
    """Make `claim` the current one for the length of a `with` block."""
    token = _current.set(claim)
    try:
        yield
    finally:
        _current.reset(token)


def payload_hash(payload: bytes | None) -> str | None:
    """Return what identifies a payload, if there is one."""
    return None if payload is None else hashlib.sha256(payload).hexdigest()


@dataclass(frozen=True, slots=True)
class ClaimSettings:
    """How long things last, in seconds: a claim without a sign of life, between signs of life, and what was done.

    `keep` must exceed the time in which the same message may come again (retention of the subscription, and replays).
    """

    lease: float
    renew_every: float
    keep: float


def claimed_fields(claim: Claim, digest: str | None, now: datetime, terms: ClaimSettings) -> Mapping[Any, Any]:
    """Return the fields during the work; `expires_at` is when Firestore's TTL policy may delete them."""
    return {
        "state": "claimed",
        "owner": claim.owner,
        "lease_expires_at": now + timedelta(seconds=terms.lease),
        "payload_hash": digest,
        "expires_at": now + timedelta(seconds=terms.keep),
    }


def done_fields(result: object, now: datetime, terms: ClaimSettings) -> Mapping[Any, Any]:
    """Return the fields that change when the work is done."""
    return {
        "state": "done",
        "lease_expires_at": None,
        "result": result,
        "processed_at": now,
        "expires_at": now + timedelta(seconds=terms.keep),
    }


def refuse_unless_free(
    key: str, document: Document, digest: str | None, now: datetime, is_dead: Callable[[str], bool]
) -> Done | None:
    """Return what was done, or None if the key is free: expired, or left by an owner that is gone.

    Raises PayloadMismatchError and InProgressError. Expired documents may be there for a day before they are deleted.
    """
    data = document.data
    expires_at = data.get("expires_at")
    if expires_at is not None and expires_at <= now:
        return None
    if digest is not None and data.get("payload_hash") not in (None, digest):
        raise PayloadMismatchError(
            f"the key {key} was used for another payload",
            cause="Two different messages have the same key, so one of them would be lost as a duplicate.",
            next_step="Change the code that builds the key, so that the two messages get different keys.",
            details={"key": key, "payload_hash": digest, "known_hash": data["payload_hash"]},
        )
    if data["state"] == "done":
        return Done(key, data.get("result"))
    if data["lease_expires_at"] > now and not is_dead(data["owner"]):
        raise InProgressError(
            f"{key} is being worked on by {describe(data['owner'])}",
            cause=f"Its claim lasts until {data['lease_expires_at'].isoformat(timespec='seconds')}.",
            next_step="Deliver it again later.",
            details={"key": key, "holder": data["owner"], "expires_at": data["lease_expires_at"]},
        )
    return None


_LOG = logging.getLogger(__name__)


class Renewals:
    """Calls `renew` for each claim that was not renewed for `every` seconds.

    The thread starts with the first claim and ends when it finds none, so that short work costs no thread of its own.
    """

    def __init__(self, renew: Callable[[Claim], None], clock: Clock, every: float) -> None:
        self._renew = renew
        self._clock = clock
        self._every = every
        self._begin()
        _watch_forks(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._claims: set[Claim] = set()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def after_fork_in_child(self) -> None:
        """Leave the claims to the parent, whose work they are; its locks may have been held."""
        self._begin()

    def watch(self, claim: Claim) -> None:
        """Keep `claim` alive until `forget`."""
        with self._lock:
            self._claims.add(claim)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="nbactl-renewals", daemon=True)
                self._thread.start()

    def forget(self, claim: Claim) -> None:
        """Stop renewing it."""
        with self._lock:
            self._claims.discard(claim)

    def renew_due(self) -> None:
        """Renew the claims whose time has come."""
        now = self._clock.monotonic()
        with self._lock:
            due = [claim for claim in self._claims if now - claim.renewed >= self._every]
        for claim in due:
            try:
                self._renew(claim)
            except StaleFenceError:
                claim.lost = True
                self.forget(claim)
            except Exception as error:  # noqa: BLE001 - the other claims are still renewed
                # The next round tries again; until then the lease holds.
                _LOG.warning("the claim on %s could not be renewed: %s", claim.key, error, exc_info=error)

    def close(self) -> None:
        """End the thread; claims under way are renewed no longer."""
        self._closed.set()
        thread = self._thread
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        while not self._closed.wait(self._every / 2):
            with self._lock:
                if not self._claims:
                    self._thread = None
                    return
            self.renew_due()


_watched: weakref.WeakSet[Renewals] = weakref.WeakSet()
_registered: list[bool] = []


def _watch_forks(renewals: Renewals) -> None:
    if not _registered:
        _registered.append(True)
        os.register_at_fork(after_in_child=_restart_in_child)
    _watched.add(renewals)


def _restart_in_child() -> None:
    for renewals in list(_watched):
        renewals.after_fork_in_child()
