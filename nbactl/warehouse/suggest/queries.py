"""The dearest queries of the job history, those together that differ in literals alone."""

from __future__ import annotations

import heapq
import re
from typing import TYPE_CHECKING, Final

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from nbactl.ports.warehouse import JobHistory, WarehouseJob

MOST: Final = 500
"""How many distinct texts are parsed, the dearest; parsing one takes about a millisecond."""
_KEPT: Final = 10 * MOST
_SPACE: Final = r"(?:--[^\n]*|\#[^\n]*|/\*.*?\*/|\s)+"
_TEXT: Final = r"""r?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_VARYING: Final = re.compile(rf"({_SPACE})|{_TEXT}|\b\d+(?:\.\d+)?\b", re.DOTALL)


@frozen
class BilledQuery:
    """A query that ran `runs` times, with the text of one of them. `bytes_billed` is the sum."""

    sql: str
    runs: int
    bytes_billed: int


def dearest_queries(history: JobHistory, since: datetime, *, timeout: float) -> list[BilledQuery]:
    """Return the queries since then that were billed most, the dearest first. Raises what the history raises."""
    return dearest(history.jobs(since, timeout=timeout))


def dearest(jobs: Iterable[WarehouseJob], most: int = MOST) -> list[BilledQuery]:
    """Return the dearest queries of these jobs; so many texts at most are kept in memory that rare ones may be lost."""
    found: dict[str, BilledQuery] = {}
    for job in jobs:
        if not job.bytes_billed or job.error is not None:
            continue
        shape = _shape(job.sql)
        known = found.get(shape)
        runs, billed = (0, 0) if known is None else (known.runs, known.bytes_billed)
        sql = job.sql if known is None else known.sql
        found[shape] = BilledQuery(sql, runs + 1, billed + job.bytes_billed)
        if len(found) > _KEPT:
            found = dict(heapq.nlargest(_KEPT // 2, found.items(), key=lambda item: item[1].bytes_billed))
    return heapq.nlargest(most, found.values(), key=lambda query: query.bytes_billed)


def _shape(sql: str) -> str:
    """Return a text without comments and spaces, with the same sign for every literal."""
    return _VARYING.sub(lambda part: " " if part[1] else "?", sql)
