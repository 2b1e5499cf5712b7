"""Guards: a number over a time, judged against a limit once it rests on enough events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.rollouts.model import Rollout, RolloutGuard

COMPARED: Final = {
    "error_rate_increase": "error_rate",
    "p95_increase": "p95",
    "cost_increase": "cost",
}
"""Metrics that compare with the time before the rollout, and the number that is compared."""
_BEFORE: Final = timedelta(days=7)
"""The time before the rollout that a stage is compared with: a week, because days of the week differ."""


@dataclass(frozen=True, slots=True)
class MetricReading:
    """A number over a time, and the count of its events."""

    value: float
    sample: int


class MetricSource(Protocol):
    """Where numbers come from."""

    @property
    def name(self) -> str:
        """Its name in messages."""
        ...

    def read(self, number: str, since: datetime, until: datetime) -> MetricReading | None:
        """Return `workflow_failure_rate`, `error_rate`, `p95`, `duplicate_rate` or `cost` over a time.

        None if this source does not have that number. Raises UnavailableError if it does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class GuardVerdict:
    """The result of a guard: `breached`, `passed`, or neither because there are too few data; `why` explains it."""

    guard: str
    metric: str
    value: float | None
    limit: float
    sample: int
    breached: bool
    passed: bool
    why: str


def judge(rollout: Rollout, sources: Sequence[MetricSource], now: datetime) -> list[GuardVerdict]:
    """Return the result of each guard for the present stage; only events since it began count."""
    return [_judge(guard, rollout, sources, now) for guard in rollout.guards]


def _judge(guard: RolloutGuard, rollout: Rollout, sources: Sequence[MetricSource], now: datetime) -> GuardVerdict:
    since = max(rollout.entered_at, now - timedelta(seconds=guard.window))
    number = COMPARED.get(guard.metric, guard.metric)
    unanswered = None
    for source in sources:
        try:
            reading = source.read(number, since, now)
            if reading is None:
                continue
            value, before = reading.value, None
            if guard.metric in COMPARED:
                before = source.read(number, rollout.started_at - _BEFORE, rollout.started_at)
        except NbactlError as error:
            unanswered = f"{source.name} does not answer: {error.message}"
            continue
        if reading.sample < guard.minimum_sample:
            why = f"{reading.sample} of {guard.minimum_sample} events"
            return GuardVerdict(guard.name, guard.metric, None, guard.above, reading.sample, False, False, why)  # noqa: FBT003
        if guard.metric in COMPARED:
            if before is None or before.sample < guard.minimum_sample:
                why = f"{0 if before is None else before.sample} of {guard.minimum_sample} events before the rollout"
                return GuardVerdict(guard.name, guard.metric, None, guard.above, reading.sample, False, False, why)  # noqa: FBT003
            # Where there was none before, what there is now is all increase.
            value = (reading.value - before.value) / before.value if before.value else reading.value
        breached = value > guard.above
        why = f"{value:.1%} {'is above' if breached else 'of'} {guard.above:.1%} ({source.name})"
        return GuardVerdict(guard.name, guard.metric, value, guard.above, reading.sample, breached, not breached, why)
    why = unanswered or "no source has this number"
    return GuardVerdict(guard.name, guard.metric, None, guard.above, 0, False, False, why)  # noqa: FBT003
