"""Which tables and columns a statement reads, and which partitions its filters leave.

Filters count that compare the partitioning column with something that is known before the query runs:
https://cloud.google.com/bigquery/docs/querying-partitioned-tables
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server
from sqlglot.errors import SqlglotError  # noqa: TID253 - as above
from sqlglot.optimizer.pushdown_predicates import pushdown_predicates  # noqa: TID253 - as above
from sqlglot.optimizer.pushdown_projections import pushdown_projections  # noqa: TID253 - as above
from sqlglot.optimizer.qualify import qualify  # noqa: TID253 - as above
from sqlglot.optimizer.scope import traverse_scope  # noqa: TID253 - as above

from nbactl.adapters.duckdb.sql.types import duckdb_name
from nbactl.testing.bigquery import dml, partitions, values
from nbactl.testing.bigquery.errors import ApiError
from nbactl.testing.bigquery.session import TEMP, Session
from nbactl.testing.bigquery.store import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nbactl.adapters.duckdb.sql.types import Type
    from nbactl.testing.bigquery.store import Name

_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """What the values of a partition can be: from `low` to `high`, both included, or NULL only."""

    low: datetime
    high: datetime
    null: bool = False


Test = Callable[[Span], bool]


@dataclass(frozen=True, slots=True)
class Read:
    """A table that is read: the columns (lower case, None for all), and which partitions are left (None for all)."""

    table: Table
    columns: frozenset[str] | None
    test: Test | None


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
        found.append(Read(read, one.columns, _all(_tests(session, read, one.alias, one.conditions))))
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


def _tests(session: Session, table: Table, alias: str, conditions: Iterable[exp.Expr]) -> list[Test]:
    return [test for one in conditions if (test := _test(session, table, alias, one)) is not None]


def _all(tests: list[Test]) -> Test | None:
    return (lambda span: all(test(span) for test in tests)) if tests else None


def _any(tests: list[Test]) -> Test:
    return lambda span: any(test(span) for test in tests)


def _test(session: Session, table: Table, alias: str, condition: exp.Expr | None) -> Test | None:
    """Return which partitions a condition leaves, None if it says nothing of them."""
    if condition is None or table.partition_field is None:
        return None
    return _Filters(session, table, alias).test(condition)


class _Filters:
    def __init__(self, session: Session, table: Table, alias: str) -> None:
        self._session = session
        self._alias = alias
        self._field = (table.partition_field or "").lower()
        self._kind = {name.lower(): kind for name, kind in table.columns}[self._field]

    def test(self, node: exp.Expr) -> Test | None:  # noqa: PLR0911 - one form of condition a return
        node = node.unnest()
        if isinstance(node, exp.And):
            return _all([test for side in (node.left, node.right) if (test := self.test(side)) is not None])
        if isinstance(node, exp.Or):
            left, right = self.test(node.left), self.test(node.right)
            return None if left is None or right is None else _any([left, right])
        if isinstance(node, exp.Between) and (day := self._column(node.this)) is not None:
            low, high = self._constant(node.args["low"]), self._constant(node.args["high"])
            tests = [self._compared(op, bound, day=day) for op, bound in ((exp.GTE, low), (exp.LTE, high))]
            return _all([test for test in tests if test is not None])
        if isinstance(node, exp.In) and (day := self._column(node.this)) is not None:
            return self._listed(node, day=day)
        if isinstance(node, exp.Is) and self._column(node.this) is not None and isinstance(node.expression, exp.Null):
            return lambda span: span.null
        if isinstance(node, exp.Binary) and type(node) in _TURNED:
            return self._comparison(node)
        return None

    def _comparison(self, node: exp.Binary) -> Test | None:
        if (day := self._column(node.left)) is not None:
            return self._compared(type(node), self._constant(node.right), day=day)
        if (day := self._column(node.right)) is not None:
            return self._compared(_TURNED[type(node)], self._constant(node.left), day=day)
        return None

    def _listed(self, node: exp.In, *, day: bool) -> Test | None:
        unnest = node.args.get("unnest")
        if unnest is not None:
            found = self._value(unnest.expressions[0] if isinstance(unnest, exp.Unnest) else unnest)
            listed = [self._moment(part) for part in found] if isinstance(found, list) else [None]
        else:
            listed = [self._constant(part) for part in node.expressions] or [None]
        tests = [self._compared(exp.EQ, one, day=day) for one in listed]
        known = [test for test in tests if test is not None]
        return _any(known) if len(known) == len(tests) else None

    def _column(self, node: exp.Expr) -> bool | None:
        """Say whether an expression is the partitioning column (False), its day (True), or neither (None)."""
        node = node.unnest()
        if isinstance(node, exp.Column):
            ours = node.name.lower() == self._field and node.table.lower() in ("", self._alias.lower())
            return False if ours else None
        inner = None
        if isinstance(node, exp.Anonymous) and str(node.this).upper() == "DATE" and len(node.expressions) == 1:
            inner = node.expressions[0]
        elif isinstance(node, (exp.Cast, exp.Date)) and (isinstance(node, exp.Date) or node.args["to"].is_type("date")):
            inner = node.this
        elif isinstance(node, exp.Extract) and node.this.name.upper() == "DATE":
            inner = node.expression
        return None if inner is None or self._column(inner) is None else True

    def _compared(self, operator: type[exp.Expr], moment: datetime | None, *, day: bool) -> Test | None:
        if moment is None:
            return None
        compare = _OPERATORS[operator]
        whole_days = day or self._kind.kind == "DATE"

        def test(span: Span) -> bool:
            low, high = (_day(span.low), _day(span.high)) if whole_days else (span.low, span.high)
            return not span.null and compare(low, high, moment)

        return test

    def _constant(self, node: exp.Expr) -> datetime | None:
        return self._moment(self._value(node))

    def _moment(self, value: Any) -> datetime | None:  # noqa: ANN401 - a value of any type
        if isinstance(value, str):
            try:
                value = values.parsed(value, self._kind)
            except ValueError:
                return None
        return partitions.as_moment(value) if isinstance(value, date) else None

    def _value(self, node: exp.Expr) -> Any:  # noqa: ANN401 - a value of any type
        """Return what is known before the query runs: no column in it, and no query."""
        if isinstance(node, exp.Literal) and node.is_string:
            return node.this
        if isinstance(node, exp.Parameter):
            return self._session.parameters.get(node.name, (None, None))[1]
        if node.find(exp.Query) is not None:
            return None
        for column in node.find_all(exp.Column):
            if column.name.lower() not in self._session.variables and not column.name.startswith("@@"):
                return None
        try:
            return self._session.constant(node)
        except ApiError:
            return None


_TURNED: Final[dict[type[exp.Expr], type[exp.Expr]]] = {
    exp.EQ: exp.EQ,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
}
_OPERATORS: Final[dict[type[exp.Expr], Callable[[datetime, datetime, datetime], bool]]] = {
    exp.EQ: lambda low, high, value: low <= value <= high,
    exp.LT: lambda low, _, value: low < value,
    exp.LTE: lambda low, _, value: low <= value,
    exp.GT: lambda _, high, value: high > value,
    exp.GTE: lambda _, high, value: high >= value,
}


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def span(table: Table, partition: str) -> Span:
    """Return what the values of a partition can be."""
    if partition == partitions.NULL_PARTITION:
        return Span(datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), null=True)
    begin, end = partitions.bounds(table, partition)
    return Span(begin, end - _MICROSECOND)
