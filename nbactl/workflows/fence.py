"""Fences: the right of one attempt to write, taken from the run's lease and revocable (invariant 12)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nbactl.errors import StaleFenceError

if TYPE_CHECKING:
    from collections.abc import Callable


class AttemptFence:
    """The fencing token of a lease, in the hands of one attempt."""

    def __init__(self, token: int, holder: str) -> None:
        self._token = token
        self._holder = holder
        self._lock = threading.Lock()
        self._revoked: str | None = None

    @property
    def token(self) -> int:
        """The lease's fencing token."""
        return self._token

    @property
    def holder(self) -> str:
        """The lease's owner."""
        return self._holder

    def guard(self, commit: Callable[[], None]) -> None:
        """Call `commit`. Raises StaleFenceError, and does not call it, once the right was revoked."""
        with self._lock:
            if self._revoked is not None:
                raise StaleFenceError(
                    f"the right to write was revoked: {self._revoked}",
                    cause="The attempt went on after it had been given up; its result must not overwrite a later one.",
                )
            commit()

    def revoke(self, reason: str, *, wait: float = -1) -> bool:
        """End the right to write. Waits while a commit runs, at most `wait` seconds (below 0: without bound).

        Returns whether no commit is running any more; the right is gone either way.
        """
        if self._revoked is None:
            self._revoked = reason
        if not self._lock.acquire(timeout=wait):
            return False
        self._lock.release()
        return True


class Fences:
    """Every fence that one run has given out under its lease."""

    def __init__(self, token: int, holder: str) -> None:
        self._token = token
        self._holder = holder
        self._lock = threading.Lock()
        self._issued: list[AttemptFence] = []
        self._revoked: str | None = None

    def issue(self) -> AttemptFence:
        """Return the fence of a new attempt."""
        fence = AttemptFence(self._token, self._holder)
        with self._lock:
            self._issued.append(fence)
            if self._revoked is not None:
                fence.revoke(self._revoked)
        return fence

    def retire(self, fence: AttemptFence) -> None:
        """Forget the fence of an attempt that came to its end."""
        with self._lock:
            self._issued.remove(fence)

    def revoke_all(self, reason: str) -> None:
        """End the right to write of all attempts, running and to come; does not wait for commits."""
        with self._lock:
            self._revoked = reason
            for fence in self._issued:
                fence.revoke(reason, wait=0)
