"""The document of a key: `message_dedup/{key}`."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nbactl.core.lease.holder import describe
from nbactl.errors import InProgressError, PayloadMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from nbactl.ports.documents import Document, Write


@dataclass(frozen=True, slots=True)
class Done:
    """The work of the key was done before, with this result."""

    key: str
    result: Any


class Claim:
    """Work under way. `owner` is unique to this claim; `version` is the update time that guards every step of it.

    One that is not `kept` is written nowhere and keeps nobody out: it only carries the writes to the end of the work.
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
        """Whether it is known that somebody else took over: what is done from here on will be refused."""
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
        raise RuntimeError("there is no claim here: this is called outside of idempotent work")
    return claim


@contextmanager
def working_under(claim: Claim) -> Iterator[None]:
    """Make `claim` the current one for the length of a `with` block."""
    token = _current.set(claim)
    try:
        yield
    finally:
        _current.reset(token)


def payload_hash(payload: bytes) -> str:
    """Return what identifies a payload."""
    return hashlib.sha256(payload).hexdigest()


@dataclass(frozen=True, slots=True)
class ClaimSettings:
    """How long things last, in seconds: a claim without a sign of life, between signs of life, and what was done.

    `keep` must exceed the time in which the same message may come again (retention of the subscription, and replays).
    """

    lease: float
    renew_every: float
    keep: float


def claimed_fields(claim: Claim, digest: str | None, now: datetime, terms: ClaimSettings) -> Mapping[Any, Any]:
    """Return the fields while the work goes on; `expires_at` is when Firestore's TTL policy may delete them."""
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
            next_step="Find who builds the key; give it what tells the two apart.",
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
