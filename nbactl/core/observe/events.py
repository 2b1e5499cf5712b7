"""The one instrumentation hook of the core: what happened, as one frozen object, for metrics and logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final

from nbactl.frozen import frozen

_NOTHING: Mapping[str, Any] = {}


@frozen
class Event:
    """Something happened. `kind` is stable, such as `breaker.opened`; `name` says to which breaker, policy or key.

    docs/library.md lists the kinds and the fields of each.
    """

    kind: str
    name: str
    fields: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


Hook = Callable[[Event], None]
"""Called in the thread where the event happened, outside of all locks. It must be quick and must not raise."""


def noop_hook(event: Event) -> None:
    """Ignore `event`: the default hook."""


def combined(*hooks: Hook) -> Hook:
    """Return one hook that calls each of `hooks` in order."""
    wanted = tuple(hook for hook in hooks if hook is not noop_hook)
    if len(wanted) <= 1:
        return wanted[0] if wanted else noop_hook

    def emit(event: Event) -> None:
        for hook in wanted:
            hook(event)

    return emit


_LOG = logging.getLogger("nbactl.events")
_LEVELS: Final = {
    "breaker.open": logging.WARNING,
    "breaker.half_open": logging.INFO,
    "breaker.closed": logging.INFO,
    "completions.duplicate": logging.INFO,
    "deadline.fired": logging.WARNING,
    "handoff.decided": logging.INFO,
    "handoff.lapsed": logging.WARNING,
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
        """Log an event."""
        level = _LEVELS.get(event.kind, logging.DEBUG)
        seconds = event.fields.get("seconds")
        if level < logging.INFO and seconds is not None and seconds >= self._slow:
            level = logging.INFO
        if _LOG.isEnabledFor(level):
            about = {"event": event.kind, "subject": event.name, **event.fields}
            _LOG.log(level, "%s: %s", event.kind, event.name, extra=about)
