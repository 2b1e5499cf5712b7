"""What is being worked on: the run, task and game date that log records and errors name (invariant 17).

The context lives in a context variable: coroutines and `asyncio.to_thread` inherit it, a thread pool gets it through
`carry`, another process through `service/propagation.py`. Its trace comes and goes in headers: W3C Recommendation
"Trace Context", version 1, section 3.2; cloud.google.com/trace/docs/trace-context for X-Cloud-Trace-Context.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import field, fields, replace
from functools import wraps
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_CLOUD: Final = re.compile(r"([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9]))?", re.ASCII)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_LARGEST_SPAN: Final = 2**64


@frozen
class Trace:
    """A trace's id (32 hex digits), the calling span's (16, None if unknown), and whether it is recorded."""

    trace_id: str
    span_id: str | None
    sampled: bool

    @property
    def traceparent(self) -> str | None:
        """The header that passes it on; None without a span, which the header needs."""
        if self.span_id is None:
            return None
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def trace_of(traceparent: str | None, cloud: str | None = None) -> Trace | None:
    """Return the trace that the headers `traceparent` or else `X-Cloud-Trace-Context` name; None for nonsense."""
    if traceparent is not None and (found := _TRACEPARENT.fullmatch(traceparent.strip())):
        version, trace_id, span_id, flags, more = found.groups()
        known = version != "ff" and not (version == "00" and more)
        if known and trace_id != _NO_TRACE and span_id != _NO_SPAN:
            return Trace(trace_id, span_id, bool(int(flags, 16) & 1))
    if cloud is not None and (found := _CLOUD.fullmatch(cloud.strip())):
        trace_id, span, option = found.groups()
        number = int(span or 0)
        if trace_id != _NO_TRACE and number < _LARGEST_SPAN:
            return Trace(trace_id.lower(), f"{number:016x}" if number else None, option == "1")
    return None


P = ParamSpec("P")
R = TypeVar("R")


@frozen
class Context:
    """The work at hand; what is not known is None."""

    run_id: str | None = None
    workflow: str | None = None
    task: str | None = None
    game_date: str | None = None
    batch: str | None = None
    player: str | None = None
    correlation_id: str | None = None
    attempt: int | None = None
    trace: Trace | None = None
    _labels: list[Mapping[str, str]] = field(default_factory=list, init=False, repr=False, compare=False)

    def labels(self) -> Mapping[str, str]:
        """Return what is known but the trace, as strings, the way log labels want it."""
        if not self._labels:  # asked for with each record; two threads at once make the same
            pairs = ((name, getattr(self, name)) for name in LABELS)
            self._labels.append({name: str(value) for name, value in pairs if value is not None})
        return self._labels[0]


LABELS: Final = tuple(item.name for item in fields(Context) if item.name not in ("trace", "_labels"))
"""What a context's labels may be called."""


_current: ContextVar[Context] = ContextVar("nbactl_context", default=Context())  # noqa: B039 - frozen


current = _current.get
"""Return the context of this thread or coroutine."""


@contextmanager
def bound(
    *,
    run_id: str | None = None,
    workflow: str | None = None,
    task: str | None = None,
    game_date: str | None = None,
    batch: str | None = None,
    player: str | None = None,
    correlation_id: str | None = None,
    attempt: int | None = None,
    trace: Trace | None = None,
) -> Iterator[Context]:
    """Add what is given to the context for the length of a `with` block."""
    given = {
        "run_id": run_id,
        "workflow": workflow,
        "task": task,
        "game_date": game_date,
        "batch": batch,
        "player": player,
        "correlation_id": correlation_id,
        "attempt": attempt,
        "trace": trace,
    }
    inner = replace(_current.get(), **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    token = _current.set(inner)
    try:
        yield inner
    finally:
        _current.reset(token)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Return `function` bound to this moment's context, to be called in another thread."""
    captured = copy_context()

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return captured.copy().run(function, *args, **kwargs)

    return call
