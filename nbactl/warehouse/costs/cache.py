"""How often BigQuery's cache and that of the gateway answer, by kind of query, and why queries are not cached.

Sources: https://cloud.google.com/bigquery/docs/cached-results#cache-exceptions.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbactl.frozen import frozen
from nbactl.warehouse.costs.cache_counts import read_counts
from nbactl.warehouse.costs.quotas import MUTATING
from nbactl.warehouse.costs.usage import MOST_GROUPS, is_own_look
from nbactl.warehouse.kinds import KINDS, QueryKind, kind_of, kind_of_text
from nbactl.warehouse.sql.reads import uncached_because

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime, timedelta

    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.warehouse import JobHistory, TableLayout, WarehouseJob

TOP: Final = 10
"""Queries that reasons are looked for."""
_WRITES: Final = MUTATING | {"INSERT", "CREATE_TABLE_AS_SELECT", "SELECT", "TRUNCATE_TABLE"}
_UNKNOWN: Final = (
    "no reason found: its literals, parameters or white space may differ from run to run, its results be older than 24 "
    "hours, or the cache be off in the call"
)


@frozen
class HitRate:
    """How many queries were asked, and how many of them the cache answered. `bypassed` ones are not asked of it."""

    asked: int
    hits: int
    bypassed: int = 0

    @property
    def percent(self) -> float | None:
        """The share that was answered, None of nothing."""
        return 100 * self.hits / self.asked if self.asked else None


@frozen
class UncachedQuery:
    """A query that ran more than once and was read from tables each time, with the bytes that it was billed."""

    query_hash: str
    kind: QueryKind
    jobs: int
    users: int
    billed: int
    text: str
    reasons: tuple[str, ...]


@frozen
class CacheReport:
    """The hit rates of BigQuery (`engine`) and of the gateway (`own`) by kind; `own` counts whole days."""

    since: datetime
    until: datetime
    engine: Mapping[QueryKind, HitRate]
    own: Mapping[QueryKind, HitRate]
    queries: tuple[UncachedQuery, ...]


@dataclass(slots=True)
class _Repeated:
    tables: tuple[str, ...]
    jobs: int = 0
    billed: int = 0
    users: set[str] = field(default_factory=set)


def measure_cache(
    history: JobHistory,
    documents: DocumentStore,
    layout: Callable[[str], TableLayout | None],
    *,
    since: timedelta,
    now: datetime,
    timeout: float,
) -> CacheReport:
    """Return how caches answered; `layout` describes a table, None if it cannot. Raises what the history raises.

    Failed queries, those that write their result to a table, and those of `nbactl bq` itself are not counted.
    """
    asked: Counter[QueryKind] = Counter()
    hits: Counter[QueryKind] = Counter()
    changes: Counter[str] = Counter()
    repeated: dict[str, _Repeated] = {}
    begin = now - since
    for job in history.jobs(begin, now, timeout=timeout, hit_texts=True):
        if job.error is not None:
            continue
        if job.destination is not None and (job.kind in ("load", "copy") or job.statement in _WRITES):
            changes[job.destination] += 1
        elif job.statement == "SELECT" and not is_own_look(job):
            kind = kind_of_text(job.sql or "") if job.cache_hit else kind_of(job.referenced)
            asked[kind] += 1
            hits[kind] += job.cache_hit
            _note(repeated, job)
    engine = {kind: HitRate(asked[kind], hits[kind]) for kind in KINDS}
    top = sorted(((key, query) for key, query in repeated.items() if query.jobs > 1), key=lambda item: -item[1].billed)[
        :TOP
    ]
    texts = history.query_texts([key for key, _ in top], begin, now, timeout=timeout)
    layouts = {name: layout(name) for name in sorted({name for _, query in top for name in query.tables})}
    queries = tuple(
        UncachedQuery(
            key,
            kind_of(query.tables),
            query.jobs,
            len(query.users),
            query.billed,
            texts.get(key, ""),
            tuple(_reasons(texts.get(key, ""), query, changes, layouts)) or (_UNKNOWN,),
        )
        for key, query in top
    )
    return CacheReport(begin, now, engine, own_rates(documents, begin, now), queries)


def own_rates(documents: DocumentStore, since: datetime, until: datetime) -> dict[QueryKind, HitRate]:
    """Return the hit rates of the gateway, of all processes."""
    counts = read_counts(documents, since, until)
    return {
        kind: HitRate(
            counts[f"{kind}_hits"] + counts[f"{kind}_misses"], counts[f"{kind}_hits"], counts[f"{kind}_bypassed"]
        )
        for kind in KINDS
    }


def _note(repeated: dict[str, _Repeated], job: WarehouseJob) -> None:
    if job.query_hash is None:
        return
    query = repeated.get(job.query_hash)
    if query is None:
        if len(repeated) >= MOST_GROUPS:
            return
        query = repeated[job.query_hash] = _Repeated(job.referenced)
    query.jobs += 1
    query.billed += job.bytes_billed
    query.users.add(job.user)


def _reasons(
    text: str, query: _Repeated, changes: Mapping[str, int], layouts: Mapping[str, TableLayout | None]
) -> Iterable[str]:
    yield from uncached_because(text)
    for name in query.tables:
        layout = layouts[name]
        if layout is not None and layout.streaming_rows:
            yield f"{name} has rows in the streaming buffer"
        if layout is not None and layout.kind == "external table":
            yield f"{name} is an external table: results are cached only if its data is in Cloud Storage"
    changed = sum(changes.get(name, 0) for name in query.tables)
    if changed:
        yield f"its tables were changed {changed:,} time{'' if changed == 1 else 's'} meanwhile"
    if len(query.users) > 1:
        yield f"{len(query.users):,} users ran it, and each has a cache of their own"
