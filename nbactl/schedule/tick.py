"""One tick of the schedule: rollouts, quotas, hand-offs, the outbox, bookkeeping rows, and what has expired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.outbox.outbox import Outbox, Swept
    from nbactl.errors import NbactlError


class RolloutDecision(Protocol):
    """What was decided on one rollout; `error` says why nothing could be."""

    @property
    def error(self) -> NbactlError | None:
        """The error, or None."""
        ...


D_co = TypeVar("D_co", bound=RolloutDecision, covariant=True)


class RolloutTicker(Protocol[D_co]):
    """What decides on rollouts."""

    def tick(self, now: datetime, *, dry_run: bool) -> Sequence[D_co]:
        """Decide on every rollout, and do it unless it is a dry run."""
        ...


class FlushedRows(Protocol):
    """What became of the bookkeeping rows."""

    @property
    def loaded(self) -> Mapping[str, int]:
        """How many rows were loaded into which table."""
        ...

    @property
    def refused(self) -> int:
        """How many no load would take, so that they were set aside."""
        ...

    @property
    def error(self) -> NbactlError | None:
        """Why rows were not loaded; they are kept."""
        ...


class SweptPhases(Protocol):
    """What became of the hand-offs between phases that were due."""

    @property
    def steps(self) -> Sequence[HandOffStep]:
        """The steps that were taken."""
        ...

    @property
    def failed(self) -> Mapping[str, NbactlError]:
        """The errors, by the path of a phase document."""
        ...


class HandOffStep(Protocol):
    """A step of a hand-off."""

    @property
    def phase(self) -> str:
        """The phase that leads on."""
        ...

    @property
    def game_date(self) -> GameDate:
        """The date."""
        ...

    @property
    def what(self) -> str:
        """The step."""
        ...


@dataclass(frozen=True, slots=True)
class QuotaCheck:
    """The tables that are near a limit of the warehouse; `error` says why nothing could be found out."""

    near: tuple[str, ...]
    error: NbactlError | None = None


@dataclass(frozen=True, slots=True)
class TickResult(Generic[D_co]):
    """The outcome of a tick. `swept`, `flushed` and `phases` are None if nothing was to be changed.

    `quotas` is None if they were not looked at this time.
    """

    at: datetime
    decided: tuple[D_co, ...]
    swept: Swept | None
    quotas: QuotaCheck | None = None
    flushed: FlushedRows | None = None
    phases: SweptPhases | None = None

    @property
    def error(self) -> NbactlError | None:
        """The first error: of a rollout, else of a hand-off or a message, else of the bookkeeping rows."""
        swept = (swept for swept in (self.phases, self.swept) if swept is not None)
        messages = [error for one in swept for error in one.failed.values()]
        rows = None if self.flushed is None else self.flushed.error
        errors = (*(decision.error for decision in self.decided), *messages, rows)
        return next((error for error in errors if error is not None), None)


def tick(
    rollouts: RolloutTicker[D_co],
    outbox: Callable[[], Outbox],
    sweep_expired: Callable[[], int],
    check_quotas: Callable[[], QuotaCheck | None],
    now: datetime,
    *,
    flush_rows: Callable[[], FlushedRows],
    sweep_phases: Callable[[], SweptPhases],
    dry_run: bool,
) -> TickResult[D_co]:
    """Decide on rollouts as of `now`, look at quotas, then hand phases on, publish, load rows, delete what has expired.

    Ticks may overlap and be killed anywhere: each step is taken once. A dry run changes nothing.
    """
    decided = tuple(rollouts.tick(now, dry_run=dry_run))
    if dry_run:
        return TickResult(now, decided, None)
    quotas = check_quotas()
    phases = sweep_phases()
    swept = outbox().sweep()
    flushed = flush_rows()
    sweep_expired()
    return TickResult(now, decided, swept, quotas, flushed, phases)
