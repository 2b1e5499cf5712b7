"""Every call to Firestore: its time limit, its retries, its errors.

Only this layer retries, so that attempts do not multiply. Calls that read are retried after any transient error. A
commit is retried when it was certainly not applied, or when sending it twice cannot apply it twice.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from nbactl.adapters.firestore.channel import Stubs, open_channel
from nbactl.adapters.firestore.failures import outcome_unknown, translate
from nbactl.core.calls.deadline import remaining
from nbactl.errors import NbactlError, TimedOutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

    from nbactl.adapters.firestore.channel import Database
    from nbactl.core.calls.policy import CallPolicy
    from nbactl.ports.documents import Write

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Seconds that one attempt at a reading and at a writing call may take."""

    read: float
    write: float


class Calls:
    """Calls the service. Usable from any thread; a channel is opened for the first call."""

    def __init__(self, database: Database, limits: CallLimits, policy: CallPolicy, rng: Random) -> None:
        self.database = database
        self.limits = limits
        self.policy = policy
        self.clock = policy.clock
        self.rng = rng
        self._lock = threading.Lock()
        self._channel: Any = None
        self._stubs: Stubs | None = None
        self._closed = False

    @property
    def stubs(self) -> Stubs:
        """The methods of the service."""
        with self._lock:
            if self._closed:
                raise RuntimeError(f"the document store {self.database.where} is closed")
            if self._stubs is None:
                self._channel = open_channel(self.database)
                self._stubs = Stubs(self._channel)
            return self._stubs

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            self._closed = True
            self._stubs = None
            if self._channel is not None:
                self._channel.close()
                self._channel = None

    def read(self, attempt: Callable[[], T], *, again: bool = True) -> T:
        """Make a reading call; retry transient errors unless `again` is false."""
        if not again:
            return attempt()
        return self.policy.call(attempt)

    def once(self, method: Any, request: Any, writes: Sequence[Write] = ()) -> Any:  # noqa: ANN401 - grpc has no types
        """Make a writing call, without retries."""
        with self.translated(writes):
            return method(request, timeout=self.timeout(self.limits.write), metadata=self.database.metadata)

    def write(self, method: Any, request: Any, writes: Sequence[Write], *, repeatable: bool) -> Any:  # noqa: ANN401
        """Make a writing call; retry it where that cannot apply it twice.

        An error in whose details `outcome` is "unknown" leaves open whether the writes were applied. So does an
        AlreadyExistsError or PreconditionError with `answer_lost`: what is there may be this call's own doing.
        """
        lost = 0

        def attempt() -> Any:  # noqa: ANN401
            nonlocal lost
            try:
                return self.once(method, request, writes)
            except NbactlError as error:
                if lost:
                    error.details["answer_lost"] = True
                if outcome_unknown(error):
                    lost += 1
                    error.details["outcome"] = "unknown"
                    error.retryable = error.retryable and repeatable
                raise

        return self.policy.call(attempt)

    def ask(self, method: Any, request: Any) -> Any:  # noqa: ANN401
        """Make one attempt at a reading call."""
        with self.translated():
            return method(request, timeout=self.timeout(self.limits.read), metadata=self.database.metadata)

    def stream(self, method: Any, request: Any) -> Iterator[Any]:  # noqa: ANN401
        """Yield the answers of one streaming call; ends the call when the caller stops reading."""
        with self.translated():
            call = method(request, timeout=self.timeout(self.limits.read), metadata=self.database.metadata)
            try:
                yield from call
            finally:
                call.cancel()

    def timeout(self, seconds: float) -> float:
        """Return the seconds that a call may take. Raises TimedOutError where the deadline leaves none."""
        left = remaining(seconds)
        if left <= 0:
            raise TimedOutError(f"no time is left to ask {self.database.where}", cause="The deadline has passed.")
        return left

    @contextmanager
    def translated(self, writes: Sequence[Write] = ()) -> Iterator[None]:
        """Raise the client's errors as nbactl's."""
        try:
            yield
        except grpc.RpcError as error:
            raise translate(error.code(), error.details() or "", self.database.where, writes) from error
