"""The heartbeat of a run: renews its lease and checks whether a stop was requested."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from nbactl.errors import NbactlError, StaleFenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from nbactl.core._support.clock import Clock
    from nbactl.core.lease.leases import Lease, Leases


class _Beating:
    """A thread that does its work until its block is left."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=work, name="nbactl-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()


class Heartbeat(_Beating):
    """Beats in a thread of its own, so that work that blocks the event loop does not cost the lease.

    `on_lost` is called once, with the reason, when the lease was taken over or could not be renewed before its end;
    `on_cancel` once, when `cancel_requested` says so. Both are called in the heartbeat's thread. Times are seconds.
    """

    def __init__(
        self,
        leases: Leases,
        lease: Lease,
        *,
        ttl: float,
        renew_every: float,
        poll_every: float,
        clock: Clock,
        cancel_requested: Callable[[], bool],
        on_cancel: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        super().__init__(self._work)
        self.lease = lease
        self._leases = leases
        self._ttl = ttl
        self._renew_every = renew_every
        self._poll_every = poll_every
        self._clock = clock
        self._cancel_requested = cancel_requested
        self._on_cancel = on_cancel
        self._on_lost = on_lost
        self._renewed_at = clock.monotonic()
        self._cancelled = False

    def beat(self) -> bool:
        """Renew the lease if it is time, check for a request to stop; returns False when the lease is lost."""
        if self._clock.monotonic() - self._renewed_at >= self._renew_every:
            reason = self._renew()
            if reason is not None:
                self._on_lost(reason)
                return False
        self._poll()
        return True

    def give_up(self, error: BaseException) -> None:
        """Say that the lease is no longer renewed, so that nothing may be written under it."""
        self._on_lost(f"the lease {self.lease.name} is no longer renewed: {type(error).__name__}: {error}")

    def _work(self) -> None:
        try:
            while not self._ended.wait(min(self._poll_every, self._renew_every)):
                if not self.beat():
                    return
        except BaseException as error:
            self.give_up(error)
            raise

    def _renew(self) -> str | None:
        """Return why the lease is lost, or None."""
        began = self._clock.monotonic()
        try:
            self.lease = self._leases.renew(self.lease, self._ttl)
        except StaleFenceError as error:
            return error.message
        except NbactlError as error:
            if began - self._renewed_at < self._ttl:
                return None  # the next beat tries again
            return f"the lease {self.lease.name} ran out and could not be renewed: {error.message}"
        self._renewed_at = began
        return None

    def _poll(self) -> None:
        if self._cancelled:
            return
        try:
            self._cancelled = self._cancel_requested()
        except NbactlError:
            return  # the next beat checks again; a store that stays broken costs the lease
        if self._cancelled:
            self._on_cancel()


class Heartbeats(_Beating):
    """The heartbeats of several leases, in one thread."""

    def __init__(self, beats: Sequence[Heartbeat], every: float) -> None:
        """They beat every so many seconds."""
        super().__init__(self._work)
        self._beats = list(beats)
        self._every = every

    def _work(self) -> None:
        try:
            while self._beats and not self._ended.wait(self._every):
                self._beats = [beat for beat in self._beats if beat.beat()]
        except BaseException as error:
            for beat in self._beats:
                beat.give_up(error)
            raise
