"""Push delivery of the embedded bus: what Pub/Sub's servers do for a push subscription, done by a process of ours.

https://cloud.google.com/pubsub/docs/push
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.localbus.connections import PushConnections, UnreachableError
from nbactl.core._support.faults import reach
from nbactl.core._support.micros import rfc3339
from nbactl.core.observe.failures import LOGGED
from nbactl.core.service.consumer import Consumer
from nbactl.errors import InProgressError, NbactlError, NotFoundError, UnavailableError
from nbactl.frozen import frozen
from nbactl.ports.bus import LOCAL_PROJECT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.adapters.localbus.bus import LocalBus
    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.failures import Failures
    from nbactl.core.service.consumer import ConsumerTimings
    from nbactl.ports.bus import PulledMessage, Subscription

_LOG = logging.getLogger("nbactl.push")
_ACKNOWLEDGES: Final = frozenset({200, 201, 202, 204})
"""https://cloud.google.com/pubsub/docs/push#receive_push: 102 does so as well, but another answer always follows it."""
_IN_PROGRESS: Final = 409
_AHEAD: Final = 4
"""Messages that are pulled before they can be sent, for each request: they share the commits of pulling."""
_LONGEST_ANSWER: Final = 300
"""Characters of a refusal that are reported."""
_MOST_DOUBLINGS: Final = 30


@frozen
class PushLimits:
    """How messages are pushed; times are in seconds.

    Each subscription has `concurrency` requests at a time. A connection takes `connect` at most. While an endpoint
    cannot be reached the subscription pauses, from `least_pause` on twice as long each time up to `most_pause`.
    """

    concurrency: int
    connect: float
    least_pause: float
    most_pause: float


