"""A claim on a key: the right to do its work, and the writes that are to be committed with its end."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from nbactl.ports.documents import Write


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
