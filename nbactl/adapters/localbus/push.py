"""Push delivery of the embedded bus: what Pub/Sub's servers do for a push subscription, done by a process of ours.

https://cloud.google.com/pubsub/docs/push
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.micros import rfc3339
from nbactl.core.calls.http import translated
from nbactl.core.observe.failures import LOGGED
from nbactl.core.service.consumer import Consumer
from nbactl.errors import InProgressError, TimedOutError, UnavailableError
from nbactl.frozen import frozen
from nbactl.ports.bus import LOCAL_PROJECT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx2

    from nbactl.adapters.localbus.bus import LocalBus
    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.failures import Failures
    from nbactl.core.service.consumer import ConsumerTimings
    from nbactl.ports.bus import PulledMessage, Subscription

_LOG = logging.getLogger("nbactl.push")
_ACKNOWLEDGES: Final = frozenset({200, 201, 202, 204})
"""https://cloud.google.com/pubsub/docs/push#receive_push: 102 does so as well, but another answer always follows it."""
_IN_PROGRESS: Final = 409
_HEADERS: Final = {"content-type": "application/json", "user-agent": "nbactl-push"}
_KEPT_ALIVE: Final = 2.0
"""Seconds for which an idle connection is kept; uvicorn closes one after five."""
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
    deadline, gives it back. Messages wait while an endpoint cannot be reached; that is no attempt, because nothing was
    sent. A subscription that is moved to another endpoint is pushed there from the next request on. Several processes
    may push from one file: they share the messages. A process that is forked from this one does not push.
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
        self._client: httpx2.Client | None = None

    def start(self) -> None:
        """Begin to push. Returns at once."""
        import httpx2

        self._client = httpx2.Client(
            trust_env=False,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=_KEPT_ALIVE),
        )
        for subscription in self._bus.subscriptions():
            if subscription.push is None:
                continue
            push = _Push(self._bus, subscription, self._client, self._limits, self._timings.lease)
            consumer = Consumer(
                push,
                subscription.name,
                push.send,
                concurrency=self._limits.concurrency,
                clock=self._clock,
                timings=self._timings,
                failures=self._failures,
                ahead=self._limits.concurrency,
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
        if self._client is not None:
            self._client.close()


class _Push:
    """The messages of one subscription, as the consumer pulls them, and how one is pushed."""

    def __init__(
        self, bus: LocalBus, subscription: Subscription, client: httpx2.Client, limits: PushLimits, lease: float
    ) -> None:
        self._bus = bus
        self._name = subscription.name
        self._time = subscription.ack_deadline
        self._client = client
        self._limits = limits
        self._lease = lease
        self._endpoint = ""
        self._sent: set[str] = set()
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
        self._sent.difference_update(ack_ids)
        self._bus.ack(subscription, ack_ids)

    def nack(self, subscription: str, ack_ids: Sequence[str]) -> None:
        sent = self._sent.intersection(ack_ids)
        self._sent.difference_update(sent)
        if sent:
            self._bus.nack(subscription, list(sent))
        if unsent := [ack_id for ack_id in ack_ids if ack_id not in sent]:
            self._bus.release(subscription, unsent)

    def extend(self, subscription: str, ack_ids: Sequence[str], seconds: float) -> None:
        self._bus.extend(subscription, ack_ids, seconds)

    def send(self, message: PulledMessage) -> None:
        """Push a message as soon as the endpoint can be reached. Raises an error if it is not acknowledged."""
        import httpx2

        body = envelope(message, self._name)
        timeout = httpx2.Timeout(self._time, connect=self._limits.connect)
        while True:
            endpoint = self._wait()
            self._sent.add(message.ack_id)
            try:
                with translated(endpoint):
                    answer = self._client.post(endpoint, content=body, headers=_HEADERS, timeout=timeout)
            except (TimedOutError, UnavailableError) as error:
                if not isinstance(error.__cause__, (httpx2.ConnectError, httpx2.ConnectTimeout)):
                    raise
                self._sent.discard(message.ack_id)
                self._pause(endpoint)
                continue
            self._reached(endpoint)
            if answer.status_code == _IN_PROGRESS:
                raise InProgressError(f"{endpoint} answered {_IN_PROGRESS}")
            if answer.status_code not in _ACKNOWLEDGES:
                cause = answer.text[:_LONGEST_ANSWER] or None
                raise UnavailableError(f"{endpoint} answered {answer.status_code}", cause=cause)
            return

    def stop(self) -> None:
        """Wait for no endpoint any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._bus.wake()

    def _wait(self) -> str:
        """Return the endpoint once a pause is over."""
        # The wait is real, as that of a pull.
        with self._changed:
            paused = self._resume_at > time.monotonic()
            while not self._stopped and (left := self._resume_at - time.monotonic()) > 0:
                self._changed.wait(left)
            if self._stopped:
                raise InProgressError("it was not sent, because the process that pushes stops")
        if paused:
            self._look_up()
        return self._endpoint

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

    def _look_up(self) -> None:
        push = self._bus.subscription(self._name).push
        if push is not None:
            self._endpoint = push.endpoint


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