class PushDelivery:
    """Pushes the messages of all push subscriptions that the bus has when it starts.

    An answer of 200, 201, 202 or 204 acknowledges a message; any other one, or none within the acknowledgement
    deadline, gives it back. Messages wait while an endpoint cannot be reached; that does not count as an attempt,
    because nothing was sent. A subscription that is moved to another endpoint is pushed there from the next request on.
    Several processes may push from one file: they share the messages. A process that is forked from this one does not
    push.
    """

    def __init__(
        self,
        bus: LocalBus,
        *,
        limits: PushLimits,
        timings: ConsumerTimings,
        clock: Clock,
        failures: Failures = LOGGED,
    ) -> None:
        self._bus = bus
        self._limits = limits
        self._timings = timings
        self._clock = clock
        self._failures = failures
        self._pushes: list[_Push] = []
        self._consumers: list[Consumer] = []

    def start(self) -> None:
        """Begin to push. Returns at once."""
        for subscription in self._bus.subscriptions():
            if subscription.push is None:
                continue
            push = _Push(self._bus, subscription, self._limits, self._timings.lease)
            consumer = Consumer(
                push,
                subscription.name,
                push.send,
                concurrency=self._limits.concurrency,
                clock=self._clock,
                timings=self._timings,
                failures=self._failures,
                ahead=_AHEAD * self._limits.concurrency,
            )
            self._pushes.append(push)
            self._consumers.append(consumer)
            consumer.start()

    def close(self) -> None:
        """Stop: wait for the requests that are open, a bounded time, and give back the rest."""
        for push in self._pushes:
            push.stop()
        threads = [threading.Thread(target=consumer.close, daemon=True) for consumer in self._consumers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for push in self._pushes:
            push.close()


class _Push:
    """The messages of one subscription, as the consumer pulls them, and how one is pushed."""

    def __init__(self, bus: LocalBus, subscription: Subscription, limits: PushLimits, lease: float) -> None:
        self._bus = bus
        self._name = subscription.name
        self._time = subscription.ack_deadline
        self._limits = limits
        self._lease = lease
        self._connections: PushConnections | None = None
        self._sent: dict[str, str] = {}  # ids of deliveries that were sent, with what went wrong then
        self._changed = threading.Condition()
        self._stopped = False
        self._failures = 0  # how many times in a row the endpoint could not be reached
        self._resume_at = 0.0

    def pull(self, subscription: str, *, limit: int, timeout: float) -> Sequence[PulledMessage]:
        if self._stopped:
            return ()
        found = self._bus.take(subscription, limit=limit, wait=timeout, lease=self._lease)
        if found:
            self._look_up()
        return found

    def ack(self, subscription: str, ack_ids: Sequence[str]) -> None:
        for ack_id in ack_ids:
            self._sent.pop(ack_id, None)
        self._bus.ack(subscription, ack_ids)

    def nack(self, subscription: str, ack_ids: Sequence[str]) -> None:
        failed = {ack_id: self._sent.pop(ack_id) for ack_id in ack_ids if ack_id in self._sent}
        if failed:
            self._bus.reject(subscription, failed)
        if unsent := [ack_id for ack_id in ack_ids if ack_id not in failed]:
            self._bus.release(subscription, unsent)

    def extend(self, subscription: str, ack_ids: Sequence[str], seconds: float) -> None:
        self._bus.extend(subscription, ack_ids, seconds)

    def send(self, message: PulledMessage) -> None:
        """Push a message as soon as the endpoint can be reached. Raises an error if it is not acknowledged."""
        body = envelope(message, self._name)
        while True:
            connections = self._wait()
            self._sent[message.ack_id] = "the process that pushed stopped before there was an answer"
            reach("push.before_send")
            try:
                self._judge(connections.url, *connections.post(body))
            except UnreachableError:
                self._sent.pop(message.ack_id, None)
                self._pause(connections.url)
                continue
            except NbactlError as error:
                self._sent[message.ack_id] = f"{error.message}. {error.cause or ''}".rstrip()
                raise
            return

    def _judge(self, endpoint: str, status: int, text: str) -> None:
        """Raise an error for an answer that does not acknowledge."""
        reach("push.answered")
        self._reached(endpoint)
        if status == _IN_PROGRESS:
            raise InProgressError(f"{endpoint} answered {status}", cause=_reason(text))
        if status not in _ACKNOWLEDGES:
            raise UnavailableError(f"{endpoint} answered {status}", cause=_reason(text))

    def stop(self) -> None:
        """Wait for no endpoint any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._bus.wake()

    def close(self) -> None:
        """Close the connections."""
        if self._connections is not None:
            self._connections.close()

    def _wait(self) -> PushConnections:
        """Return the connections to the endpoint once a pause is over."""
        # The wait is real, as that of a pull.
        with self._changed:
            paused = self._resume_at > time.monotonic()
            while not self._stopped and (left := self._resume_at - time.monotonic()) > 0:
                self._changed.wait(left)
            if self._stopped:
                raise InProgressError("it was not sent, because the process that pushes stops")
        if paused or self._connections is None:
            return self._look_up()
        return self._connections

    def _pause(self, endpoint: str) -> None:
        """Pause the subscription: those that fail at the same time count once."""
        with self._changed:
            now = time.monotonic()
            if now < self._resume_at:
                return
            first = not self._failures
            pause = self._limits.least_pause * 2 ** min(self._failures, _MOST_DOUBLINGS)
            self._resume_at = now + min(self._limits.most_pause, pause)
            self._failures += 1
        if first:
            _LOG.warning("%s cannot be reached: the messages of %s wait", endpoint, self._name)

    def _reached(self, endpoint: str) -> None:
        if self._failures:
            with self._changed:
                self._failures = 0
            _LOG.info("%s is reached again", endpoint)

    def _look_up(self) -> PushConnections:
        """Return the connections to the endpoint that the subscription has now."""
        push = self._bus.subscription(self._name).push
        if push is None:
            raise NotFoundError(f"the subscription {self._name} does not push any more")
        with self._changed:
            if self._connections is None or self._connections.url != push.endpoint:
                self.close()
                self._connections = PushConnections(push.endpoint, connect=self._limits.connect, answer=self._time)
            return self._connections


def envelope(message: PulledMessage, subscription: str) -> bytes:
    """Return the body of a push request.

    https://cloud.google.com/pubsub/docs/push#receive_push
    """
    published = rfc3339(message.published_at)
    content: dict[str, Any] = {
        "data": base64.b64encode(message.data).decode(),
        "attributes": dict(message.attributes),
        "messageId": message.message_id,
        "message_id": message.message_id,
        "publishTime": published,
        "publish_time": published,
    }
    if message.ordering_key:
        content["orderingKey"] = message.ordering_key
    name = f"projects/{LOCAL_PROJECT}/subscriptions/{subscription}"
    body = {"message": content, "subscription": name, "deliveryAttempt": message.delivery_attempt}
    return json.dumps(body).encode()


def _reason(text: str) -> str | None:
    """Return why an answer refuses: the message of our services' errors, or else how the text begins."""
    with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError):
        error = json.loads(text)["error"]
        text = f"{error['message']}: {error['cause']}" if error.get("cause") else str(error["message"])
    return text[:_LONGEST_ANSWER] or None
