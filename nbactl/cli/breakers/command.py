"""Circuit breakers: which dependencies are not called at the moment, and how to close them by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nbactl.cli.ask import Question, operator, proceed
from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.core.calls.shared_breakers import SharedState


@dataclass(frozen=True, slots=True)
class ListedBreaker:
    """A breaker. `due`: it is open, and its time is over. `reported` is None if no process has reported it yet.

    `retry_in` is in how many seconds an open breaker lets a call through, None if only a reset closes it.
    """

    name: str
    state: Literal["closed", "open", "due"]
    reported: SharedState | None
    retry_in: float | None = None


@dataclass(frozen=True, slots=True)
class BreakerList:
    """The declared breakers, and others that a process has reported. `open_only`: closed ones are left out."""

    breakers: tuple[ListedBreaker, ...]
    open_only: bool = False


@dataclass(frozen=True, slots=True)
class ResetRequest:
    """Which breakers to close: by name, or `every` one that is not closed."""

    names: tuple[str, ...] = ()
    every: bool = False
    reason: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class BreakersReset:
    """The breakers as they were before. `effective_in` is within how many seconds every process follows."""

    request: ResetRequest
    breakers: tuple[ListedBreaker, ...]
    operator: str
    effective_in: float

    @property
    def changed(self) -> bool:
        """Whether any breaker was closed."""
        return bool(self.breakers) and not self.request.dry_run


def list_breakers(app: Container, *, open_only: bool = False) -> BreakerList:
    """Return the breakers as processes last reported them."""
    now = app.clock.now()
    breakers = [_listed(name, state, now) for name, state in _known(app).items()]
    return BreakerList(tuple(found for found in breakers if not open_only or found.state != "closed"), open_only)


def reset_breakers(app: Container, request: ResetRequest, *, confirm: Confirm = proceed) -> BreakersReset:
    """Close breakers in every process. Raises UsageError if none is chosen, NotFoundError for an unknown name."""
    if bool(request.names) == request.every:
        raise UsageError("choose breakers by name, or all of them", next_step="Give names, or --all.")
    known = _known(app)
    for name in request.names:
        if name not in known:
            raise NotFoundError(f"there is no breaker '{name}'", next_step=did_you_mean(name, known))
    now = app.clock.now()
    listed = {name: _listed(name, state, now) for name, state in known.items()}
    names = request.names or tuple(name for name, found in listed.items() if found.state != "closed")
    chosen = tuple(listed[name] for name in dict.fromkeys(names))
    done = BreakersReset(request, chosen, operator(), app.config.timeouts["breakers.sync"])
    if done.changed:
        confirm(Question(f"Close {', '.join(found.name for found in chosen)} in all processes?"))
        for found in chosen:
            app.shared_breakers.reset(found.name, by=done.operator, reason=request.reason)
    return done


def _known(app: Container) -> Mapping[str, SharedState | None]:
    """Return the breakers of timeouts.yaml, and others that a process has reported."""
    declared: dict[str, SharedState | None] = dict.fromkeys(app.config.timeouts.breakers)
    return {**declared, **{state.name: state for state in app.shared_breakers.known()}}


def _listed(name: str, state: SharedState | None, now: datetime) -> ListedBreaker:
    if state is None or state.state != "open":
        return ListedBreaker(name, "closed", state)
    left = None if state.until is None else (state.until - now).total_seconds()
    return ListedBreaker(name, "due" if left is not None and left <= 0 else "open", state, left)
