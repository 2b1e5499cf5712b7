"""The one instrumentation hook of the core: what happened, as one frozen object, for metrics and logs to pick up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
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
    """Do nothing with `event`: the hook of who wants none."""


def combined(*hooks: Hook) -> Hook:
    """Return one hook that tells each of `hooks`, in their order."""
    heard = tuple(hook for hook in hooks if hook is not noop_hook)
    if len(heard) <= 1:
        return heard[0] if heard else noop_hook

    def tell(event: Event) -> None:
        for hook in heard:
            hook(event)

    return tell
