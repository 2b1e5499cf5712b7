"""The query gateway: a repeated query is answered from memory as long as no table that it reads has changed.

A result is kept under the query, its parameters, and when each of its tables was changed last, which is asked before
every answer (a call of metadata, without a price). So a change is seen by the next query, whatever the time to live.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core.calls.cache import TtlCache
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.observe.context import current
from nbactl.core.observe.events import Event, noop_hook
from nbactl.errors import NbactlError, TimedOutError
from nbactl.warehouse.kinds import kind_of
from nbactl.warehouse.sql.reads import reads_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from datetime import date

    from nbactl.core._support.clock import Clock
    from nbactl.core.calls.deadline import Deadline
    from nbactl.core.observe.events import Hook
    from nbactl.ports.warehouse import (
        Column,
        DryRun,
        Fence,
        Modified,
        PartitionVersion,
        QueryResult,
        Replaced,
        Rows,
        Select,
        TableInfo,
        TableLayout,
        TableSchema,
        Warehouse,
    )
    from nbactl.warehouse.costs.cache_counts import CacheCounts, Outcome
    from nbactl.warehouse.kinds import QueryKind

AnsweredBy = Literal["engine", "engine_cache", "result_cache"]
CACHE: Final = "query_results"
"""The name of the cache in events and metrics."""
_MOST_RESULTS: Final = 256
_MOST_ROWS: Final = 1_000
"""A result with more rows is not kept: decisions read few, and what reads many is not asked twice."""


@dataclass(frozen=True, slots=True)
class _WarehouseQuery:
    """One query as it was asked for."""

    sql: str
    parameters: Mapping[str, Any] | None
    timeout: float
    labels: Mapping[str, str] | None
    cache: bool
    max_bytes: int | None
    max_rows: int | None


class QueryGateway:
    """A Warehouse whose queries are cached where `enabled` says so (flag `query_caching`); the rest is passed on.

    `enabled` gets the correlation id of the work at hand, or without one a hash of the query. `ttl` gives the seconds
    that a result of a kind of query is kept. A query that asks for no cache gets none. `counts` gets what the cache
    did. `project` is the one whose tables SQL may name in full. What a query fails with is never kept. A query without
    a limit of its own may bill `max_bytes`, where anything is billed.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        clock: Clock,
        *,
        enabled: Callable[[str], bool],
        ttl: Callable[[QueryKind], float],
        counts: CacheCounts | None = None,
        project: str | None = None,
        max_bytes: int | None = None,
        hook: Hook = noop_hook,
    ) -> None:
        self._warehouse = warehouse
        self._max_bytes = max_bytes
        self._clock = clock
        self._enabled = enabled
        self._ttl = ttl
        self._counts = counts
        self._project = project
        self._hook = hook
        self._results: TtlCache[Hashable, _Kept] = TtlCache(CACHE, clock, ttl=0.0, max_size=_MOST_RESULTS, hook=hook)

    def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        timeout: float,
        labels: Mapping[str, str] | None = None,
        cache: bool = True,
        max_bytes: int | None = None,
        max_rows: int | None = None,
    ) -> QueryResult:
        most = self._max_bytes if max_bytes is None else max_bytes
        ask = _WarehouseQuery(sql, parameters, timeout, labels, cache, most, max_rows)
        began = self._clock.monotonic()
        try:
            answered_by, result = self._answer(ask)
        except NbactlError as error:
            self._hook(Event("warehouse.query_failed", "warehouse", {"error": error.code}))
            raise
        fields = {
            "answered_by": answered_by,
            "bytes": result.bytes_processed,
            "seconds": self._clock.monotonic() - began,
        }
        self._hook(Event("warehouse.queried", "warehouse", fields))
        return result

    def dry_run(self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float) -> DryRun:
        return self._warehouse.dry_run(sql, parameters, timeout=timeout)

    def load(
        self,
        table: str,
        rows: Rows,
        *,
        timeout: float,
        labels: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> int:
        return self._warehouse.load(table, rows, timeout=timeout, labels=labels, key=key)

    def replace_partitions(
        self,
        table: str,
        days: Sequence[date],
        source: Select | Rows,
        *,
        fence: Fence | None = None,
        timeout: float,
        labels: Mapping[str, str] | None = None,
    ) -> Replaced:
        return self._warehouse.replace_partitions(table, days, source, fence=fence, timeout=timeout, labels=labels)

    def run_dml(
        self,
        statements: Sequence[str],
        parameters: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        timeout: float,
        labels: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
    ) -> Modified:
        return self._warehouse.run_dml(
            statements, parameters, key=key, timeout=timeout, labels=labels, max_bytes=max_bytes
        )

    def set_clustering(self, table: str, columns: Sequence[str], *, etag: str | None = None, timeout: float) -> None:
        self._warehouse.set_clustering(table, columns, etag=etag, timeout=timeout)

    def versions(
        self,
        tables: Sequence[str],
        first: date,
        last: date,
        *,
        timeout: float,
        labels: Mapping[str, str] | None = None,
    ) -> Mapping[tuple[str, date], PartitionVersion]:
        return self._warehouse.versions(tables, first, last, timeout=timeout, labels=labels)

    def create_table(self, schema: TableSchema) -> None:
        self._warehouse.create_table(schema)

    def add_columns(self, table: str, columns: Sequence[Column]) -> None:
        self._warehouse.add_columns(table, columns)

    def table(self, name: str) -> TableInfo:
        return self._warehouse.table(name)

    def list_tables(self, dataset: str | None = None) -> list[str]:
        return self._warehouse.list_tables(dataset)

    def layouts(self, dataset: str, names: Sequence[str], *, timeout: float) -> Mapping[str, TableLayout]:
        return self._warehouse.layouts(dataset, names, timeout=timeout)

    def layout(self, known: TableLayout, *, timeout: float) -> TableLayout:
        return self._warehouse.layout(known, timeout=timeout)

    def apply_ddl(self, statements: Iterable[str], *, timeout: float) -> None:
        self._warehouse.apply_ddl(statements, timeout=timeout)

    def close(self) -> None:
        if self._counts is not None:
            self._counts.flush()
        self._warehouse.close()

    def _answer(self, ask: _WarehouseQuery) -> tuple[AnsweredBy, QueryResult]:
        if not ask.cache or not self._enabled(_request(ask.sql)):
            return self._from_engine(ask)
        reads = reads_of(ask.sql, self._project)
        if reads.tables is None:
            self._count("other", "bypassed")
            return self._from_engine(replace(ask, cache=reads.repeatable))
        kind = kind_of(reads.tables)
        with deadline_scope(ask.timeout, self._clock) as deadline:
            state = self._state_of(reads.tables)
            if state is None:
                self._count(kind, "bypassed")
                return self._from_engine(ask)
            key = (ask.sql, _frozen(ask.parameters or {}), ask.max_bytes, ask.max_rows, state)
            return self._from_cache(ask, key, kind, deadline)

    def _count(self, kind: QueryKind, outcome: Outcome) -> None:
        if self._counts is not None:
            self._counts.add(kind, outcome)

    def _from_engine(self, ask: _WarehouseQuery) -> tuple[AnsweredBy, QueryResult]:
        result = self._warehouse.query(
            ask.sql,
            ask.parameters,
            timeout=ask.timeout,
            labels=ask.labels,
            cache=ask.cache,
            max_bytes=ask.max_bytes,
            max_rows=ask.max_rows,
        )
        return "engine_cache" if result.cache_hit else "engine", result

    def _from_cache(
        self, ask: _WarehouseQuery, key: Hashable, kind: QueryKind, deadline: Deadline
    ) -> tuple[AnsweredBy, QueryResult]:
        answered_by: AnsweredBy = "result_cache"
        asked = False

        def load() -> _Kept:
            nonlocal answered_by, asked
            asked = True
            answered_by, result = self._from_engine(ask)
            return _Kept(result, any(isinstance(cell, (list, dict)) for row in result.rows for cell in row))

        while True:
            try:
                kept = self._results.get(key, load, ttl=self._ttl(kind))
            except TimedOutError:
                if asked or deadline.remaining() <= 0.0:
                    raise
                continue  # it was another call, with less time, that ran out of it
            if asked and len(kept.result.rows) > _MOST_ROWS:
                self._results.forget(key)
            self._count(kind, "misses" if asked else "hits")
            return answered_by, kept.copy(cached=not asked)

    def _state_of(self, tables: tuple[str, ...]) -> Hashable:
        """Return when each table was changed last; None if a change might not be seen by it."""
        now = self._clock.now()
        state = []
        for name in tables:
            try:
                table = self._warehouse.table(name)
            except NbactlError:
                return None  # no cache may fail a query that needs no metadata; the engine answers, or says why not
            if table.modified is None or table.modified >= now:
                return None  # a second change at this very moment would look the same
            state.append((name, table.modified, table.rows))
        return tuple(state)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A result in the cache; `nested` if its rows hold values that can be changed."""

    result: QueryResult
    nested: bool

    def copy(self, *, cached: bool) -> QueryResult:
        """Return a result that its caller may change."""
        rows = deepcopy(self.result.rows) if self.nested else list(self.result.rows)
        if not cached:
            return replace(self.result, rows=rows)
        return replace(self.result, rows=rows, bytes_processed=0, cache_hit=True)


def _request(sql: str) -> str:
    """Return by what a percentage of requests is drawn: all queries of one piece of work are treated alike."""
    return current().correlation_id or hashlib.sha256(sql.encode()).hexdigest()


def _frozen(value: Any) -> Hashable:  # noqa: ANN401 - a query parameter of any kind
    """Return a value that equals another's exactly if no query can tell the two apart."""
    if isinstance(value, Mapping):
        return tuple(sorted((name, _frozen(item)) for name, item in value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(map(_frozen, value))
    return type(value).__name__, repr(value)  # 1, 1.0 and True are equal, and so are 0.0 and -0.0
