"""Which columns to cluster a table by, from what its queries filter by. This is advice: nothing is changed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, Literal

from nbactl.frozen import frozen
from nbactl.ports.column_types import CLUSTERABLE, base
from nbactl.warehouse.plan import changes
from nbactl.warehouse.suggest.predicates import uses_in
from nbactl.warehouse.tables import MAX_CLUSTERING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nbactl.ports.warehouse import TableLayout
    from nbactl.warehouse.suggest.predicates import UseKind
    from nbactl.warehouse.suggest.queries import BilledQuery

Verdict = Literal["suggested", "as_it_is", "too_small", "no_filters"]
_WEIGHTS: Final[Mapping[UseKind, float]] = {"equality": 1.0, "range": 0.5, "join": 0.1}
"""Equal values lie in the fewest blocks; a join leaves blocks out only if BigQuery can pass a filter through it."""
_LEAST_SHARE: Final = 0.1
"""A column that fewer of a table's bytes are filtered by is not worth its place."""


@frozen
class TableQuery:
    """A query of one table: its part of the bytes billed, by size among the tables read, and the use of each column."""

    query: BilledQuery
    bytes_billed: int
    columns: Mapping[str, UseKind]


@frozen
class Candidate:
    """A column, with the queries that filter by it. `bytes_billed` is theirs, `kind` the use with most of it."""

    column: str
    kind: UseKind
    queries: int
    bytes_billed: int
    score: float


@frozen
class Suggestion:
    """What was found out about a table. `columns` are in the order to cluster by, `candidates` the best first."""

    table: str
    verdict: Verdict
    reason: str
    current: tuple[str, ...]
    columns: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    queries: tuple[TableQuery, ...]

    @property
    def bytes_billed(self) -> int:
        """What the queries of the table were billed: an upper bound of what they would be after the change."""
        return sum(query.bytes_billed for query in self.queries)


def advise(
    layouts: Iterable[TableLayout], queries: Sequence[BilledQuery], project: str | None = None
) -> tuple[Suggestion, ...]:
    """Return what to cluster each table by, those with the greatest bytes first."""
    tables = {layout.schema.name: layout for layout in layouts if layout.kind == "table"}
    found = _by_table(tables, queries, project)
    made = [_suggestion(layout, found.get(name, [])) for name, layout in tables.items()]
    return tuple(sorted(made, key=lambda one: (one.verdict != "suggested", -one.bytes_billed, one.table)))


def _by_table(
    tables: Mapping[str, TableLayout], queries: Sequence[BilledQuery], project: str | None
) -> Mapping[str, list[TableQuery]]:
    columns = {name: {column.name.lower() for column in one.schema.columns} for name, one in tables.items()}
    found: dict[str, list[TableQuery]] = defaultdict(list)
    for query in queries:
        seen = uses_in(query.sql, columns, project)
        total = sum(tables[name].bytes or 1 for name in seen.tables)
        for name in seen.tables:
            share = round(query.bytes_billed * (tables[name].bytes or 1) / total)
            uses = sorted((use for use in seen.uses if use.table == name), key=lambda use: _WEIGHTS[use.kind])
            found[name].append(TableQuery(query, share, {use.column: use.kind for use in uses}))  # the best comes last
    return found


def _suggestion(layout: TableLayout, queries: Sequence[TableQuery]) -> Suggestion:
    schema = layout.schema
    candidates = _candidates(layout, queries)
    columns = _ordered(candidates, queries)
    names = {column.name.lower(): column.name for column in schema.columns}
    chosen = tuple(names[column] for column in columns)
    size = layout.largest_partition if layout.largest_partition is not None else layout.bytes or 0
    verdict: Verdict = "suggested"
    reason = ""
    if not chosen:
        verdict = "no_filters"
        reason = "No column that it can be clustered by is in a tenth of the bytes of its queries."
    elif chosen == schema.cluster_by[: len(chosen)]:
        verdict, reason = "as_it_is", "It is clustered by these columns."
    elif size < changes.GAINS_FROM:
        part = "partition" if schema.partition_by else "table"
        verdict, reason = "too_small", f"No {part} is above 64 MB, so that clustering would gain little."
    return Suggestion(schema.name, verdict, reason, schema.cluster_by, chosen, candidates, tuple(queries))


def _candidates(layout: TableLayout, queries: Sequence[TableQuery]) -> tuple[Candidate, ...]:
    """Return the columns that a table can be clustered by, the best first; its partitions do the work of theirs."""
    allowed = {
        column.name.lower()
        for column in layout.schema.columns
        if base(column.type) in CLUSTERABLE and column.name != layout.schema.partition_by
    }
    made = []
    for column in {column for query in queries for column in query.columns} & allowed:
        using = [query for query in queries if column in query.columns]
        by_kind: dict[UseKind, int] = defaultdict(int)
        for query in using:
            by_kind[query.columns[column]] += query.bytes_billed
        kind = max(by_kind, key=lambda one: by_kind[one] * _WEIGHTS[one])
        score = sum(_WEIGHTS[one] * billed for one, billed in by_kind.items())
        runs = sum(query.query.runs for query in using)
        made.append(Candidate(column, kind, runs, sum(by_kind.values()), score))
    return tuple(sorted(made, key=lambda one: (-one.score, one.column)))


def _ordered(candidates: Sequence[Candidate], queries: Sequence[TableQuery]) -> tuple[str, ...]:
    """Choose columns one after the other: a column helps only the queries that filter by all columns before it.

    https://cloud.google.com/bigquery/docs/clustered-tables#clustering_column_order
    """
    least = _LEAST_SHARE * sum(query.bytes_billed for query in queries)
    left, chosen = list(queries), list[str]()
    open_columns = [candidate.column for candidate in candidates]
    while open_columns and len(chosen) < MAX_CLUSTERING:
        scores = {
            column: sum(
                _WEIGHTS[query.columns[column]] * query.bytes_billed for query in left if column in query.columns
            )
            for column in open_columns
        }
        best = max(open_columns, key=lambda column: scores[column])
        if scores[best] <= 0 or scores[best] < least:
            break
        chosen.append(best)
        open_columns.remove(best)
        left = [query for query in left if best in query.columns]
    return tuple(chosen)
