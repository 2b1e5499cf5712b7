"""Which tables and columns a statement reads, and which partitions its filters leave.

What the filters leave is found in `filters`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server
from sqlglot.errors import SqlglotError  # noqa: TID253 - as above
from sqlglot.optimizer.pushdown_predicates import pushdown_predicates  # noqa: TID253 - as above
from sqlglot.optimizer.pushdown_projections import pushdown_projections  # noqa: TID253 - as above
from sqlglot.optimizer.qualify import qualify  # noqa: TID253 - as above
from sqlglot.optimizer.scope import traverse_scope  # noqa: TID253 - as above

from nbactl.adapters.duckdb.sql.types import duckdb_name
from nbactl.testing.bigquery import dml, partitions
from nbactl.testing.bigquery.filters import PartitionFilters, Span, Test, all_of, key_tests
from nbactl.testing.bigquery.session import TEMP, Session
from nbactl.testing.bigquery.store import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbactl.adapters.duckdb.sql.types import Type
    from nbactl.testing.bigquery.store import Name

_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Read:
    """A table that is read: the columns (lower case, None for all), and which partitions are left (None for all).

    `keys` say for the first clustering columns which blocks are left.
    """

    table: Table
    columns: frozenset[str] | None
    test: Test | None
    keys: tuple[Test, ...] = ()


def of(session: Session, tree: exp.Expr) -> list[Read]:
    """Return what a statement reads."""
    found: list[Read] = []
    if isinstance(tree, (exp.Delete, exp.Update, exp.Merge)):
        found += _changed(session, tree)
    for query in _outermost(tree):
        found += _queried(session, query)
    return found


def _outermost(tree: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(tree, exp.Query):
        yield tree
        return
    for node in tree.iter_expressions():
        yield from _outermost(node)


def _changed(session: Session, tree: exp.Expr) -> list[Read]:
    """A table that is changed is read with all its columns; what else a statement joins, too.

    https://cloud.google.com/bigquery/docs/estimate-costs#on_demand_dml
    """
    node = dml.changed_table(tree)
    table = _table(session, node)
    where = tree.args.get("where") or tree.args.get("on")
    condition = where.this if isinstance(where, exp.Where) else where
    found = [Read(table, None, _test(session, table, node.alias_or_name, condition))] if table else []
    joined = [tree.args["using"]] if isinstance(tree, exp.Merge) else []
    if isinstance(tree, exp.Update) and tree.args.get("from_") is not None:
        joined = [tree.args["from_"].this]
    return found + [
        Read(read, None, _test(session, read, other.alias_or_name, condition))
        for other in joined
        if isinstance(other, exp.Table) and (read := _table(session, other)) is not None
    ]


def _queried(session: Session, query: exp.Expr) -> list[Read]:
    tables = {table.name: table for node in query.find_all(exp.Table) if (table := _table(session, node)) is not None}
    if not tables:
        return []
    selected = _selected(query, {name: table.columns for name, table in tables.items()})
    if selected is None:
        return [Read(table, None, None) for table in tables.values()]
    found = []
    for one in selected:
        read = _table(session, one.node)
        if read is None:
            continue
        if read.is_view:
            found += of(session, session.parse(read.resource["view"]["query"]))
            continue
        tests = [_test(session, read, one.alias, condition) for condition in one.conditions]
        keys = key_tests(session, read, one.alias, one.conditions)
        found.append(Read(read, one.columns, all_of(tests), keys))
    return found


@dataclass(frozen=True, slots=True)
class _Selected:
    """A table that a query selects from, by that name: the columns, and the conditions at that place."""

    node: exp.Table
    alias: str
    columns: frozenset[str]
    conditions: tuple[exp.Expr, ...]


_KEPT: Final = 256
_kept: dict[object, list[_Selected] | None] = {}
"""What queries select, of all servers of this process: qualifying takes longer than running on small tables."""


def _selected(query: exp.Expr, columns: Mapping[Name, Sequence[tuple[str, Type]]]) -> list[_Selected] | None:
    """Return what a query selects from, None where that cannot be analysed."""
    schema: dict[str, Any] = {}
    for (dataset, table), listed in columns.items():
        schema.setdefault(dataset, {})[table] = {name.lower(): duckdb_name(kind) for name, kind in listed}
    key = hash(query), str(schema)
    if key not in _kept:
        if len(_kept) >= _KEPT:
            _kept.clear()
        _kept[key] = _analysed(query.copy(), schema)
    return _kept[key]


def _analysed(query: exp.Expr, schema: dict[str, Any]) -> list[_Selected] | None:
    try:
        plain = qualify(
            query, schema=schema, dialect="bigquery", validate_qualify_columns=False, quote_identifiers=False
        )
        plain = pushdown_predicates(pushdown_projections(plain), dialect="bigquery")
        scopes = traverse_scope(plain)
    except SqlglotError:
        return None
    return [
        _Selected(
            source,
            alias,
            frozenset(column.name.lower() for column in scope.columns if column.table == alias),
            tuple(_conditions(scope.expression)),
        )
        for scope in scopes
        for alias, (_, source) in scope.selected_sources.items()
        if isinstance(source, exp.Table)
    ]


def _table(session: Session, node: exp.Table) -> Table | None:
    if node.db == TEMP and node.name in session.temporary:
        now = session.now
        return Table((TEMP, node.name), session.temporary[node.name], now, now)
    return session.store.tables.get((node.db, node.name))


def _conditions(query: exp.Expr) -> list[exp.Expr]:
    """Return what must hold of every row: WHERE, and ON of inner joins."""
    where = query.args.get("where")
    inner = [join for join in query.args.get("joins") or () if join.args.get("on") is not None and not join.side]
    return [*([where.this] if where is not None else []), *(join.args["on"] for join in inner)]


def _test(session: Session, table: Table, alias: str, condition: exp.Expr | None) -> Test | None:
    """Return which partitions a condition leaves, None if it says nothing of them."""
    if condition is None or table.partition_field is None:
        return None
    return PartitionFilters(session, table, alias).test(condition)


def partitions_of(session: Session, tree: exp.Expr) -> set[str] | None:
    """Return the partitions that a statement may change, None for all."""
    changed = _changed(session, tree)[0]
    if changed.test is None:
        return None
    there = partitions.known(session.cursor, changed.table)
    return {one.id for one in there if changed.test(span(changed.table, one.id))}


def span(table: Table, partition: str) -> Span:
    """Return what the values of a partition can be."""
    if partition == partitions.NULL_PARTITION:
        return Span(None, None, null=True)
    begin, end = partitions.bounds(table, partition)
    return Span(begin, end - _MICROSECOND)
