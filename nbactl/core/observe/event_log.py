"""What the instrumentation hook hears, in the log: what somebody may look for later, under keys to look it up by."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nbactl.core.observe.events import Event

_LOG = logging.getLogger("nbactl.events")
_LEVELS: Final = {
    "breaker.open": logging.WARNING,
    "breaker.half_open": logging.INFO,
    "breaker.closed": logging.INFO,
    "cache.stale": logging.WARNING,
    "completions.duplicate": logging.INFO,
    "deadline.fired": logging.WARNING,
    "idempotency.in_progress": logging.INFO,
    "idempotency.lost": logging.WARNING,
    "idempotency.payload_mismatch": logging.WARNING,
    "idempotency.replayed": logging.INFO,
    "idempotency.taken_over": logging.INFO,
    "outbox.failed": logging.WARNING,
    "retry.again": logging.INFO,
    "retry.gave_up": logging.WARNING,
    "warehouse.query_failed": logging.WARNING,
}
"""The level of a kind; all others are for debugging, unless they were slow."""


class EventLog:
    """A hook that writes events to the log. What took `slow` seconds or more is always worth a line."""

    def __init__(self, slow: float) -> None:
        self._slow = slow

    def __call__(self, event: Event) -> None:
        """Hear of an event."""
        level = _LEVELS.get(event.kind, logging.DEBUG)
        seconds = event.fields.get("seconds")
        if level < logging.INFO and seconds is not None and seconds >= self._slow:
            level = logging.INFO
        if _LOG.isEnabledFor(level):
            about = {"event": event.kind, "subject": event.name, **event.fields}
            _LOG.log(level, "%s: %s", event.kind, event.name, extra=about)
