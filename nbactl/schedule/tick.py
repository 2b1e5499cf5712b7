"""One tick of the schedule: decide on rollouts, look at quotas, publish the outbox, delete what has expired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

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


@dataclass(frozen=True, slots=True)
class QuotaCheck:
    """The tables that are near a limit of the warehouse; `error` says why nothing could be found out."""

    near: tuple[str, ...]
    error: NbactlError | None = None


@dataclass(frozen=True, slots=True)
class TickResult(Generic[D_co]):
    """The outcome of a tick. `swept` is what became of the outbox, None if nothing was to be changed.

    `quotas` is None if they were not looked at this time.
    """

    at: datetime
    decided: tuple[D_co, ...]
    swept: Swept | None
    quotas: QuotaCheck | None = None

    @property
    def error(self) -> NbactlError | None:
        """The first error: of a rollout, else of a message."""
        messages = () if self.swept is None else tuple(self.swept.failed.values())
        errors = (*(decision.error for decision in self.decided), *messages)
        return next((error for error in errors if error is not None), None)


def tick(
    rollouts: RolloutTicker[D_co],
    outbox: Callable[[], Outbox],
    sweep_expired: Callable[[], int],
    check_quotas: Callable[[], QuotaCheck | None],
    now: datetime,
    *,
    dry_run: bool,
) -> TickResult[D_co]:
    """Decide on rollouts as of `now`, look at quotas, then publish pending messages and delete expired documents.

    Ticks may overlap and be killed anywhere: each step is taken once. A dry run changes nothing.
    """
    decided = tuple(rollouts.tick(now, dry_run=dry_run))
    if dry_run:
        return TickResult(now, decided, None)
    quotas = check_quotas()
    swept = outbox().sweep()
    sweep_expired()
    return TickResult(now, decided, swept, quotas)
