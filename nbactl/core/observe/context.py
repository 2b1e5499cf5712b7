"""What is being worked on: the run, task and game date that log records and errors name (invariant 17).

The context lives in a context variable: coroutines and `asyncio.to_thread` inherit it, a thread pool gets it
through `carry`, another process through `core.propagation`.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, fields, replace
from functools import wraps
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbactl.core.observe.trace import Trace

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
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


LABELS: Final = tuple(each.name for each in fields(Context) if each.name not in ("trace", "_labels"))
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
