"""One tick of the schedule: a list of named steps, of which each fails alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import NbactlError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

_WORST_FIRST: Final = (130, 143, 70, 1, 7, 6, 5, 4, 2, 3, 8)


def _none(_: Any) -> Iterable[NbactlError]:  # noqa: ANN401 - any result of a step
    return ()


@frozen
class Step:
    """A step of a tick. `errors` names the failures in its result; `preview` is what a dry run does instead."""

    name: str
    take: Callable[[], Any]
    errors: Callable[[Any], Iterable[NbactlError]] = _none
    preview: Callable[[], Any] | None = None


@frozen
class StepResult:
    """What a step did: its result, None if it failed as a whole, and its failures; `seconds` is how long it took."""

    name: str
    value: Any
    errors: tuple[NbactlError, ...]
    seconds: float


@frozen
class QuotaCheck:
    """The tables that are near a limit of the warehouse; `error` says why nothing could be found out."""

    near: tuple[str, ...]
    error: NbactlError | None = None


@frozen
class TickResult:
    """The outcome of a tick. After a dry run only the steps that have a preview are in it."""

    at: datetime
    steps: tuple[StepResult, ...]
    dry_run: bool

    def value(self, name: str) -> Any:  # noqa: ANN401 - each step has a result of its own
        """Return the result of a step, None if it was not taken or failed as a whole."""
        return next((step.value for step in self.steps if step.name == name), None)

    @property
    def error(self) -> NbactlError | None:
        """The worst failure."""
        return min((error for step in self.steps for error in step.errors), key=_rank, default=None)


def tick(steps: Sequence[Step], now: datetime, *, dry_run: bool) -> TickResult:
    """Take the steps in their order. One that fails does not keep the others; a bug is raised when all are taken.

    Ticks may overlap and be killed anywhere: each step is taken once. A dry run changes nothing.
    """
    results: list[StepResult] = []
    bugs: list[Exception] = []
    for step in steps:
        take = step.preview if dry_run else step.take
        if take is None:
            continue
        began = time.monotonic()
        value: Any = None
        errors: tuple[NbactlError, ...] = ()
        try:
            value = take()
            errors = tuple(step.errors(value))
        except NbactlError as error:
            errors = (error,)
        except Exception as error:  # noqa: BLE001 - raised below
            bugs.append(error)
        results.append(StepResult(step.name, value, errors, time.monotonic() - began))
    if bugs:
        raise bugs[0]
    return TickResult(now, tuple(results), dry_run)


def _rank(error: NbactlError) -> int:
    code = error.exit_code
    return _WORST_FIRST.index(code) if code in _WORST_FIRST else len(_WORST_FIRST)
