"""Work on the messages of a subscription: pulled, handled in reused threads, kept while that takes long."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from nbactl.core.observe.failures import LOGGED
from nbactl.core.service.propagation import incoming_attributes
from nbactl.errors import InProgressError, UsageError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.failures import Failures
    from nbactl.ports.bus import PulledMessage, PullSubscriptions

_LOG = logging.getLogger("nbactl.consumer")
_LEAST_DEADLINE: Final = 10.0
"""Seconds: the least acknowledgement deadline that a subscription can have."""


@frozen
class ConsumerTimings:
    """Time limits of a consumer, in seconds.

    Every `renew_every` seconds the deliveries under way are extended to `lease` from then; one that is older than
    `longest` is left to come again. One pull takes at most `pull`, and after one that failed comes a pause of `pause`.
    `close` waits for handlers as long as `finish`.
    """

    lease: float
    renew_every: float
    pull: float
    pause: float
    finish: float
    longest: float = math.inf

    def check(self) -> None:
        """Raise UsageError for times with which deliveries would end while they are handled."""
        if not self.renew_every < min(self.lease, _LEAST_DEADLINE):
            raise UsageError(
                f"deliveries are extended every {self.renew_every:g} s, which is too late",
                cause=f"A delivery may have {_LEAST_DEADLINE:g} s at first, and {self.lease:g} s more each time.",
            )


class Consumer:
    """Calls `handle` with the messages of a subscription, at most `concurrency` at a time.

    A message is acknowledged when `handle` returns, and given back when it raises: the subscription delivers it again
    after its backoff, and the dead-letter topic takes what fails every time. Each failure is reported, except work that
    is in progress elsewhere. `handle` runs in the context that the message brought along. Messages come at least once.

    `ahead` messages are pulled before a thread is free for them: for short work, of which each pull should bring more.
    A process that is forked from this one does not consume.
    """

    def __init__(
        self,
        bus: PullSubscriptions,
        subscription: str,
        handle: Callable[[PulledMessage], object],
        *,
        concurrency: int,
        clock: Clock,
        timings: ConsumerTimings,
        failures: Failures = LOGGED,
        ahead: int = 0,
    ) -> None:
        timings.check()
        self._bus = bus
        self._subscription = subscription
        self._handle = handle
        self._concurrency = concurrency
        self._clock = clock
        self._timings = timings
        self._failures = failures
        self._room = concurrency + ahead
        # One lock for all that follows; each condition is what somebody waits for.
        lock = threading.Lock()
        self._has_room, self._has_work = threading.Condition(lock), threading.Condition(lock)
        self._has_ended, self._is_idle = threading.Condition(lock), threading.Condition(lock)
        self._waiting: deque[PulledMessage] = deque()
        self._under_way: dict[str, float] = {}  # when the delivery began, by its id: waiting or being handled
        self._done: list[str] = []
        self._failed: list[str] = []
        self._idle = 0
        self._threads: list[threading.Thread] = []
        self._stopping = self._finished = False

    def start(self) -> None:
        """Begin to pull. Returns at once."""
        for work, name in ((self._pull, "pull"), (self._settle, "settle")):
            self._spawn(work, name)

    def close(self) -> None:
        """Stop: pull nothing more, wait for what is being handled, and give back the rest.

        It takes three times `finish` at most. Close the bus after it.
        """
        with self._has_work:
            self._stopping = True
            left = [message.ack_id for message in self._waiting]
            self._waiting.clear()
            for ack_id in left:
                del self._under_way[ack_id]
            self._has_room.notify_all()
            self._has_work.notify_all()
            if not self._is_idle.wait_for(lambda: not self._under_way, timeout=self._timings.finish):
                _LOG.warning("%d messages of %s are not done and given back", len(self._under_way), self._subscription)
        for puller in self._threads[:1]:
            puller.join(self._timings.finish)  # or it would pull again what is given back
        with self._has_ended:
            self._failed.extend([*left, *self._under_way])
            self._under_way.clear()
            self._finished = True
            self._has_ended.notify_all()
        for settler in self._threads[1:2]:
            settler.join(self._timings.finish)

    def _pull(self) -> None:
        """Pull as many messages as there is room for, until the end."""
        while (room := self._wait_for_room()) > 0:
            try:
                messages = self._bus.pull(self._subscription, limit=room, timeout=self._timings.pull)
            except Exception as error:  # noqa: BLE001 - reported, and tried again
                if not self._stopping:
                    self._failures.report(error, f"pull {self._subscription}")
                    with self._has_room:
                        self._has_room.wait_for(lambda: self._stopping, timeout=self._timings.pause)
                continue
            if messages:
                self._take(messages)

    def _wait_for_room(self) -> int:
        with self._has_room:
            self._has_room.wait_for(lambda: self._stopping or len(self._under_way) < self._room)
            return 0 if self._stopping else self._room - len(self._under_way)

    def _take(self, messages: Sequence[PulledMessage]) -> None:
        now = self._clock.monotonic()
        with self._has_work:
            if not self._stopping:
                self._waiting.extend(messages)
                self._under_way.update((message.ack_id, now) for message in messages)
                missing = min(len(self._waiting) - self._idle, self._concurrency + 2 - len(self._threads))
                for _ in range(missing):
                    self._idle += 1
                    self._spawn(self._work, "work")
                self._has_work.notify(len(messages))
                return
        self._nack([message.ack_id for message in messages])  # they came too late

    def _work(self) -> None:
        """Handle one message after the other."""
        while (message := self._next()) is not None:
            with incoming_attributes(message.attributes, self._clock):
                succeeded = self._succeeds(message)
            self._end(message.ack_id, succeeded=succeeded)

    def _succeeds(self, message: PulledMessage) -> bool:
        """Call the handler. Its failure is reported here; the subscription has the rest of the consequences."""
        try:
            self._handle(message)
        except InProgressError as error:
            _LOG.warning("a message of %s comes again: %s", self._subscription, error)
        except BaseException as error:  # noqa: BLE001 - the boundary: a thread that dies would never be missed
            about = {"message_id": message.message_id, "delivery_attempt": message.delivery_attempt}
            self._failures.report(error, f"message of {self._subscription}", **about)
        else:
            return True
        return False

    def _next(self) -> PulledMessage | None:
        with self._has_work:
            self._has_work.wait_for(lambda: self._waiting or self._stopping)
            if not self._waiting:
                return None
            self._idle -= 1
            return self._waiting.popleft()

    def _end(self, ack_id: str, *, succeeded: bool) -> None:
        with self._has_ended:
            self._idle += 1
            if ack_id not in self._under_way:
                return  # it was given back meanwhile
            del self._under_way[ack_id]
            (self._done if succeeded else self._failed).append(ack_id)
            self._has_ended.notify()
            self._has_room.notify()
            if not self._under_way:
                self._is_idle.notify_all()

    def _settle(self) -> None:
        """Acknowledge and give back what has ended, all of it at once, and extend the rest in time."""
        renew_at = self._clock.monotonic() + self._timings.renew_every
        while True:
            with self._has_ended:
                left = max(0.0, renew_at - self._clock.monotonic())
                self._has_ended.wait_for(lambda: self._done or self._failed or self._finished, timeout=left)
                done, self._done = self._done, []
                failed, self._failed = self._failed, []
                if self._finished and not (done or failed):
                    return
            self._attempt("acknowledge", done, lambda ids: self._bus.ack(self._subscription, ids))
            self._nack(failed)
            if self._clock.monotonic() >= renew_at:
                renew_at = self._clock.monotonic() + self._timings.renew_every
                self._attempt("extend", self._to_extend(), self._extend)

    def _extend(self, ack_ids: list[str]) -> None:
        self._bus.extend(self._subscription, ack_ids, self._timings.lease)

    def _nack(self, ack_ids: list[str]) -> None:
        self._attempt("give back", ack_ids, lambda ids: self._bus.nack(self._subscription, ids))

    def _to_extend(self) -> list[str]:
        since = self._clock.monotonic() - self._timings.longest
        with self._has_ended:
            return [ack_id for ack_id, began in self._under_way.items() if began > since]

    def _attempt(self, what: str, ack_ids: list[str], call: Callable[[list[str]], None]) -> None:
        """Make a call for deliveries. One that fails is reported: they come again when their time is over."""
        if not ack_ids:
            return
        try:
            call(ack_ids)
        except Exception as error:  # noqa: BLE001 - as the docstring says
            self._failures.report(error, f"{what} messages of {self._subscription}", messages=len(ack_ids))

    def _spawn(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=f"{self._subscription}-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()
