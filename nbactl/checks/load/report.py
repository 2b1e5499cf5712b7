"""What a load showed: each intended request in exactly one bucket, and exact percentiles."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nbactl.checks.load.open_loop import Outcome


@frozen
class Percentiles:
    """Latencies in seconds. None means that the request at this rank got no answer."""

    p50: float | None
    p90: float | None
    p99: float | None
    max: float | None


@frozen
class LoadReport:
    """The outcome of a load: `intended` is the sum of `statuses`, `errors` and `overflow`.

    `duration` is from the first intended instant to the last end, in seconds; `throughput` is answers a second. `lag`
    is how long after its instant the generator itself started a request, at worst: it is part of the latencies.
    """

    intended: int
    statuses: Mapping[str, int]
    errors: Mapping[str, int]
    overflow: int
    duration: float
    throughput: float
    latency: Percentiles
    lag: float

    @property
    def answered(self) -> int:
        """How many got an answer, of any status."""
        return sum(self.statuses.values())


def report_of(outcomes: Sequence[Outcome]) -> LoadReport:
    """Return the report of a load."""
    sent = [one for one in outcomes if one.started is not None]
    statuses = Counter(one.status for one in sent if one.status is not None)
    duration = max((one.ended or 0.0 for one in sent), default=0.0)
    duration = max([duration, *(one.intended for one in outcomes)]) - min(
        (one.intended for one in outcomes), default=0.0
    )
    answered = sum(statuses.values())
    return LoadReport(
        intended=len(outcomes),
        statuses=dict(sorted(statuses.items())),
        errors=dict(sorted(Counter(one.error or "unknown" for one in sent if one.status is None).items())),
        overflow=len(outcomes) - len(sent),
        duration=duration,
        throughput=answered / duration if duration else 0.0,
        latency=percentiles(one.latency for one in outcomes),
        lag=max(((one.started or 0.0) - one.intended for one in sent), default=0.0),
    )


def percentiles(latencies: Iterable[float | None]) -> Percentiles:
    """Return exact percentiles by nearest rank, of all requests: one without an answer is slower than every other."""
    ordered = sorted(math.inf if latency is None else latency for latency in latencies)

    def at(percent: int) -> float | None:
        if not ordered:
            return None
        found = ordered[-(-percent * len(ordered) // 100) - 1]
        return None if math.isinf(found) else found

    return Percentiles(at(50), at(90), at(99), at(100))
