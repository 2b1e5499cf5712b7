"""The dearest queries of the job history, those together that differ in literals alone."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from nbactl.ports.warehouse import JobHistory, WarehouseJob

MOST: Final = 500
"""How many distinct texts are parsed, the dearest; parsing one takes about a millisecond."""
_KEPT: Final = 20_000
"""How many distinct queries are counted; beyond that the cheaper half is forgotten."""


@frozen
class BilledQuery:
    """A query that ran `runs` times, with the text of one of them. `bytes_billed` is the sum."""

    sql: str
    runs: int
    bytes_billed: int


def dearest_queries(history: JobHistory, since: datetime, until: datetime, *, timeout: float) -> list[BilledQuery]:
    """Return the queries of that time that were billed most, the dearest first. Raises what the history raises.

    `timeout` is in seconds, for each of two calls.
    """
    counted = dearest(history.jobs(since, until, timeout=timeout))
    texts = history.query_texts([query_hash for query_hash, _, _ in counted], since, until, timeout=timeout)
    return [BilledQuery(texts[query_hash], runs, billed) for query_hash, runs, billed in counted if query_hash in texts]


def dearest(jobs: Iterable[WarehouseJob], most: int = MOST) -> list[tuple[str, int, int]]:
    """Return hash, runs and billed bytes of the dearest queries of these jobs, the dearest first."""
    found: dict[str, tuple[int, int]] = {}
    for job in jobs:
        if job.query_hash is None or not job.bytes_billed or job.error is not None:
            continue
        runs, billed = found.get(job.query_hash, (0, 0))
        found[job.query_hash] = runs + 1, billed + job.bytes_billed
        if len(found) > _KEPT:
            found = dict(heapq.nlargest(_KEPT // 2, found.items(), key=lambda item: item[1][1]))
    ordered = heapq.nlargest(most, found.items(), key=lambda item: item[1][1])
    return [(query_hash, runs, billed) for query_hash, (runs, billed) in ordered]
